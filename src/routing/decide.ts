import { evaluateMatch } from './match.ts';
import { MatchScope, type MatchableMessage } from './match-variables.ts';
import { admitSender } from './sender-policy.ts';
import { assessTrust, type Trust } from './trust.ts';

export interface RoutableMessage extends MatchableMessage {
  readonly id: string;
  readonly channelId: string;
}

/** The identity link that names the sender. */
export interface IdentityFact {
  readonly linkId: string;
  readonly userId: string;
  readonly agentSpecId: string | null;
  readonly verified: boolean;
}

/** What a route is bound to, from most to least specific. */
export const routeScopes = ['endpoint', 'channel', 'tenant'] as const;
export type RouteScope = (typeof routeScopes)[number];

/** A route that may carry the message: enabled, and bound to its endpoint, channel or tenant. */
export interface RouteFact {
  readonly id: string;
  readonly scope: RouteScope;
  readonly priority: number;
  readonly createdAt: Date;
  readonly handlerKind: string;
  readonly targetKind: string | null;
  readonly targetId: string | null;
  /** As it is stored; `sender-policy.ts` reads it. */
  readonly allowedSenderPolicy: unknown;
  /** A CEL expression; null always holds. */
  readonly match: string | null;
}

export interface Considered {
  readonly routeId: string;
  readonly scope: RouteScope;
  readonly priority: number;
  readonly verdict: 'won' | 'refused' | 'lost';
  /** `matched`, `outranked`, `match_false`, `match_failed: …`, or why the sender was refused. */
  readonly reason: string;
}

export interface Decision {
  readonly status: 'routed' | 'unrouted' | 'rejected';
  /** Stable: `route_matched`, `no_route`, `no_match`, or the refusal of the sender policy. */
  readonly reason: string;
  readonly trust: Trust;
  readonly identity: IdentityFact | null;
  /** The route that decided: it won, or its sender policy refused. */
  readonly route: RouteFact | null;
  /** The candidates in order, at most `maxConsidered`, the one that decided always among them. */
  readonly considered: readonly Considered[];
  /** How many candidates `considered` leaves out. */
  readonly omitted: number;
}

/** How many candidates a decision lists. */
export const maxConsidered = 50;

/**
 * Decides who handles a message. Candidates are asked in order (endpoint before channel before
 * tenant, then higher priority, then older, then id), and the first whose `match` holds decides; its
 * sender policy is the gate. A refusal is final: if a refused sender fell through to a broader
 * route, the gate could be walked around. `match` sees `trust`, for those who want to split by it.
 */
export function decideRoute(
  message: RoutableMessage,
  identity: IdentityFact | null,
  candidates: readonly RouteFact[],
): Decision {
  const trust = assessTrust(identity, message.vouched);
  const scope = new MatchScope(message, trust.level, identity?.userId ?? null);
  const ordered = candidates.toSorted(compareRoutes);
  const considered: Considered[] = [];
  for (const [index, route] of ordered.entries()) {
    const missed = missReason(route, scope);
    if (missed) {
      considered.push(consider(route, 'lost', missed));
      continue;
    }
    const admission = admitSender(route.allowedSenderPolicy, message, trust.level);
    considered.push(
      consider(route, admission.admitted ? 'won' : 'refused', admission.admitted ? 'matched' : admission.reason),
    );
    for (const rest of ordered.slice(index + 1, maxConsidered)) considered.push(consider(rest, 'lost', 'outranked'));
    return {
      status: admission.admitted ? 'routed' : 'rejected',
      reason: admission.admitted ? 'route_matched' : admission.reason,
      trust,
      identity,
      route,
      ...shorten(considered, index, ordered.length),
    };
  }
  return {
    status: 'unrouted',
    reason: ordered.length === 0 ? 'no_route' : 'no_match',
    trust,
    identity,
    route: null,
    ...shorten(considered, 0, ordered.length),
  };
}

/** Why a route's match does not hold, or undefined where it does. */
function missReason(route: RouteFact, scope: MatchScope): string | undefined {
  if (route.match === null) return undefined;
  const result = evaluateMatch(route.match, scope);
  if (!result.ok) return `match_failed: ${result.message}`;
  return result.matched ? undefined : 'match_false';
}

function consider(route: RouteFact, verdict: Considered['verdict'], reason: string): Considered {
  return { routeId: route.id, scope: route.scope, priority: route.priority, verdict, reason };
}

/** Keeps the first `maxConsidered`, the last of which gives way to a decider further down. */
function shorten(considered: readonly Considered[], decider: number, total: number) {
  const shown = considered.slice(0, maxConsidered);
  const decided = considered[decider];
  if (decided && decider >= maxConsidered) shown[maxConsidered - 1] = decided;
  return { considered: shown, omitted: total - shown.length };
}

/** The order in which routes are asked. */
export function compareRoutes(a: RouteFact, b: RouteFact): number {
  return (
    routeScopes.indexOf(a.scope) - routeScopes.indexOf(b.scope) ||
    b.priority - a.priority ||
    a.createdAt.getTime() - b.createdAt.getTime() ||
    (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
  );
}

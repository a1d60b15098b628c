import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decideRoute,
  maxConsidered,
  routeScopes,
  type IdentityFact,
  type RoutableMessage,
  type RouteFact,
} from '../../src/routing/decide.ts';

const message: RoutableMessage = {
  id: 'm',
  channelId: 'c',
  channel: 'email',
  externalIdentity: 'ann@example.com',
  displayName: 'Ann',
  recipient: 'desk@postroom.test',
  text: 'hello',
  channelMessageId: null,
  channelThreadId: null,
  attachments: [],
  channelMetadata: { amount: 150 },
  vouched: true,
};
const ann: IdentityFact = { linkId: 'l', userId: 'u', agentSpecId: null, verified: true };

function route(id: string, changes: Partial<RouteFact> = {}): RouteFact {
  return {
    id,
    scope: 'endpoint',
    priority: 0,
    createdAt: new Date(0),
    handlerKind: 'process',
    targetKind: 'agent',
    targetId: 't',
    allowedSenderPolicy: {},
    match: null,
    ...changes,
  };
}

describe('the trust in a sender', () => {
  it.each([
    [{ ...ann, verified: true }, true, 'verified', 'verified_link_and_vouched'],
    [{ ...ann, verified: true }, false, 'unverified', 'sender_not_vouched'],
    [{ ...ann, verified: false }, true, 'unverified', 'link_not_verified'],
    [{ ...ann, verified: false }, false, 'unverified', 'link_not_verified_and_sender_not_vouched'],
    [null, true, 'unknown', 'no_link'],
    [null, false, 'unknown', 'no_link'],
  ])('comes from the link and from what the provider vouches for (%#)', (link, vouched, level, reason) => {
    const { trust, identity } = decideRoute({ ...message, vouched }, link, []);
    expect(trust).toEqual({ level, reason });
    expect(identity).toBe(link);
  });
});

describe('the decision on a route', () => {
  it('is unrouted without a route, and without one whose match holds', () => {
    expect(decideRoute(message, ann, [])).toMatchObject({
      status: 'unrouted',
      reason: 'no_route',
      route: null,
      considered: [],
    });
    expect(decideRoute(message, ann, [route('a', { match: 'text == "bye"' })])).toMatchObject({
      status: 'unrouted',
      reason: 'no_match',
      route: null,
      considered: [{ routeId: 'a', verdict: 'lost', reason: 'match_false' }],
    });
  });

  it('asks endpoint before channel before tenant, then priority, then age, then id', () => {
    const ordered = [
      route('e2', { priority: 2, createdAt: new Date(9) }),
      route('e1-old', { priority: 1, createdAt: new Date(1) }),
      route('e1-new-a', { priority: 1, createdAt: new Date(2) }),
      route('e1-new-b', { priority: 1, createdAt: new Date(2) }),
      route('c', { scope: 'channel', priority: 99 }),
      route('t', { scope: 'tenant', priority: 999 }),
    ];
    const decision = decideRoute(message, ann, ordered.toReversed());
    expect(decision).toMatchObject({ status: 'routed', reason: 'route_matched', omitted: 0 });
    expect(decision.route).toBe(ordered[0]);
    expect(decision.considered.map((item) => item.routeId)).toEqual(ordered.map((item) => item.id));
    expect(decision.considered.map((item) => item.verdict)).toEqual([
      'won',
      ...Array.from({ length: 5 }, () => 'lost'),
    ]);
    expect(decision.considered[5]?.reason).toBe('outranked');
  });

  it('goes on after a match that is false or fails, and says why', () => {
    const decision = decideRoute(message, ann, [
      route('a', { priority: 3, match: 'metadata.missing == 1' }),
      route('b', { priority: 2, match: 'metadata.amount > 200' }),
      route('c', { priority: 1, match: 'metadata.amount > 100 && trust == "verified" && user == "u"' }),
    ]);
    expect(decision.route?.id).toBe('c');
    expect(decision.considered.map((item) => item.reason)).toEqual([
      'match_failed: No such key: missing',
      'match_false',
      'matched',
    ]);
  });

  it('does not let a refused sender fall through to a broader route', () => {
    const gate = route('gate', { allowedSenderPolicy: { minimumTrust: 'verified' } });
    const decision = decideRoute(message, null, [gate, route('all', { scope: 'tenant' })]);
    expect(decision).toMatchObject({ status: 'rejected', reason: 'trust_too_low', route: gate });
    expect(decision.considered).toMatchObject([
      { routeId: 'gate', verdict: 'refused', reason: 'trust_too_low' },
      { routeId: 'all', verdict: 'lost', reason: 'outranked' },
    ]);
  });

  it('can be split by trust in the match', () => {
    const split = [route('known', { match: 'trust != "unknown"' }), route('all', { scope: 'tenant' })];
    expect(decideRoute(message, null, split).route?.id).toBe('all');
    expect(decideRoute(message, ann, split).route?.id).toBe('known');
  });

  it('lists at most fifty candidates, with the one that decided', () => {
    const many = Array.from({ length: 200 }, (_, index) => route(`r${index}`, { priority: -index, match: 'false' }));
    const lost = decideRoute(message, ann, many);
    expect([lost.considered.length, lost.omitted]).toEqual([maxConsidered, 150]);
    const won = decideRoute(message, ann, [...many, route('last', { scope: 'tenant' })]);
    expect([won.considered.length, won.omitted]).toEqual([maxConsidered, 151]);
    expect(won.considered.at(-1)).toMatchObject({ routeId: 'last', verdict: 'won' });
    expect(won.considered.at(-2)?.routeId).toBe('r48');
  });
});

const anyRoute = fc.record({
  scope: fc.constantFrom(...routeScopes),
  priority: fc.integer({ min: -2, max: 2 }),
  createdAt: fc.integer({ min: 0, max: 2 }).map((time) => new Date(time)),
  match: fc.constantFrom(
    null,
    'true',
    'false',
    'trust == "verified"',
    'text.contains("h")',
    'metadata.missing == 1',
    'syntax error',
  ),
  allowedSenderPolicy: fc.constantFrom<unknown>(
    {},
    { minimumTrust: 'unverified' },
    { deny: ['*@example.com'] },
    { allow: ['bob@example.com'] },
    { nonsense: true },
  ),
});
const anyRoutes = fc
  .array(anyRoute, { maxLength: 12 })
  .map((routes) => routes.map((item, index) => route(`r${index}`, item)));
const anyIdentity = fc.constantFrom(null, ann, { ...ann, verified: false });

describe('any decision', () => {
  it('does not depend on the order in which the candidates come', () => {
    const shuffled = anyRoutes.chain((routes) =>
      fc.tuple(fc.constant(routes), fc.shuffledSubarray(routes, { minLength: routes.length })),
    );
    fc.assert(
      fc.property(shuffled, anyIdentity, fc.boolean(), ([routes, other], identity, vouched) => {
        const sent = { ...message, vouched };
        expect(decideRoute(sent, identity, other)).toEqual(decideRoute(sent, identity, routes));
      }),
    );
  });

  it('has one deciding route or none, and routes only whom that route admits', () => {
    fc.assert(
      fc.property(anyRoutes, anyIdentity, (routes, identity) => {
        const decision = decideRoute(message, identity, routes);
        const deciders = decision.considered.filter((item) => item.verdict !== 'lost');
        expect(deciders.map((item) => item.routeId)).toEqual(decision.route ? [decision.route.id] : []);
        expect(deciders[0]?.verdict).toBe({ routed: 'won', rejected: 'refused', unrouted: undefined }[decision.status]);
        expect(decision.considered.length + decision.omitted).toBe(routes.length);
        if (decision.route) {
          const alone = decideRoute(message, identity, [decision.route]);
          expect(alone.status).toBe(decision.status);
        }
      }),
    );
  });

  it('never routes a sender whom every route refuses', () => {
    fc.assert(
      fc.property(anyRoutes, anyIdentity, (routes, identity) => {
        const refusing = routes.map((item) => ({ ...item, allowedSenderPolicy: { deny: ['ann@example.com'] } }));
        expect(decideRoute(message, identity, refusing).status).not.toBe('routed');
      }),
    );
  });
});

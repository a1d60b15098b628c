import { randomBytes } from 'node:crypto';
import type { z } from 'zod';
import { createEndpoint, getEndpoint, wholeChannelEndpoint } from '../inbox/endpoints.ts';
import { emailChannel, getChannelKind, type ChannelContext } from '../inbox/channels.ts';
import type { Handler } from '../handler.ts';
import { invalid, PostroomError } from '../lib/errors.ts';
import { getTarget, type Target } from '../outbox/targets.ts';
import { checkMatch } from '../routing/match.ts';
import { handlerConfig, routeSettings } from '../routing/route-config.ts';
import { senderPolicy } from '../routing/sender-policy.ts';

export interface RouteContext extends ChannelContext {
  readonly handlers: ReadonlyMap<string, Handler>;
  readonly inboundDomain: string;
}

/**
 * Checks what a handler will be given, now rather than when a message waits for it: the handler's
 * own schema judges the config, and `match` must be a CEL condition.
 *
 * @throws PostroomError `invalid`, also where the handler's kind has no file yet.
 */
export function checkConfig(context: RouteContext, handlerKind: string, config: Record<string, unknown>): void {
  const handler = context.handlers.get(handlerKind);
  if (!handler) {
    const installed = [...context.handlers.keys()].join(', ');
    throw invalid(
      ['body', 'handlerKind'],
      `the handler ${handlerKind} is not installed (handlers/${handlerKind}.ts is missing); installed: ${installed}`,
      'handler_not_installed',
    );
  }
  const settings = orConfigInvalid(routeSettings.safeParse(config), 'invalid');
  if (typeof settings.match === 'string') {
    const checked = checkMatch(settings.match);
    if (!checked.ok) throw invalid(['body', 'config', 'match'], checked.message, 'match_invalid');
  }
  orConfigInvalid(handler.config.safeParse(handlerConfig(config)));
}

function orConfigInvalid<Data>(parsed: z.ZodSafeParseResult<Data>, type = 'config_invalid'): Data {
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw invalid(['body', 'config', ...(issue?.path ?? []).map(String)], issue?.message ?? 'is wrong', type);
}

/** @throws PostroomError `invalid`. */
export function checkPolicy(policy: Record<string, unknown>): void {
  const parsed = senderPolicy.safeParse(policy);
  if (parsed.success) return;
  const issue = parsed.error.issues[0];
  throw invalid(
    [
      'body',
      'allowedSenderPolicy',
      ...(issue?.path ?? []).map((part) => (typeof part === 'number' ? part : String(part))),
    ],
    issue?.message ?? 'is wrong',
    'policy_invalid',
  );
}

/** The target a route names, or undefined where it names none. @throws PostroomError `invalid`. */
export async function checkTarget(
  context: RouteContext,
  tenantId: string,
  targetId: string | null,
): Promise<Target | undefined> {
  if (targetId === null) return undefined;
  return await orInvalid(getTarget(context.db, tenantId, targetId), ['body', 'targetId'], 'there is no such target');
}

export interface Binding {
  readonly channelId: string | null;
  readonly endpointId: string | null;
}

/**
 * Finds what a route is bound to. With an endpoint: that one. With a channel: all of its addresses.
 * With the scope `tenant`: everything. With nothing: a new address on the tenant's e-mail channel.
 *
 * @throws PostroomError `invalid` where what is named does not exist, or does not fit together.
 */
export async function bindRoute(
  context: RouteContext,
  tenantId: string,
  given: { endpointId?: string | null | undefined; channelId?: string | null | undefined; scope?: string | undefined },
): Promise<Binding> {
  const { endpointId, channelId, scope } = given;
  if (scope === 'tenant') {
    if (endpointId || channelId)
      throw invalid(['body', 'scope'], 'a route of the whole tenant has neither endpointId nor channelId');
    return { channelId: null, endpointId: null };
  }
  if (endpointId) {
    if (scope === 'channel') throw invalid(['body', 'scope'], 'a route of a whole channel has no endpointId');
    const endpoint = await orInvalid(
      getEndpoint(context.db, tenantId, endpointId),
      ['body', 'endpointId'],
      'there is no such endpoint',
    );
    if (channelId && channelId !== endpoint.channel_id) {
      throw invalid(['body', 'channelId'], 'is not the channel of this endpoint');
    }
    return { channelId: endpoint.channel_id, endpointId: endpoint.id };
  }
  if (channelId) {
    if (scope === 'endpoint') throw invalid(['body', 'endpointId'], 'is required for a route of one endpoint');
    await orInvalid(getChannelKind(context.db, tenantId, channelId), ['body', 'channelId'], 'there is no such channel');
    const endpoint = await wholeChannelEndpoint(context.db, tenantId, channelId);
    return { channelId, endpointId: endpoint.id };
  }
  if (scope === 'channel') throw invalid(['body', 'channelId'], 'is required for a route of a whole channel');
  const channel = await emailChannel(context, tenantId);
  const domain =
    typeof channel.settings['inboundDomain'] === 'string' ? channel.settings['inboundDomain'] : context.inboundDomain;
  // 80 random bits: an address that nobody guesses, in letters that survive a phone call.
  const address = `${toBase32(randomBytes(10))}@${domain}`;
  const endpoint = await createEndpoint(context.db, tenantId, channel.id, { address, displayName: null });
  return { channelId: channel.id, endpointId: endpoint.id };
}

function toBase32(bytes: Uint8Array): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{5}/g) ?? []).map((five) => alphabet[Number.parseInt(five, 2)]).join('');
}

/** What is missing from a body is a fault of the body (422), not of the path (404). */
async function orInvalid<T>(found: Promise<T>, loc: readonly string[], message: string): Promise<T> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof PostroomError && error.code === 'not_found') throw invalid(loc, message, 'not_found');
    throw error;
  }
}

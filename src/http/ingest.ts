import { Hono, type Context } from 'hono';
import type { Arrival } from '../inbox/accept.ts';
import type { LiveChannel } from '../inbox/channel-directory.ts';
import { completeSecrets, requiredSecrets } from '../inbox/provider-secrets.ts';
import { messageOf, PostroomError, RetryableError } from '../lib/errors.ts';
import { OutboundError } from '../lib/safe-fetch.ts';
import type {
  Parsed,
  Provider,
  ProviderChannel,
  RejectReason,
  Reply,
  Verdict,
  VerifyContext,
  WebhookRequest,
} from '../provider.ts';
import { errorBody } from './errors.ts';
import { readBody } from './read-body.ts';
import type { Services } from './services.ts';

const defaultMaxBodyBytes = 1024 * 1024;
const defaultReply: Reply = { status: 200, headers: { 'content-type': 'application/json' }, body: '{"ok":true}' };

/**
 * How long every refusal takes at least, in milliseconds. An unknown channel and a bad signature
 * differ in what they cost us; answered not before this, they do not differ for who measures.
 */
const refusalMs = 50;

/** Headers that carry a credential for us rather than a part of the message: their value is not kept. */
const credentialHeaders = ['authorization', 'proxy-authorization', 'cookie', 'x-api-key'];

type AnyChannel = ProviderChannel<Record<string, string[]>, Record<string, unknown>>;

/** `POST /in/{channelId}`: where providers post to. */
export function ingestRoutes(services: Services): Hono {
  const app = new Hono();
  app.all('/in/:channelId', async (c) => {
    const startedAt = performance.now();
    const channel = await services.directory.find(c.req.param('channelId'));
    const provider = channel && services.providers.get(channel.provider);
    if (!channel || !provider) {
      await readBody(c.req.raw, defaultMaxBodyBytes);
      return await refuse(c, startedAt);
    }
    return await receive(services, c, channel, provider, startedAt);
  });
  return app;
}

async function receive(
  services: Services,
  c: Context,
  live: LiveChannel,
  provider: Provider,
  startedAt: number,
): Promise<Response> {
  const now = services.now();
  const { raw } = c.req;
  let body: Uint8Array;
  try {
    body = await readBody(raw, provider.maxBodyBytes ?? defaultMaxBodyBytes);
  } catch (error) {
    if (error instanceof PostroomError) noteRefusal(services, live, raw, 0, 'too_large', now);
    throw error;
  }
  await services.endOfTurn();
  const request: WebhookRequest = {
    method: raw.method,
    url: publicUrl(raw.url, services.publicUrl),
    headers: raw.headers,
    body,
  };
  const channel: AnyChannel = { secrets: completeSecrets(provider, live.secrets(now)), settings: live.settings };

  const verdict = await verify(services, provider, request, channel, {
    now,
    published: services.published,
    clientAddress: services.clientAddress(c),
  });
  const reply = await shakeHands(services, provider, request, channel, now, verdict.ok);
  if (reply) return answer(reply);
  if (!verdict.ok) {
    const reason = lacksSecret(provider, channel.secrets) ? 'no_secret' : verdict.reason;
    noteRefusal(services, live, raw, body.byteLength, reason, now);
    return await refuse(c, startedAt);
  }

  const { parsed, unparsedReason } = await parse(services, provider, request, channel);
  const arrival: Arrival = {
    tenantId: live.tenantId,
    channelId: live.id,
    provider: provider.name,
    receivedAt: now,
    method: request.method,
    url: request.url,
    headers: keptHeaders(raw.headers, provider.credentialHeaders),
    body,
    deliveryId: parsed.deliveryId,
    messages: parsed.messages,
    ignored: parsed.ignored,
    unparsedReason,
  };
  await services.inbox.accept(arrival);
  return answer(acknowledge(services, provider, request));
}

function lacksSecret(provider: Provider, secrets: Record<string, string[]>): boolean {
  return requiredSecrets(provider).some((name) => secrets[name]?.length === 0);
}

/** What is committed is answered 2xx, whatever becomes of the answer's text. */
function acknowledge(services: Services, provider: Provider, request: WebhookRequest): Reply {
  try {
    return provider.acknowledge?.(request) ?? defaultReply;
  } catch (error) {
    services.logger.error({ provider: provider.name, error: messageOf(error) }, 'an acknowledgement threw');
    return defaultReply;
  }
}

/**
 * A verifier never throws on bad input; should one do so, the request is refused, not answered 5xx.
 * What it needs and cannot get now, such as a provider's keys, is answered 503: the provider comes
 * again.
 */
async function verify(
  services: Services,
  provider: Provider,
  request: WebhookRequest,
  channel: AnyChannel,
  context: VerifyContext,
): Promise<Verdict> {
  if (!(provider.methods ?? ['POST']).includes(request.method)) return { ok: false, reason: 'bad_body' };
  try {
    return await provider.verify(request, channel, context);
  } catch (error) {
    if (error instanceof RetryableError) throw unavailable(error);
    services.logger.error({ provider: provider.name, error: messageOf(error) }, 'a verifier threw');
    return { ok: false, reason: 'bad_body' };
  }
}

async function shakeHands(
  services: Services,
  provider: Provider,
  request: WebhookRequest,
  channel: AnyChannel,
  now: Date,
  verified: boolean,
): Promise<Reply | undefined> {
  try {
    return await provider.handshake?.(request, channel, { now, verified, fetch: services.fetch });
  } catch (error) {
    if (verified && isRetryable(error)) throw unavailable(error);
    services.logger.error({ provider: provider.name, error: messageOf(error) }, 'a handshake threw');
    return undefined;
  }
}

function isRetryable(error: unknown): error is Error {
  return error instanceof RetryableError || (error instanceof OutboundError && error.retryable);
}

function unavailable(error: Error): PostroomError {
  return new PostroomError('unavailable', 'the provider cannot be asked now; try again', { cause: error });
}

const nothing: Parsed = { deliveryId: null, messages: [], ignored: [] };

async function parse(
  services: Services,
  provider: Provider,
  request: WebhookRequest,
  channel: AnyChannel,
): Promise<{ parsed: Parsed; unparsedReason: string | null }> {
  try {
    return { parsed: await provider.parse(request, channel), unparsedReason: null };
  } catch (error) {
    services.logger.warn({ provider: provider.name }, 'a verified request could not be read; it is kept as unparsed');
    return { parsed: nothing, unparsedReason: messageOf(error).slice(0, 1_000) };
  }
}

/** The URL as the provider sees it: some sign it. */
function publicUrl(url: string, configured: string | undefined): string {
  if (configured === undefined) return url;
  const pathStart = url.indexOf('/', url.indexOf('://') + 3);
  return configured + url.slice(pathStart);
}

function keptHeaders(headers: Headers, providersOwn: readonly string[] = []): [string, string][] {
  const isCredential = (name: string): boolean => credentialHeaders.includes(name) || providersOwn.includes(name);
  return [...headers].map(([name, value]) => [name, isCredential(name) ? '[not kept]' : value]);
}

function answer(reply: Reply): Response {
  return new Response(reply.body ?? null, { status: reply.status, headers: reply.headers ?? {} });
}

/** The one answer to whatever is not let in, whether the channel exists or not. */
async function refuse(c: Context, startedAt: number): Promise<Response> {
  const rest = refusalMs - (performance.now() - startedAt);
  if (rest > 0) await new Promise((resolve) => setTimeout(resolve, rest));
  return c.json(errorBody(['header'], 'the request could not be verified for this channel', 'not_verified'), 401);
}

function noteRefusal(
  services: Services,
  live: LiveChannel,
  request: Request,
  bodyBytes: number,
  reason: RejectReason | 'too_large',
  now: Date,
): void {
  services.rejections.add(live, reason, now, {
    method: request.method,
    contentType: request.headers.get('content-type'),
    userAgent: request.headers.get('user-agent'),
    bodyBytes,
    headerNames: [...request.headers.keys()].slice(0, 50),
  });
}

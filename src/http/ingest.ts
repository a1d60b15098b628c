import { Hono, type Context } from 'hono';
import type { Arrival } from '../inbox/accept.ts';
import type { LiveChannel } from '../inbox/channel-directory.ts';
import { completeSecrets, requiredSecrets } from '../inbox/provider-secrets.ts';
import { readRequest, type AnyChannel } from '../inbox/read-request.ts';
import { messageOf, PostroomError, RetryableError } from '../lib/errors.ts';
import { withFields, type Logger } from '../lib/logger.ts';
import { OutboundError } from '../lib/safe-fetch.ts';
import { traceIdOf, type TracedSpan } from '../lib/tracing.ts';
import type { Provider, RejectReason, Reply, Verdict, VerifyContext, WebhookRequest } from '../provider.ts';
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

/**
 * On every refusal: some senders, SNS among them, send the credentials in their URL only when they
 * are asked for them. A refusal that said this for some channels alone would tell what they are.
 */
const challenge = 'Basic realm="postroom"';

/** Headers that carry a credential for us rather than a part of the message: their value is not kept. */
const credentialHeaders = ['authorization', 'proxy-authorization', 'cookie', 'x-api-key'];

/** `POST /in/{channelId}`: where providers post to. */
export function ingestRoutes(services: Services): Hono {
  const app = new Hono();
  app.all('/in/:channelId', async (c) => {
    const startedAt = performance.now();
    const channel = await services.directory.find(c.req.param('channelId'));
    const provider = channel && services.providers.get(channel.provider);
    if (!channel || !provider) {
      services.metrics.ingest.rejected('none', 'unknown_channel');
      await readBody(c.req.raw, defaultMaxBodyBytes);
      return await refuse(c, startedAt);
    }
    return await receive(services, c, channel, provider, startedAt);
  });
  return app;
}

/** Made only where there is something to say: most requests say nothing. */
type MakeLogger = () => Logger;

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

  const log = (): Logger => withFields(services.logger, fieldsOf(live));
  const verdict = await verify(log, provider, request, channel, {
    now,
    published: services.published,
    get clientAddress() {
      return services.clientAddress(c);
    },
  });
  const reply = await shakeHands(services, log, provider, request, channel, now, verdict.ok);
  if (reply) return answer(reply);
  if (!verdict.ok) {
    const reason = lacksSecret(provider, channel.secrets) ? 'no_secret' : verdict.reason;
    noteRefusal(services, live, raw, body.byteLength, reason, now);
    return await refuse(c, startedAt);
  }

  const span = startSpan(services, live, raw, startedAt);
  const tracedLog = (): Logger => withFields(services.logger, fieldsOf(live, span));
  const { parsed, unparsedReason } = await readRequest(provider, request, channel);
  if (unparsedReason !== null) {
    tracedLog().warn({}, 'a verified request could not be read; it is kept as unparsed');
  }
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
    traceparent: span.traceparent,
  };
  await book(services, arrival, span, startedAt);
  return answer(acknowledge(tracedLog, provider, request, channel));
}

/**
 * The span begins only here, so that a flood of forged requests makes none. Whoever posts chooses
 * what their `traceparent` says, and no signature covers it: it is noted as a link, and does not
 * decide which trace this is.
 */
function startSpan(services: Services, live: LiveChannel, request: Request, startedAt: number): TracedSpan {
  return services.tracing.start('ingest', {
    kind: 'server',
    link: request.headers.get('traceparent'),
    startedAt: new Date(Date.now() - (performance.now() - startedAt)),
    attributes: { 'postroom.provider': live.provider, 'postroom.channel.id': live.id },
  });
}

/** What every log line about a request says. */
function fieldsOf(live: LiveChannel, span?: TracedSpan): Readonly<Record<string, unknown>> {
  const traceId = traceIdOf(span?.traceparent);
  return { channelId: live.id, provider: live.provider, ...(traceId === undefined ? {} : { traceId }) };
}

/** Commits what has arrived, and tells whoever counts and traces. */
async function book(services: Services, arrival: Arrival, span: TracedSpan, startedAt: number): Promise<void> {
  const { ingest } = services.metrics;
  try {
    const { eventId, outcome, messageIds, duplicates } = await services.inbox.accept(arrival);
    ingest.booked(arrival.provider, outcome, messageIds.length, duplicates, performance.now() - startedAt);
    span.set({ 'postroom.event.id': eventId, 'postroom.outcome': outcome, 'postroom.messages': messageIds.length });
    span.end();
  } catch (error) {
    ingest.failed(arrival.provider);
    span.end({ error });
    throw error;
  }
}

function lacksSecret(provider: Provider, secrets: Record<string, string[]>): boolean {
  return requiredSecrets(provider).some((name) => secrets[name]?.length === 0);
}

/** What is committed is answered 2xx, whatever becomes of the answer's text. */
function acknowledge(log: MakeLogger, provider: Provider, request: WebhookRequest, channel: AnyChannel): Reply {
  try {
    return provider.acknowledge?.(request, channel) ?? defaultReply;
  } catch (error) {
    log().error({ error: messageOf(error) }, 'an acknowledgement threw');
    return defaultReply;
  }
}

/**
 * A verifier never throws on bad input; should one do so, the request is refused, not answered 5xx.
 * What it needs and cannot get now, such as a provider's keys, is answered 503: the provider comes
 * again.
 */
async function verify(
  log: MakeLogger,
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
    log().error({ error: messageOf(error) }, 'a verifier threw');
    return { ok: false, reason: 'bad_body' };
  }
}

async function shakeHands(
  services: Services,
  log: MakeLogger,
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
    log().error({ error: messageOf(error) }, 'a handshake threw');
    return undefined;
  }
}

function isRetryable(error: unknown): error is Error {
  return error instanceof RetryableError || (error instanceof OutboundError && error.retryable);
}

function unavailable(error: Error): PostroomError {
  return new PostroomError('unavailable', 'the provider cannot be asked now; try again', { cause: error });
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
  const body = errorBody(['header'], 'the request could not be verified for this channel', 'not_verified');
  return c.json(body, 401, { 'WWW-Authenticate': challenge });
}

function noteRefusal(
  services: Services,
  live: LiveChannel,
  request: Request,
  bodyBytes: number,
  reason: RejectReason | 'too_large',
  now: Date,
): void {
  services.metrics.ingest.rejected(live.provider, reason);
  services.rejections.add(live, reason, now, {
    method: request.method,
    contentType: request.headers.get('content-type'),
    userAgent: request.headers.get('user-agent'),
    bodyBytes,
    headerNames: [...request.headers.keys()].slice(0, 50),
  });
}

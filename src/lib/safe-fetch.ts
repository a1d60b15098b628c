import { lookup as dnsLookup, type LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { Agent, request } from 'undici';

/**
 * The way out for every call to a URL that somebody else chose. Addresses are checked as they are
 * connected to, so that a name cannot point elsewhere between check and use. Node only.
 */
export type OutboundErrorCode =
  | 'blocked_address'
  | 'bad_url'
  | 'bad_request'
  | 'bad_response'
  | 'timeout'
  | 'connection_failed'
  | 'aborted';

/**
 * A call that brought no answer. `retryable` is false where the URL or the request itself must be
 * changed first. A name that resolves to a blocked address is retryable: that is how a slip in DNS
 * looks, it is put right without us, and trying again connects to nothing.
 */
export class OutboundError extends Error {
  readonly code: OutboundErrorCode;
  readonly retryable: boolean;

  constructor(code: OutboundErrorCode, message: string, options: { retryable?: boolean; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'OutboundError';
    this.code = code;
    this.retryable = options.retryable ?? !['blocked_address', 'bad_url', 'bad_request'].includes(code);
  }
}

export interface SafeFetchRequest {
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
  /** For everything: the name, the connection, a free place in the pool, the last byte. */
  readonly timeoutMs: number;
  /** What is beyond is not read; the connection is closed and the answer marked `truncated`. */
  readonly maxResponseBytes: number;
}

export interface SafeFetchResponse {
  /** As it came: a redirect is an answer like any other and is not followed. */
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
  readonly truncated: boolean;
}

export interface SafeFetch {
  /** Throws `OutboundError` where there is no whole answer (a truncated one is whole enough). */
  fetch(url: string, request: SafeFetchRequest): Promise<SafeFetchResponse>;
  /**
   * Refuses what can be refused without a lookup: a scheme other than http and https, a user in the
   * URL, a blocked address in any notation, `localhost`. Throws `OutboundError`.
   */
  assertAllowedUrl(url: string): void;
  /** Lets running calls end, and closes the connections. */
  close(): Promise<void>;
}

type Resolve = (hostname: string, options: { all: true; family?: number }, done: ResolveDone) => void;
type ResolveDone = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void;

/**
 * Makes the guard. `allowPrivate` holds CIDRs that may be reached although they are not public
 * (`10.0.0.0/8`, `::1/128`); one that cannot be read throws. `resolve` is for tests.
 */
export function createSafeFetch(options: { allowPrivate: readonly string[]; resolve?: Resolve }): SafeFetch {
  const isAllowed = addressCheck(options.allowPrivate);
  const resolve: Resolve = options.resolve ?? dnsLookup;
  const lookup: LookupFunction = (hostname, { all, family }, done) => {
    resolve(hostname, { all: true, ...(typeof family === 'number' ? { family } : {}) }, (error, addresses) => {
      if (error) return done(error, '', 0);
      const allowed = addresses.filter(({ address }) => isAllowed(address));
      const [first] = allowed;
      if (!first) return done(blocked(`${hostname} resolves to an address that is not public`, true), '', 0);
      return all ? done(null, allowed) : done(null, first.address, first.family);
    });
  };
  // HTTP/1.1 alone: to stop an answer that is too long closes its connection, which on HTTP/2 would
  // take the other calls on it down as well. The total time is ours, so undici's own limits are off.
  const agent = new Agent({
    connections: 64,
    headersTimeout: 0,
    bodyTimeout: 0,
    allowH2: false,
    connect: { lookup, timeout: 10_000 },
  });

  const assertAllowedUrl = (url: string): void => {
    const host = hostOf(url);
    const literals = isIP(host) ? [host] : /^(?:.+\.)?localhost$/.test(host) ? ['127.0.0.1', '::1'] : [];
    if (literals.length > 0 && !literals.some(isAllowed)) throw blocked(`${host} is not a public address`, false);
  };

  const call = async (url: string, sent: SafeFetchRequest): Promise<SafeFetchResponse> => {
    const { method, headers = {}, body = null, signal, timeoutMs, maxResponseBytes } = sent;
    assertAllowedUrl(url);
    if (signal?.aborted) throw givenUp();
    const abort = new AbortController();
    const ended = Promise.withResolvers<never>();
    const end = (error: OutboundError) => {
      ended.reject(error);
      abort.abort(error);
    };
    const onAbort = () => end(givenUp());
    const timer = setTimeout(() => {
      end(new OutboundError('timeout', `no whole answer within ${timeoutMs} ms`));
    }, timeoutMs);
    signal?.addEventListener('abort', onAbort);
    try {
      const asked = request(url, { dispatcher: agent, method, headers, body, signal: abort.signal });
      // undici hears the signal only once the request has a connection: hence the race.
      const answer = await Promise.race([asked, ended.promise]);
      const read = await readBody(answer.body, maxResponseBytes);
      return { status: answer.statusCode, headers: toHeaders(answer.headers), ...read };
    } catch (error) {
      throw outboundError(abort.signal.aborted ? abort.signal.reason : error);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    }
  };

  const running = new Set<Promise<unknown>>();
  return {
    assertAllowedUrl,
    async fetch(url, sent) {
      const made = call(url, sent);
      running.add(made);
      try {
        return await made;
      } finally {
        running.delete(made);
      }
    },
    async close() {
      await Promise.allSettled(running);
      // Not agent.close(): that waits for connections which nobody waits for any more.
      await agent.destroy();
    },
  };
}

function givenUp(): OutboundError {
  return new OutboundError('aborted', 'the call was given up');
}

function blocked(message: string, retryable: boolean): OutboundError {
  return new OutboundError('blocked_address', message, { retryable });
}

/** The host without brackets and final dot; the URL parser has made 0x7f.1 and 2130706433 plain. */
function hostOf(url: string): string {
  const parsed = URL.parse(url);
  if (!parsed) throw new OutboundError('bad_url', 'not a URL');
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') {
    throw new OutboundError('bad_url', 'a URL here begins with http:// or https://');
  }
  if (parsed.username || parsed.password) throw new OutboundError('bad_url', 'a URL here has no user or password');
  return parsed.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
}

// Public by their range and yet a cloud's own service: Azure's WireServer.
const neverPublic = new Set(['168.63.129.16']);
const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3');

function addressCheck(allowPrivate: readonly string[]): (address: string) => boolean {
  const ranges = allowPrivate.map((cidr) => ipaddr.parseCIDR(cidr));
  return (text) => {
    const address = ipaddr.process(text);
    if (ranges.some(([base, bits]) => base.kind() === address.kind() && address.match(base, bits))) return true;
    if (address.range() !== 'unicast' || neverPublic.has(address.toString())) return false;
    // `unicast` is ipaddr's word for whatever has no other name, such as ::10.0.0.1.
    return address instanceof ipaddr.IPv4 || address.match(globalUnicast);
  };
}

async function readBody(
  body: AsyncIterable<Uint8Array>,
  limit: number,
): Promise<{ body: Uint8Array; truncated: boolean }> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    chunks.push(chunk);
    // Leaving the loop destroys the stream, and with it the connection.
    if (size > limit) break;
  }
  const bytes = chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
  return { body: bytes.subarray(0, limit), truncated: size > limit };
}

function toHeaders(received: Readonly<Record<string, string | string[] | undefined>>): Headers {
  const headers = new Headers();
  for (const [name, value = []] of Object.entries(received)) {
    for (const one of Array.isArray(value) ? value : [value]) headers.append(name, one);
  }
  return headers;
}

function outboundError(error: unknown): OutboundError {
  if (error instanceof OutboundError) return error;
  const { name, code, message } = (error ?? {}) as { name?: unknown; code?: unknown; message?: unknown };
  const word = typeof code === 'string' ? code : '';
  const options = { cause: error };
  if (word === 'UND_ERR_CONNECT_TIMEOUT') return new OutboundError('timeout', 'no connection within 10 s', options);
  if (word === 'UND_ERR_INVALID_ARG') return new OutboundError('bad_request', String(message), options);
  if (name === 'HTTPParserError' || /^UND_ERR_(?:HEADERS_OVERFLOW|RES_)/.test(word)) {
    return new OutboundError('bad_response', 'the answer is not proper HTTP', options);
  }
  return new OutboundError('connection_failed', word || String(message), options);
}

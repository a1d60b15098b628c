import type { SignedRequest } from './sign.ts';

/** What the API answered with an error status. */
export class ApiError extends Error {
  readonly status: number;
  /** The first error's `type`, such as `blocked_address`. */
  readonly type: string;

  constructor(call: string, status: number, body: { detail?: { msg?: string; type?: string }[] } | null) {
    const first = body?.detail?.[0];
    super(`${call} answered ${status}: ${first?.msg ?? JSON.stringify(body)}`);
    this.status = status;
    this.type = first?.type ?? '';
  }
}

/** The public API, as any client uses it. */
export interface Client {
  get<Body>(path: string): Promise<Body>;
  post<Body>(path: string, body: unknown): Promise<Body>;
}

export function createClient(url: string, token: string): Client {
  async function call<Body>(method: string, path: string, body?: unknown): Promise<Body> {
    const response = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const answer: unknown = text === '' ? null : JSON.parse(text);
    if (!response.ok) throw new ApiError(`${method} ${path}`, response.status, answer as never);
    return answer as Body;
  }
  return { get: (path) => call('GET', path), post: (path, body) => call('POST', path, body) };
}

/** Posts a signed request as its provider would; returns the status and how long the answer took. */
export async function sendWebhook(url: string, signed: SignedRequest): Promise<{ status: number; ms: number }> {
  const startedAt = performance.now();
  const { body } = signed;
  const response = await fetch(url, {
    method: signed.method,
    headers: signed.headers,
    body: typeof body === 'string' ? body : new Uint8Array(body),
  });
  await response.arrayBuffer();
  return { status: response.status, ms: Math.round(performance.now() - startedAt) };
}

/** Looks until something is found. @throws Error that says what was waited for. */
export async function eventually<T>(what: string, look: () => Promise<T | undefined>, ms = 10_000): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`waited ${ms / 1000} s in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

import { createHmac } from 'node:crypto';
import type { SignedRequest } from '../../demo/sign.ts';
import type { Fixture } from './fixtures.ts';

/** What a way of signing promises. */
export interface Scheme {
  /** Headers that the verifier reads; each is left out, emptied, cut, doubled and garbled. */
  readonly headers: readonly string[];
  /**
   * Headers that parse reads although nothing covers them, such as the name of the event. What they
   * say is believed; all others must not change what a message is recognised by.
   */
  readonly believedHeaders?: readonly string[];
  /**
   * Whether the scheme signs a time: how many seconds the clock may be off, either way or each way
   * (`early`: the request is from the future).
   */
  readonly toleranceSeconds?: number | { readonly early: number; readonly late: number } | undefined;
  /**
   * `bytes`: any changed byte of the body is refused. `fields`: the scheme signs what the body
   * means, so a change that is accepted (`%2b` for `%2B`) must not change what is parsed.
   * `part`: some of the body is signed, the rest may be anything. `none`: nothing is signed, a
   * secret alone lets the request in.
   */
  readonly covers: 'bytes' | 'fields' | 'part' | 'none';
}

export type Secrets = Readonly<Record<string, string>>;

/**
 * How the contract suite makes a provider's requests: all it needs besides the fixtures. It runs in
 * workerd too, so of Node it uses `node:crypto` alone.
 */
export interface Signer extends Scheme {
  readonly secrets: Secrets;
  /** A second set, for rotation; the same as `secrets` where there is nothing to rotate. */
  readonly nextSecrets: Secrets;
  /**
   * Fixtures' `variant`s that are signed another way than the rest, and what is other about it. Each
   * needs a fixture with a message: its headers, clock and secrets are then checked as well.
   */
  readonly variants?: Readonly<Record<string, Partial<Scheme>>>;
  /** Documents that the provider publishes, by URL. */
  readonly published?: Readonly<Record<string, string>>;
  /** Where the requests come from. */
  readonly clientAddress?: string;
  sign(fixture: Fixture, secrets: Secrets, now: Date): SignedRequest & { url?: string };
  /** Field names that parse looks at, to aim random documents at it. */
  readonly fields: readonly string[];
}

/** The ingest URL that the requests of the suite are for. */
export const url = 'https://post.example.com/in/0198c0de';

/** HMAC over the parts in order, as lower-case hex. */
export function hmacHex(algorithm: string, secret: string, ...parts: readonly (string | Uint8Array)[]): string {
  const mac = createHmac(algorithm, secret);
  for (const part of parts) mac.update(part);
  return mac.digest('hex');
}

/** HMAC over the parts in order, as base64. */
export function hmacBase64(algorithm: string, secret: string, ...parts: readonly (string | Uint8Array)[]): string {
  return Buffer.from(hmacHex(algorithm, secret, ...parts), 'hex').toString('base64');
}

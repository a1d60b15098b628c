import type { HandshakeContext, VerifyContext } from '../../src/provider.ts';

/** What a provider verifies with, in a world where nothing is published and nobody can be asked. */
export function verifyContext(now: Date, given: Partial<VerifyContext> = {}): VerifyContext {
  return { now, clientAddress: null, published: () => Promise.reject(new Error('nothing is published')), ...given };
}

/** What a provider answers challenges with. */
export function handshakeContext(now: Date, given: Partial<HandshakeContext> = {}): HandshakeContext {
  return { now, verified: true, fetch: () => Promise.reject(new Error('nobody can be asked')), ...given };
}

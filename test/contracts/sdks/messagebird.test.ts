import { createSecretKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { messagebird } from '../../../src/providers/messagebird/index.ts';
import { verifyContext } from '../../support/provider-context.ts';
import { url } from '../signer.ts';
import { signHmacToken } from '../signers/hmac-token.ts';
import { messagebirdClaims, signer } from '../signers/messagebird.ts';
import { anyText } from '../verify-request.ts';

/** The SDK has no types for this part. */
const { verify } = createRequire(import.meta.url)('messagebird/lib/webhook-signature-jwt.js') as {
  verify(url: string, body: Uint8Array, token: string, key: KeyObject): Promise<true>;
};

const key = signer.secrets['signingKey'] ?? '';

async function isAccepted(given: {
  secret: string;
  url: string;
  token: string;
  body: Uint8Array;
  method: string;
  now: Date;
}) {
  const request = {
    method: given.method,
    url: given.url,
    headers: new Headers({ 'messagebird-signature-jwt': given.token }),
    body: given.body,
  };
  const channel = { secrets: { signingKey: [given.secret], accessKey: [] }, settings: {} };
  return (await messagebird.verify(request, channel, verifyContext(given.now))).ok;
}

/** Our verifier, our signer and the provider's own code agree on what is signed. */
test('MessageBird: what we accept, its SDK accepts', async () => {
  const now = new Date();
  const jwk = createSecretKey(Buffer.from(key));
  const algorithm = fc.constantFrom('HS256' as const, 'HS384' as const, 'HS512' as const);
  await fc.assert(
    fc.asyncProperty(anyText, algorithm, fc.webQueryParameters(), async (text, alg, query) => {
      const body = Buffer.from(text);
      const target = `${url}?${query}`;
      const token = signHmacToken(alg, key, messagebirdClaims(target, body, now));
      const given = { secret: key, url: target, token, body, method: 'POST', now };
      await verify(target, body, token, jwk);
      expect(await isAccepted(given)).toBe(true);
      await expect(verify(target, Buffer.concat([body, Buffer.of(32)]), token, jwk)).rejects.toThrow('payload');
      expect(await isAccepted({ ...given, body: Buffer.concat([body, Buffer.of(32)]) })).toBe(false);
      await expect(verify(`${target}&x`, body, token, jwk)).rejects.toThrow('url_hash');
      expect(await isAccepted({ ...given, url: `${target}&x` })).toBe(false);
    }),
    { numRuns: 50 },
  );
});

const vectors = z
  .array(
    z.object({
      name: z.string(),
      method: z.string(),
      secret: z.string().default('any'),
      url: z.string(),
      payload: z.string().default(''),
      timestamp: z.string(),
      token: z.string(),
      valid: z.boolean(),
    }),
  )
  .parse(
    JSON.parse(
      readFileSync(
        new URL('../../../node_modules/messagebird/lib/testdata/webhook-signature-jwt-reference.json', import.meta.url),
        'utf8',
      ),
    ),
  );

/** The vectors that MessageBird publishes for all of its SDKs. */
describe('MessageBird: its reference vectors', () => {
  test.each(vectors)('$name', async ({ secret, url: target, payload, timestamp, token, method, valid }) => {
    const body = Buffer.from(payload);
    const now = new Date(timestamp);
    expect(await isAccepted({ secret, url: target, token, body, method, now })).toBe(valid);
  });
});

import { createPrivateKey, sign } from 'node:crypto';
import { verifyKey } from 'discord-interactions';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { readFixtures } from '../fixtures.ts';
import { signers } from '../signers/index.ts';
import { anyText, verifyRequest } from '../verify-request.ts';

const signer = signers['discord'];
const [fixture] = readFixtures('discord');
if (!signer || !fixture) throw new Error('no signer, or no fixture');
const publicKey = signer.secrets['publicKey'] ?? '';
const now = new Date('2025-03-04T12:00:00Z');

function signed(body: string) {
  if (!signer || !fixture) throw new Error('no signer');
  const request = signer.sign({ ...fixture, bytes: new TextEncoder().encode(body) }, signer.secrets, now);
  const signature = request.headers['x-signature-ed25519'] ?? '';
  return { request, signature, timestamp: request.headers['x-signature-timestamp'] ?? '' };
}

/** Our verifier, our signer and the provider's own code agree on what is signed. */
test('Discord: what we accept, its SDK accepts', async () => {
  await fc.assert(
    fc.asyncProperty(anyText, async (text) => {
      const body = JSON.stringify({ type: 2, data: { name: text } });
      const { request, signature, timestamp } = signed(body);
      expect(await verifyKey(body, signature, timestamp, publicKey)).toBe(true);
      expect(await verifyKey(`${body} `, signature, timestamp, publicKey)).toBe(false);
      expect(await verifyRequest('discord', request, now)).toEqual({ ok: true });
      expect(await verifyRequest('discord', { ...request, body: `${body} ` }, now)).toMatchObject({ ok: false });
    }),
  );
});

/** Where we are stricter than the SDK: it takes the two for one text, whatever their boundary. */
test('Discord: a digit that moves from the time to the body is refused, although the SDK accepts it', async () => {
  const { request, signature, timestamp } = signed('{"type":2}');
  const moved = { time: timestamp.slice(0, -1), body: `${timestamp.slice(-1)}{"type":2}` };
  expect(await verifyKey(moved.body, signature, moved.time, publicKey)).toBe(true);
  const headers = { ...request.headers, 'x-signature-timestamp': moved.time };
  expect(await verifyRequest('discord', { ...request, headers, body: moved.body }, now)).toMatchObject({ ok: false });

  // Also where the shorter time is one that we would take.
  const early = new Date(Number(moved.time) * 1000);
  expect(await verifyRequest('discord', { ...request, headers, body: moved.body }, early)).toEqual({
    ok: false,
    reason: 'bad_body',
  });
});

/** RFC 8032, section 7.1, tests 1 and 2, whose keys the signer has: signatures of nothing, and of one byte. */
test('Discord: the keys of the signer make the signatures that RFC 8032 publishes', () => {
  const vectors = [
    {
      x: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
      d: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
      message: '',
      signature:
        'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    },
    {
      x: '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
      d: '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
      message: '72',
      signature:
        '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    },
  ];
  expect([signer.secrets['publicKey'], signer.nextSecrets['publicKey']]).toEqual(vectors.map(({ x }) => x));
  for (const { x, d, message, signature } of vectors) {
    const [jwkX = '', jwkD = ''] = [x, d].map((hex) => Buffer.from(hex, 'hex').toString('base64url'));
    const key = createPrivateKey({ key: { kty: 'OKP', crv: 'Ed25519', x: jwkX, d: jwkD }, format: 'jwk' });
    expect(sign(null, Buffer.from(message, 'hex'), key).toString('hex')).toBe(signature);
  }
});

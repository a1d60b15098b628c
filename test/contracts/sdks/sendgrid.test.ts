import { EventWebhook } from '@sendgrid/eventwebhook';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { verifySendgrid } from '../../../src/providers/sendgrid/verify.ts';
import { signers } from '../signers/index.ts';
import { signSendgrid } from '../signers/sendgrid.ts';
import { url } from '../signer.ts';
import { anyText, verifyRequest } from '../verify-request.ts';

const signatureHeader = 'x-twilio-email-event-webhook-signature';
const timestampHeader = 'x-twilio-email-event-webhook-timestamp';

/** Our verifier, our signer and the provider's own code agree on what is signed. */
test('SendGrid: what we accept, its SDK accepts', async () => {
  const publicKey = signers['sendgrid']?.secrets['publicKey'] ?? '';
  const sdk = new EventWebhook();
  const key = sdk.convertPublicKeyToECDSA(publicKey);
  const now = new Date();
  const timestamp = String(Math.floor(now.getTime() / 1000));
  await fc.assert(
    fc.asyncProperty(
      anyText.filter((body) => body.isWellFormed()),
      async (body) => {
        const signature = signSendgrid(publicKey, timestamp, body);
        const headers = { [signatureHeader]: signature, [timestampHeader]: timestamp };
        const request = { method: 'POST', headers, body };
        expect(sdk.verifySignature(key, body, signature, timestamp)).toBe(true);
        expect(sdk.verifySignature(key, `${body}x`, signature, timestamp)).toBe(false);
        expect(await verifyRequest('sendgrid', request, now)).toEqual({ ok: true });
        expect(await verifyRequest('sendgrid', { ...request, body: `${body}x` }, now)).toEqual({
          ok: false,
          reason: 'bad_signature',
        });
      },
    ),
    { numRuns: 30 },
  );
});

/** Source: the specs of sendgrid/sendgrid-nodejs, packages/eventwebhook/src/eventwebhook.spec.js. */
const vector = {
  publicKey:
    'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==',
  signature: 'MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=',
  timestamp: '1600112502',
  body: `${JSON.stringify([
    {
      email: 'hello@world.com',
      event: 'dropped',
      reason: 'Bounced Address',
      sg_event_id: 'ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA',
      sg_message_id: 'LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0',
      'smtp-id': '<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>',
      timestamp: 1600112492,
    },
  ])}\r\n`,
};

function verifyVector(given: Partial<typeof vector>) {
  const { publicKey, signature, timestamp, body } = { ...vector, ...given };
  const headers = new Headers({ [signatureHeader]: signature, [timestampHeader]: timestamp });
  const request = { method: 'POST', url, headers, body: new TextEncoder().encode(body) };
  const channel = { secrets: { publicKey: [publicKey], credentials: [] }, settings: {} };
  return verifySendgrid(request, channel, { now: new Date(Number(vector.timestamp) * 1000) });
}

test('SendGrid: the vector that its SDK is tested with', () => {
  const refused = { ok: false, reason: 'bad_signature' };
  const foreignKey =
    'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqTxd43gyp8IOEto2LdIfjRQrIbsd4SXZkLW6jDutdhXSJCWHw8REntlo7aNDthvj+y7GjUuFDb/R1NGe1OPzpA==';
  const foreignSignature =
    'MEUCIQCtIHJeH93Y+qpYeWrySphQgpNGNr/U+UyUlBkU6n7RAwIgJTz2C+8a8xonZGi6BpSzoQsbVRamr2nlxFDWYNH3j/0=';
  expect(verifyVector({})).toEqual({ ok: true });
  expect(verifyVector({ body: 'payload' })).toEqual(refused);
  expect(verifyVector({ publicKey: foreignKey })).toEqual(refused);
  expect(verifyVector({ signature: foreignSignature })).toEqual(refused);
  expect(verifyVector({ timestamp: '1600112503' })).toEqual(refused);
});

test('SendGrid: a body that is not UTF-8 is verified by its bytes, which its SDK cannot do', async () => {
  const publicKey = signers['sendgrid']?.secrets['publicKey'] ?? '';
  const now = new Date();
  const timestamp = String(Math.floor(now.getTime() / 1000));
  const body = Uint8Array.of(0x2d, 0x2d, 0xff, 0xfe, 0x00, 0xe9);
  const signature = signSendgrid(publicKey, timestamp, body);
  const headers = { [signatureHeader]: signature, [timestampHeader]: timestamp };
  expect(await verifyRequest('sendgrid', { method: 'POST', headers, body }, now)).toEqual({ ok: true });
  const sdk = new EventWebhook();
  const key = sdk.convertPublicKeyToECDSA(publicKey);
  expect(sdk.verifySignature(key, Buffer.from(body), signature, timestamp)).toBe(false);
});

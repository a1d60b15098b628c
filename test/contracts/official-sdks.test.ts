import { sign as signGithub } from '@octokit/webhooks-methods';
import { verifySlackRequest } from '@slack/bolt';
import * as fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { Stripe } from 'stripe';
import { validateRequest, validateRequestWithBody } from 'twilio/lib/webhooks/webhooks.js';
import { expect, test } from 'vitest';
import { signSlack, signStandardWebhook, signTwilioForm, signTwilioJson } from '../../demo/sign.ts';
import { webhookHeaders } from '../../src/lib/standard-webhooks.ts';
import { providers } from '../../src/providers/index.ts';
import { signers, url } from './signers.ts';

/** Our verifiers, our signers and the providers' own code agree on what is signed. */

const text = fc.string({ unit: 'grapheme', maxLength: 200 });

function verify(
  name: string,
  request: { method: string; url?: string; headers: Record<string, string>; body: string | Uint8Array },
  now: Date,
) {
  const body = typeof request.body === 'string' ? new TextEncoder().encode(request.body) : request.body;
  const secrets = Object.entries(signers[name]?.secrets ?? {}).map(([key, value]) => [key, [value]]);
  const channel = { secrets: Object.fromEntries(secrets), settings: {} };
  const whole = { method: request.method, url: request.url ?? url, headers: new Headers(request.headers), body };
  return providers.get(name)?.verify(whole, channel, { now });
}

test('Slack: what we accept, its SDK accepts', async () => {
  const secret = signers['slack']?.secrets['signingSecret'] ?? '';
  const now = new Date();
  await fc.assert(
    fc.asyncProperty(text, async (body) => {
      const request = signSlack({ secret, body, now });
      const headers = {
        'x-slack-signature': request.headers['x-slack-signature'] ?? '',
        'x-slack-request-timestamp': Number(request.headers['x-slack-request-timestamp']),
      };
      verifySlackRequest({ signingSecret: secret, body, headers });
      const forged = { signingSecret: secret, body: `${body}x`, headers };
      expect(() => verifySlackRequest(forged)).toThrow(/signature mismatch/);
      expect(await verify('slack', request, now)).toEqual({ ok: true });
      expect(await verify('slack', { ...request, body: `${body}x` }, now)).toMatchObject({ ok: false });
    }),
  );
});

test('Standard Webhooks: what the SDK signs we accept, what we sign the SDK accepts', async () => {
  const secret = signers['standard-webhooks']?.secrets['secret'] ?? '';
  const sdk = new Webhook(secret);
  const now = new Date();
  const timestamp = Math.floor(now.getTime() / 1000);
  const id = fc.string({ unit: fc.constantFrom(...'abcXYZ019_-.'.split('')), minLength: 1, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(
      text.filter((body) => body.isWellFormed()),
      id,
      async (body, messageId) => {
        const theirs = signStandardWebhook({ secret, body, id: messageId, now });
        const ours = webhookHeaders([secret], messageId, timestamp, body);
        expect(ours).toEqual(expect.objectContaining({ 'webhook-signature': theirs.headers['webhook-signature'] }));
        sdk.verify(body, ours, { jsonParse: false });
        expect(await verify('standard-webhooks', theirs, now)).toEqual({ ok: true });
        expect(await verify('mime', { ...theirs, body: `${body}x` }, now)).toMatchObject({ ok: false });
      },
    ),
  );
});

test('Twilio: forms of any fields, and JSON by its hash', async () => {
  const authToken = signers['twilio']?.secrets['authToken'] ?? '';
  const name = fc.oneof(fc.constantFrom('From', 'Body', 'To', 'a', 'B', '10', '9'), text);
  const params = fc
    .array(fc.tuple(name, text), { maxLength: 8 })
    .map((pairs) => Object.fromEntries(pairs.filter(([, value]) => value.isWellFormed())));
  await fc.assert(
    fc.asyncProperty(params, text, async (fields, body) => {
      const form = signTwilioForm({ authToken, url, params: fields });
      const signature = form.headers['x-twilio-signature'] ?? '';
      expect(validateRequest(authToken, signature, url, fields)).toBe(true);
      expect(await verify('twilio', form, new Date())).toEqual({ ok: true });

      const json = signTwilioJson({ authToken, url, body });
      const jsonSignature = json.headers['x-twilio-signature'] ?? '';
      expect(validateRequestWithBody(authToken, jsonSignature, json.url, body)).toBe(true);
      expect(validateRequestWithBody(authToken, jsonSignature, json.url, `${body}x`)).toBe(false);
      expect(await verify('twilio', json, new Date())).toEqual({ ok: true });
      expect(await verify('twilio', { ...json, body: `${body}x` }, new Date())).toEqual({
        ok: false,
        reason: 'bad_body',
      });
    }),
  );
});

test('GitHub: what its SDK signs we accept, and its published vector', async () => {
  const secret = signers['github']?.secrets['secret'] ?? '';
  const now = new Date();
  const signed = (body: string, signature: string) => ({
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-hub-signature-256': signature },
    body,
  });
  await fc.assert(
    fc.asyncProperty(
      text.filter((body) => body !== '' && body.isWellFormed()),
      async (body) => {
        const signature = await signGithub(secret, body);
        expect(await verify('github', signed(body, signature), now)).toEqual({ ok: true });
        expect(await verify('github', signed(`${body}x`, signature), now)).toMatchObject({ ok: false });
      },
    ),
    { numRuns: 50 },
  );
  // From GitHub's page on validating deliveries; the suite's secret is the page's own.
  const published = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';
  expect(await verify('github', signed('Hello, World!', published), now)).toEqual({ ok: true });
});

test('Stripe: what its SDK signs we accept, and it accepts what ours accepts', async () => {
  const secret = signers['stripe']?.secrets['signingSecret'] ?? '';
  const { webhooks } = new Stripe('sk_test_unused');
  const now = new Date();
  const timestamp = Math.floor(now.getTime() / 1000);
  await fc.assert(
    fc.asyncProperty(
      text.filter((body) => body !== '' && body.isWellFormed()),
      async (body) => {
        const header = webhooks.generateTestHeaderString({ payload: body, secret, timestamp });
        const request = { method: 'POST', headers: { 'stripe-signature': header }, body };
        expect(await verify('stripe', request, now)).toEqual({ ok: true });
        expect(await verify('stripe', { ...request, body: `${body}x` }, now)).toMatchObject({ ok: false });
        expect(webhooks.signature?.verifyHeader(body, header, secret, 300)).toBe(true);
      },
    ),
    { numRuns: 50 },
  );
});

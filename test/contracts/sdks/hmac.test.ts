import { sign as signGithub } from '@octokit/webhooks-methods';
import * as fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';
import { expect, test } from 'vitest';
import type { Verdict } from '../../../src/provider.ts';
import { providers } from '../../../src/providers/index.ts';
import { verifyContext } from '../../support/provider-context.ts';
import { signSlack } from '../../../demo/sign.ts';
import { anyText } from '../verify-request.ts';

/** The generic scheme, set up as others sign: it accepts their published examples and what their SDKs sign. */

async function verify(given: {
  settings: Record<string, unknown>;
  secret: string;
  headers: Record<string, string>;
  body: string;
  now: Date;
}): Promise<Verdict> {
  const provider = providers.get('hmac');
  if (!provider) throw new Error('no provider');
  const channel = {
    secrets: provider.secrets.parse({ secret: given.secret }),
    settings: provider.settings.parse(given.settings),
  };
  const body = new TextEncoder().encode(given.body);
  const request = { method: 'POST', url: 'https://post.example/in/1', headers: new Headers(given.headers), body };
  return await provider.verify(request, channel, verifyContext(given.now));
}

const slack = {
  header: 'x-slack-signature',
  prefix: 'v0=',
  template: 'v0:{timestamp}:{body}',
  timestampHeader: 'x-slack-request-timestamp',
};
const github = { header: 'x-hub-signature-256', prefix: 'sha256=' };
const standardWebhooks = {
  header: 'webhook-signature',
  prefix: 'v1,',
  separator: ' ',
  encoding: 'base64',
  secretEncoding: 'base64',
  template: '{id}.{timestamp}.{body}',
  timestampHeader: 'webhook-timestamp',
  idHeader: 'webhook-id',
};

/** Source: https://docs.slack.dev/authentication/verifying-requests-from-slack */
test("HMAC: Slack's published example is accepted", async () => {
  const body =
    'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V' +
    '&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=' +
    '&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN' +
    '&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c';
  const given = {
    settings: slack,
    secret: '8f742231b10e8888abcd99yyyzzz85a5',
    headers: {
      'x-slack-request-timestamp': '1531420618',
      'x-slack-signature': 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
    },
    body,
    now: new Date(1531420618_000),
  };
  expect(await verify(given)).toEqual({ ok: true });
  expect(await verify({ ...given, body: `${body}x` })).toEqual({ ok: false, reason: 'bad_signature' });
});

/** Source: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries */
test("HMAC: GitHub's published example is accepted", async () => {
  const given = {
    settings: github,
    secret: "It's a Secret to Everybody",
    headers: {
      'x-hub-signature-256': 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
    },
    body: 'Hello, World!',
    now: new Date(),
  };
  expect(await verify(given)).toEqual({ ok: true });
  expect(await verify({ ...given, body: 'Hello, World' })).toEqual({ ok: false, reason: 'bad_signature' });
});

/** Source: https://www.rfc-editor.org/rfc/rfc4231 (case 2) and https://www.rfc-editor.org/rfc/rfc2202 (case 2) */
test('HMAC: the vectors of the RFCs are accepted for each hash', async () => {
  const vectors = {
    sha1: 'effcdf6ae5eb2fa2d27416d5f184df9c259a7c79',
    sha256: '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    sha384: 'af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649',
    sha512:
      '164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737',
  };
  for (const [algorithm, digest] of Object.entries(vectors)) {
    const settings = { header: 'x-mac', algorithm };
    const given = { settings, secret: 'Jefe', headers: { 'x-mac': digest }, now: new Date() };
    expect(await verify({ ...given, body: 'what do ya want for nothing?' }), algorithm).toEqual({ ok: true });
    expect(await verify({ ...given, body: 'what do ya want for nothing' }), algorithm).toMatchObject({ ok: false });
  }
});

test('HMAC: what the SDKs of GitHub, Standard Webhooks and Svix sign is accepted, and what we sign as Slack', async () => {
  const now = new Date();
  const key = Buffer.from('postroom-contract-secret-of-bytes').toString('base64');
  await fc.assert(
    fc.asyncProperty(
      anyText.filter((body) => body !== '' && body.isWellFormed()),
      async (body) => {
        const common = { secret: key, body, now };
        const id = 'msg_2Lh9KRb0pzN4LePd3XiA4v';
        const timestamp = String(Math.floor(now.getTime() / 1000));
        const headersOf = (signature: string) => ({
          'webhook-id': id,
          'webhook-timestamp': timestamp,
          'webhook-signature': signature,
        });
        const signed = [
          { ...common, settings: slack, headers: signSlack({ secret: key, body, now }).headers },
          { ...common, settings: github, headers: { 'x-hub-signature-256': await signGithub(key, body) } },
          { ...common, settings: standardWebhooks, headers: headersOf(new Webhook(key).sign(id, now, body)) },
          { ...common, settings: standardWebhooks, headers: headersOf(new SvixWebhook(key).sign(id, now, body)) },
        ];
        for (const given of signed) {
          expect(await verify(given)).toEqual({ ok: true });
          expect(await verify({ ...given, body: `${body}x` })).toEqual({ ok: false, reason: 'bad_signature' });
        }
      },
    ),
    { numRuns: 50 },
  );
});

import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { PermanentError } from '../../src/lib/errors.ts';
import { OutboundError } from '../../src/lib/safe-fetch.ts';
import type { ProviderFetch } from '../../src/provider.ts';
import { providers } from '../../src/providers/index.ts';
import { requiredSecrets, soleSecret } from '../../src/inbox/provider-secrets.ts';

const provider = providers.get('telegram');
if (!provider?.fetchAttachment) throw new Error('no provider');
const { fetchAttachment } = provider;
const botToken = '6012300000:contract_token_that_opens_nothing';
const attachment = { name: null, contentType: null, size: 1, url: null, providerId: 'AgAC' };
const event = { method: 'POST', url: '', headers: new Headers(), body: new Uint8Array() };

async function failureOf(fetch: ProviderFetch): Promise<unknown> {
  const channel = { secrets: provider?.secrets.parse({ secret: 'abc', botToken }) ?? {}, settings: {} };
  try {
    return await fetchAttachment(attachment, channel, { now: new Date(), event, fetch });
  } catch (error) {
    return error;
  }
}

test('the bot token, which is in every URL, is in no error', async () => {
  const answer = {
    status: 200,
    headers: new Headers(),
    body: new TextEncoder().encode('{"result":{"file_path":"a"}}'),
  };
  const failing: ProviderFetch = async (url) => {
    throw new OutboundError('connection_failed', `cannot reach ${url}`, { cause: new Error(url) });
  };
  const failingLater: ProviderFetch = async (url) => (url.includes('/getFile') ? answer : await failing(url));
  const tooLarge: ProviderFetch = async (url) => {
    throw new PermanentError('too_large', `${url} is too large`);
  };
  const notFound: ProviderFetch = async () => ({ ...answer, status: 404 });
  const expected = [
    [failing, 'attachment_unavailable'],
    [failingLater, 'attachment_unavailable'],
    [tooLarge, 'too_large'],
    [notFound, 'credentials_refused'],
  ] as const;
  for (const [fetch, code] of expected) {
    const error = await failureOf(fetch);
    expect(error).toMatchObject({ code });
    expect(inspect(error, { depth: 10 })).not.toContain('contract_token');
  }
});

test('a token that would change the URL is refused, and not quoted', () => {
  for (const token of ['', 'abc', '1:a/../b', '1:a?b', '1:a#b', '1:a b']) {
    const parsed = provider.secrets.safeParse({ secret: 'abc', botToken: token });
    expect(parsed.success).toBe(false);
    if (token.length > 4) expect(parsed.error?.message).not.toContain(token);
  }
});

test('the API token is optional, so the secret that Postroom makes is the only one it needs', () => {
  expect(requiredSecrets(provider)).toEqual(['secret']);
  expect(soleSecret(provider)).toBe('secret');
});

import { expect, test } from 'vitest';
import { RetryableError } from '../../src/lib/errors.ts';
import { createPublishedDocuments } from '../../src/lib/published.ts';
import type { Published, Verdict } from '../../src/provider.ts';
import { teams } from '../../src/providers/teams/index.ts';
import { signHmacToken } from '../contracts/signers/hmac-token.ts';
import {
  signTeamsToken,
  teamsAppId,
  teamsClaims,
  teamsKeyId,
  teamsKeySet,
  teamsKeysUrl,
  teamsMetadata,
  teamsMetadataUrl,
} from '../contracts/signers/teams.ts';
import { verifyContext } from '../support/provider-context.ts';

const start = new Date('2025-03-04T12:00:00Z');
const serviceUrl = 'https://smba.trafficmanager.net/amer/';
const channel = { secrets: { appPassword: [] }, settings: teams.settings.parse({ appId: teamsAppId }) };
const minutes = (count: number): Date => new Date(start.getTime() + count * 60_000);

function requestOf(token: string, body: unknown = { type: 'message', channelId: 'msteams', serviceUrl }) {
  return {
    method: 'POST',
    url: 'https://post.example.com/in/1',
    headers: new Headers({ authorization: `Bearer ${token}` }),
    body: new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body)),
  };
}

function tokenOf(kid: string, now = start): string {
  return signTeamsToken(teamsClaims(serviceUrl, now), { kid });
}

/** Microsoft's documents behind the cache that the service has, with the time and a count of calls. */
class Microsoft {
  kids = [teamsKeyId];
  now = start;
  isDown = false;
  readonly calls: string[] = [];

  readonly published: Published = createPublishedDocuments(
    {
      fetch: async (url: string) => {
        this.calls.push(url);
        const text = url === teamsMetadataUrl ? teamsMetadata : teamsKeySet(...this.kids);
        const body = new TextEncoder().encode(text);
        return { status: this.isDown ? 503 : 200, headers: new Headers(), body, truncated: false };
      },
    },
    () => this.now,
  );

  async verify(token: string, body?: unknown): Promise<Verdict> {
    return await teams.verify(requestOf(token, body), channel, verifyContext(this.now, { published: this.published }));
  }
}

const accepted = { ok: true };
const badToken = { ok: false, reason: 'bad_token' };
const badSignature = { ok: false, reason: 'bad_signature' };

test('a key that was rolled is looked for anew, and its token accepted', async () => {
  const microsoft = new Microsoft();
  expect(await microsoft.verify(tokenOf(teamsKeyId))).toEqual(accepted);
  expect(microsoft.calls).toEqual([teamsMetadataUrl, teamsKeysUrl]);
  microsoft.kids = ['key-of-march', teamsKeyId];
  microsoft.now = minutes(6);
  expect(await microsoft.verify(tokenOf('key-of-march', microsoft.now))).toEqual(accepted);
  expect(microsoft.calls).toHaveLength(4);
  expect(await microsoft.verify(tokenOf('key-of-march', microsoft.now))).toEqual(accepted);
  expect(await microsoft.verify(tokenOf(teamsKeyId, microsoft.now))).toEqual(accepted);
  expect(microsoft.calls).toHaveLength(4);
});

test('a flood of invented key ids causes one look in five minutes', async () => {
  const microsoft = new Microsoft();
  await microsoft.verify(tokenOf(teamsKeyId));
  microsoft.now = minutes(6);
  const verdicts = await Promise.all(
    Array.from(
      { length: 200 },
      async (_, index) => await microsoft.verify(tokenOf(`invented-${index}`, microsoft.now)),
    ),
  );
  expect(new Set(verdicts.map((verdict) => JSON.stringify(verdict)))).toEqual(new Set([JSON.stringify(badSignature)]));
  microsoft.now = minutes(10);
  await microsoft.verify(tokenOf('invented-again', microsoft.now));
  expect(microsoft.calls).toEqual([teamsMetadataUrl, teamsKeysUrl, teamsMetadataUrl, teamsKeysUrl]);
});

test('a token without a key id, or that is none, causes no look at all', async () => {
  const microsoft = new Microsoft();
  const none = Buffer.from('{"alg":"RS256"}').toString('base64url');
  for (const token of [`${none}.e30.AAAA`, 'x', 'a.b', 'a.b.c.d', '..', `${'a'.repeat(20_000)}.a.a`]) {
    expect(await microsoft.verify(token)).toEqual(badToken);
  }
  expect(microsoft.calls).toEqual([]);
});

test('where the keys cannot be had the error passes: the request may come again', async () => {
  const microsoft = new Microsoft();
  microsoft.isDown = true;
  await expect(microsoft.verify(tokenOf(teamsKeyId))).rejects.toBeInstanceOf(RetryableError);
  const thrown = new RetryableError('not_published', 'no answer');
  const published: Published = () => Promise.reject(thrown);
  const verifying = teams.verify(requestOf(tokenOf(teamsKeyId)), channel, verifyContext(start, { published }));
  await expect(verifying).rejects.toBe(thrown);
});

test('published nonsense, or keys on another host, are no verdict on who posts', async () => {
  for (const text of ['<html>', '{}', JSON.stringify({ jwks_uri: 'https://keys.example.com/' })]) {
    const published: Published = () => Promise.resolve(text);
    const verifying = teams.verify(requestOf(tokenOf(teamsKeyId)), channel, verifyContext(start, { published }));
    await expect(verifying).rejects.toMatchObject({ code: 'not_published' });
  }
});

test('the public key is no shared secret, and no signature is none', async () => {
  const microsoft = new Microsoft();
  const claims = teamsClaims(serviceUrl, start);
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const { n } = (JSON.parse(teamsKeySet('x')) as { keys: { n?: string }[] }).keys[1] ?? {};
  const [, , mac] = signHmacToken('HS256', n ?? '', claims).split('.');
  const forged = [
    `${encode({ alg: 'HS256', kid: teamsKeyId })}.${encode(claims)}.${mac ?? ''}`,
    `${encode({ alg: 'none', kid: teamsKeyId })}.${encode(claims)}.`,
    `${encode({ alg: 'none', kid: teamsKeyId })}.${encode(claims)}.AAAA`,
    signTeamsToken(claims, { alg: 'RS512' }),
    signTeamsToken(claims, { crit: ['exp'] }),
  ];
  for (const token of forged) expect(await microsoft.verify(token)).toEqual(badToken);
});

test('each claim counts', async () => {
  const microsoft = new Microsoft();
  const claims = teamsClaims(serviceUrl, start);
  const sign = (change: Record<string, unknown>): string => signTeamsToken({ ...claims, ...change });
  for (const change of [
    { iss: 'https://sts.windows.net/x/' },
    { aud: '00000000-0000-4000-8000-000000000000' },
    { aud: undefined },
    { exp: undefined },
    { nbf: undefined },
    { exp: 'never' },
    { serviceurl: undefined },
    { serviceurl: 'https://smba.trafficmanager.net/emea/' },
    { serviceurl: [serviceUrl] },
  ]) {
    expect(await microsoft.verify(sign(change))).toEqual(badToken);
  }
  expect(await microsoft.verify(sign({ serviceurl: undefined, serviceUrl }))).toEqual(accepted);
  expect(await microsoft.verify(sign({ serviceurl: serviceUrl.slice(0, -1) }))).toEqual(accepted);
});

test('the key must be endorsed for the kind of channel, and the body must say where it is from', async () => {
  const microsoft = new Microsoft();
  const token = tokenOf(teamsKeyId);
  expect(await microsoft.verify(token, { channelId: 'webchat', serviceUrl })).toEqual(accepted);
  expect(await microsoft.verify(token, { channelId: 'emulator', serviceUrl })).toEqual(badToken);
  for (const body of [{ serviceUrl }, { channelId: 'msteams' }, [], 'x', '']) {
    expect(await microsoft.verify(token, body)).toEqual({ ok: false, reason: 'bad_body' });
  }
});

test('a signature with other bits in its padding is another text, and refused', async () => {
  const microsoft = new Microsoft();
  const token = tokenOf(teamsKeyId);
  // 256 bytes end in a character that carries two bits; the lowest four are padding.
  const last = token.at(-1) ?? '';
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const other = `${token.slice(0, -1)}${alphabet[alphabet.indexOf(last) + 1] ?? ''}`;
  const signature = (text: string): Buffer => Buffer.from(text.split('.')[2] ?? '', 'base64url');
  expect(signature(other)).toEqual(signature(token));
  expect(await microsoft.verify(token)).toEqual(accepted);
  expect(await microsoft.verify(other)).toEqual(badToken);
});

test('a picture on another host is asked for without the token, whatever its message says', async () => {
  const asked: (string | undefined)[] = [];
  const context = {
    now: start,
    event: requestOf('x'),
    fetch: async (url: string, request: { headers?: Readonly<Record<string, string>> } = {}) => {
      asked.push(`${url} ${request.headers?.['authorization'] ?? 'nobody'}`);
      return { status: 200, headers: new Headers(), body: new Uint8Array() };
    },
  };
  const withPassword = { ...channel, secrets: { appPassword: ['secret'] } };
  for (const url of ['https://smba.trafficmanager.net.example.com/a', 'http://smba.trafficmanager.net/a']) {
    const attachment = { name: null, contentType: null, size: null, url, providerId: null };
    await teams.fetchAttachment?.(attachment, withPassword, context);
  }
  expect(asked).toEqual([
    'https://smba.trafficmanager.net.example.com/a nobody',
    'http://smba.trafficmanager.net/a nobody',
  ]);
});

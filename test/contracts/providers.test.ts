/* oxlint-disable vitest/no-conditional-expect -- each fixture says what kind of outcome it expects */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  parsedMessage,
  type ParsedMessage,
  type Provider,
  type RejectReason,
  type WebhookRequest,
} from '../../src/provider.ts';
import { providers } from '../../src/providers/index.ts';
import { anyBody } from './bodies.ts';
import { readFixtures, type Fixture } from './fixtures.ts';
import { signers, url, type Signer } from './signers.ts';

/**
 * What every provider owes: the accepted fixtures become exactly the expected messages, and any
 * change to a signed request is refused with a reason. A new provider needs its fixtures and a
 * signer.
 */

const now = new Date('2025-03-04T12:00:00Z');
const reasons = new Set<string>([
  'missing_signature',
  'bad_signature',
  'duplicate_header',
  'missing_timestamp',
  'bad_timestamp',
  'stale_timestamp',
  'missing_id',
  'bad_body',
] satisfies RejectReason[]);
const isReason = (reason: string) => reasons.has(reason);

describe.each([...providers.values()])('$name', (provider) => {
  const signer = signers[provider.name];
  if (!signer) throw new Error(`test/contracts/signers.ts has no entry for ${provider.name}`);
  const fixtures = readFixtures(provider.name);
  const bodies = anyBody(
    signer.fields,
    fixtures.map((fixture) => fixture.bytes),
  );

  test('has fixtures, setup steps with the ingest URL, and an address example', () => {
    expect(fixtures.some((fixture) => 'messages' in fixture.expected)).toBe(true);
    expect(provider.setup.steps.join(' ')).toContain('{ingestUrl}');
    expect(provider.setup.address).toMatch(/such as/);
    expect(provider.name).toMatch(/^[a-z0-9]+(?:-[a-z0-9]+)*$/);
  });

  test('a new secret is one that its own schema accepts', () => {
    const secret = provider.newSecret?.();
    expect(secret === undefined || provider.secrets.safeParse({ secret }).success).toBe(true);
  });

  test.each(fixtures)('$name: $about', async (fixture) => {
    const request = sign(signer, fixture);
    const channel = channelOf(provider, fixture, signer.secrets);
    expect(await provider.verify(request, channel, { now })).toEqual({ ok: true });
    expect(provider.methods ?? ['POST']).toContain(request.method);

    const reply = await provider.handshake?.(request, channel, { now, verified: true });
    if ('handshake' in fixture.expected) {
      expect(reply).toMatchObject(fixture.expected.handshake);
      return;
    }
    expect(reply).toBeUndefined();
    const parsing = Promise.resolve().then(() => provider.parse(request, channel));
    if ('throws' in fixture.expected) {
      await expect(parsing).rejects.toThrow(fixture.expected.throws);
      return;
    }
    const parsed = await parsing;
    for (const message of parsed.messages) checkMessage(message);
    const { deliveryId = null, messages, ignored } = fixture.expected;
    expect(JSON.parse(JSON.stringify(parsed))).toEqual({ deliveryId, messages, ignored });
  });

  test('a body in which any kind of byte is changed, cut or added is refused, where it is signed', async () => {
    for (const fixture of fixtures) {
      const request = sign(signer, fixture);
      const channel = channelOf(provider, fixture, signer.secrets);
      for (const body of mutateBody(request.body)) {
        const changed = { ...request, body };
        const verdict = await provider.verify(changed, channel, { now });
        if (signer.covers === 'none') {
          expect(verdict).toEqual({ ok: true });
        } else if (!verdict.ok || signer.covers === 'bytes') {
          expect(verdict).toEqual({ ok: false, reason: expect.toSatisfy(isReason) });
        } else {
          expect(await provider.parse(changed, channel)).toEqual(await provider.parse(request, channel));
        }
      }
    }
  });

  describe.each(signer.headers)('header %s', (name) => {
    const fixture = sample(fixtures);
    const channel = channelOf(provider, fixture, signer.secrets);
    const request = sign(signer, fixture);
    const value = request.headers.get(name) ?? '';
    const verifyWith = (changed: string | null) =>
      provider.verify(withHeader(request, name, changed), channel, { now });

    test('is in the signed request, and its name may be written in any case', async () => {
      expect(value).not.toBe('');
      const headers = new Headers([...request.headers].map(([key, text]) => [key.toUpperCase(), text]));
      expect(await provider.verify({ ...request, headers }, channel, { now })).toEqual({ ok: true });
    });

    test('missing or empty is refused as missing', async () => {
      for (const changed of [null, '', ' ']) {
        expect(await verifyWith(changed)).toEqual({ ok: false, reason: expect.stringMatching(/^missing_/) });
      }
    });

    test('sent twice is refused as a duplicate', async () => {
      for (const changed of [`${value}, ${value}`, `${value}, x`, `x, ${value}`]) {
        expect(await verifyWith(changed)).toEqual({ ok: false, reason: 'duplicate_header' });
      }
    });

    test('truncated, lengthened, changed at any place or wrongly encoded is refused', async () => {
      for (const changed of mutateText(value)) {
        const verdict = await verifyWith(changed);
        expect({ changed, ...verdict }).toEqual({ changed, ok: false, reason: expect.toSatisfy(isReason) });
      }
    });
  });

  test('parse gives valid messages, or says why not, for any body', async () => {
    const [fixture] = fixtures;
    if (!fixture) throw new Error('no fixture');
    const channel = channelOf(provider, fixture, signer.secrets);
    const contentTypes = ['application/json', 'application/x-www-form-urlencoded', ''];
    await fc.assert(
      fc.asyncProperty(
        bodies,
        fc.constantFrom(...contentTypes),
        fc.constantFrom(url, `${url}?bodySHA256=00`, `${url}?From=x&MessageSid=y`),
        fc.constantFrom('POST', 'GET'),
        async (body, contentType, target, method) => {
          const headers = new Headers({ 'content-type': contentType });
          const request = { method, url: target, headers, body };
          try {
            const parsed = await provider.parse(request, channel);
            for (const message of parsed.messages) checkMessage(message);
            for (const { reason } of parsed.ignored) expect(reason).toMatch(/^[a-z][a-z0-9_]*$/);
            expect(parsed.messages.length + parsed.ignored.length).toBeGreaterThan(0);
          } catch (error) {
            // What cannot be read at all says so without quoting it; anything else is a defect.
            expect(error).toMatchObject({ message: expect.stringMatching(/^the body is |^Maximum /) });
          }
        },
      ),
      { numRuns: 600 },
    );
  });

  test('verify and handshake answer any bytes under any headers', async () => {
    const fixture = sample(fixtures);
    const channel = channelOf(provider, fixture, signer.secrets);
    const signed = sign(signer, fixture);
    const headerText = fc.oneof(
      fc.string({ unit: fc.constantFrom(...'v01,= abcdefABCDEF+/.-é\u00ff'.split('')), maxLength: 80 }),
      fc.constantFrom(String(now.getTime() / 1000), '1e9', '-1', '0x10', '99999999999999999999'),
    );
    const headers = fc.record(Object.fromEntries(signer.headers.map((name) => [name, headerText])), {
      requiredKeys: [],
    });
    await fc.assert(
      fc.asyncProperty(headers, bodies, async (given, body) => {
        const request = { ...signed, headers: new Headers(given), body };
        const verdict = await provider.verify(request, channel, { now });
        expect(verdict).toEqual({ ok: false, reason: expect.toSatisfy(isReason) });
        const reply = await provider.handshake?.(request, channel, { now, verified: true });
        if (reply) expect(reply.status).toBe(200);
      }),
      { numRuns: 300 },
    );
  });

  test('10,000 levels of JSON are answered, whatever they are', async () => {
    const fixture = sample(fixtures);
    const channel = channelOf(provider, fixture, signer.secrets);
    for (const shape of [(s: string) => s, ...signer.fields.map((f) => (s: string) => `{"${f}":${s}}`)]) {
      for (const [open, close] of [
        ['[', ']'],
        ['{"a":', '}'],
      ] as const) {
        const text = shape(`${open.repeat(10_000)}1${close.repeat(10_000)}`);
        const body = new TextEncoder().encode(text);
        const headers = new Headers({ 'content-type': 'application/json', 'webhook-id': 'msg_deep' });
        for (const target of [url, `${url}?bodySHA256=00`]) {
          const request = { method: 'POST', url: target, headers, body };
          const parsing = Promise.resolve().then(() => provider.parse(request, channel));
          const parsed = await parsing.catch((error: Error) => error);
          expect(parsed instanceof Error ? parsed.message : 'the body is read').toMatch(/^the body is /);
          if (!(parsed instanceof Error)) for (const message of parsed.messages) checkMessage(message);
          await provider.handshake?.(request, channel, { now, verified: true });
        }
      }
    }
  });

  const { toleranceSeconds } = signer;
  test('a clock beyond the tolerance is refused either way, where a time is signed', async () => {
    const tolerance = toleranceSeconds ?? 86_400 * 365;
    const fixture = sample(fixtures);
    const request = sign(signer, fixture);
    const channel = channelOf(provider, fixture, signer.secrets);
    for (const seconds of [-tolerance, tolerance]) {
      expect(await provider.verify(request, channel, { now: later(seconds) })).toEqual({ ok: true });
    }
    if (toleranceSeconds === undefined) return;
    for (const seconds of [-tolerance - 1, tolerance + 1, 86_400 * 365, -86_400 * 365]) {
      const verdict = await provider.verify(request, channel, { now: later(seconds) });
      expect(verdict).toEqual({ ok: false, reason: 'stale_timestamp' });
    }
  });

  test('while a secret is rotated both are live, and a removed one is refused', async () => {
    const fixture = sample(fixtures);
    const old = sign(signer, fixture);
    const next = sign(signer, fixture, signer.nextSecrets);
    const both = channelOf(provider, fixture, signer.nextSecrets, signer.secrets);
    expect(await provider.verify(old, both, { now })).toEqual({ ok: true });
    expect(await provider.verify(next, both, { now })).toEqual({ ok: true });
    const rotated = channelOf(provider, fixture, signer.nextSecrets);
    expect(await provider.verify(next, rotated, { now })).toEqual({ ok: true });
    expect(await provider.verify(old, rotated, { now })).toEqual({ ok: false, reason: 'bad_signature' });
  });
});

/** The schema, and what an index can hold: 512 characters are under PostgreSQL's 2,704 bytes. */
function checkMessage(message: ParsedMessage): void {
  parsedMessage.parse(message);
  const { externalIdentity, recipient, channelMessageId, channelThreadId, dedupeKey } = message;
  for (const id of [externalIdentity, recipient, channelMessageId, channelThreadId, dedupeKey]) {
    expect(id?.length ?? 0).toBeLessThanOrEqual(512);
  }
}

function sign(signer: Signer, fixture: Fixture, secrets = signer.secrets): WebhookRequest {
  const signed = signer.sign(fixture, secrets, now);
  return {
    method: signed.method,
    url: signed.url ?? url,
    headers: new Headers(signed.headers),
    body: typeof signed.body === 'string' ? new TextEncoder().encode(signed.body) : signed.body,
  };
}

function channelOf(provider: Provider, fixture: Fixture, ...secretSets: Signer['secrets'][]) {
  const names = Object.keys(secretSets[0] ?? {});
  const lists = Object.fromEntries(names.map((name) => [name, secretSets.map((set) => set[name])]));
  return {
    secrets: provider.secrets.parse(lists),
    settings: provider.settings.parse(fixture.settings),
  };
}

function sample(fixtures: readonly Fixture[]): Fixture {
  const fixture = fixtures.find(({ expected }) => 'messages' in expected && expected.messages.length > 0);
  if (!fixture) throw new Error('no fixture with a message');
  return fixture;
}

function withHeader(request: WebhookRequest, name: string, value: string | null): WebhookRequest {
  const headers = new Headers(request.headers);
  if (value === null) headers.delete(name);
  else headers.set(name, value);
  return { ...request, headers };
}

function later(seconds: number): Date {
  return new Date(now.getTime() + seconds * 1000);
}

/** Each byte value that occurs, changed where it occurs first and last; and other lengths. */
function* mutateBody(body: Uint8Array): Generator<Uint8Array> {
  for (const byte of new Set(body)) {
    for (const index of new Set([body.indexOf(byte), body.lastIndexOf(byte)])) {
      for (const mask of [0x01, 0x20, 0x80]) {
        const changed = Uint8Array.from(body);
        changed[index] = byte ^ mask;
        yield changed;
      }
    }
  }
  yield Uint8Array.of(...body, 0x20);
  yield Uint8Array.of(...body, 0);
  yield Uint8Array.of(0xef, 0xbb, 0xbf, ...body);
  if (body.length > 0) {
    yield body.subarray(1);
    yield body.subarray(0, -1);
    yield new Uint8Array();
  }
}

function* mutateText(value: string): Generator<string> {
  for (let index = 0; index < value.length; index += 1) {
    const code = value.charCodeAt(index);
    for (const other of [code ^ 0x01, code ^ 0x20, 0xe9]) {
      const changed = `${value.slice(0, index)}${String.fromCharCode(other)}${value.slice(index + 1)}`;
      if (other > 0x20 && other !== 0x7f) yield changed;
    }
    if (index > 0) yield value.slice(0, index);
    if (index > 0) yield value.slice(index);
  }
  yield `${value}x`;
  yield `${value}=`;
  yield `x${value}`;
  yield Buffer.from(value).toString('hex');
  yield Buffer.from(value).toString('base64');
  yield encodeURIComponent(value) === value ? `%${value}` : encodeURIComponent(value);
}

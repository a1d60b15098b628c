import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { RetryableError } from '../../src/lib/errors.ts';
import {
  parsedMessage,
  type Parsed,
  type ParsedMessage,
  type Provider,
  type ProviderChannel,
  type ProviderFetch,
  type RejectReason,
  type Verdict,
  type WebhookRequest,
} from '../../src/provider.ts';
import { anyBody } from './bodies.ts';
import type { ExpectedCall, Fixture } from './fixtures.ts';
import { mutateBody, mutateText } from './mutations.ts';
import { url, type Scheme, type Secrets, type Signer } from './signer.ts';

/**
 * What every provider owes: the accepted fixtures become exactly the expected messages, and any
 * change to a signed request is refused with a reason. A new provider needs its fixtures and a
 * signer. The checks run in Node and in workerd, so they use neither's own test tools.
 */
export interface Check {
  readonly name: string;
  run(): Promise<void>;
}

type Channel = ProviderChannel<Record<string, string[]>, Record<string, unknown>>;

/** `unavailable`: a document that the provider publishes cannot be had, so the request is not taken. */
type Outcome = Verdict | { readonly ok: false; readonly reason: 'unavailable' };

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
  'missing_credentials',
  'bad_credentials',
  'bad_token',
  'address_not_allowed',
  'unavailable',
] satisfies (RejectReason | 'unavailable')[]);
/** What an old secret's request is refused with. */
const wrongSecret = new Set<string>(['bad_signature', 'bad_credentials'] satisfies RejectReason[]);

/** Every check of one provider. */
export function checksOf(provider: Provider, signer: Signer, fixtures: readonly Fixture[]): Check[] {
  const desk = new Desk(provider, signer, fixtures);
  return [
    { name: 'has fixtures, setup steps with the ingest URL, and an address example', run: () => desk.checkManners() },
    ...fixtures.map((fixture) => ({
      name: `${fixture.name}: ${fixture.about}`,
      run: () => desk.checkFixture(fixture),
    })),
    ...fixtures.flatMap((fixture) =>
      fixture.fetches.map((wanted, index) => ({
        name: `${fixture.name}: fetches an attachment (${index})`,
        run: () => desk.checkFetch(fixture, wanted),
      })),
    ),
    { name: 'a body in which any kind of byte is changed, cut or added is refused', run: () => desk.checkBodies() },
    { name: 'what is not signed does not change what a message is recognised by', run: () => desk.checkUnsigned() },
    { name: 'parse gives valid messages, or says why not, for any body', run: () => desk.checkAnyBody() },
    { name: '10,000 levels of JSON are answered, whatever they are', run: () => desk.checkDepth() },
    ...[undefined, ...Object.keys(signer.variants ?? {})].flatMap((variant) => desk.checksOfScheme(variant)),
  ];
}

/** One provider with its signer and fixtures, and what is asked of it. */
class Desk {
  readonly provider: Provider;
  readonly signer: Signer;
  readonly fixtures: readonly Fixture[];

  constructor(provider: Provider, signer: Signer, fixtures: readonly Fixture[]) {
    this.provider = provider;
    this.signer = signer;
    this.fixtures = fixtures;
  }

  /** The checks of the way of signing that a variant has; undefined is the usual one. */
  checksOfScheme(variant: string | undefined): Check[] {
    const about = variant === undefined ? '' : `, variant ${variant}`;
    return [
      ...this.scheme(variant).headers.flatMap((name) => [
        {
          name: `header ${name} may be written in any case${about}`,
          run: () => this.checkHeaderCase(name, variant),
        },
        {
          name: `header ${name} missing or empty is refused as missing${about}`,
          run: () => this.checkHeaderMissing(name, variant),
        },
        {
          name: `header ${name} sent twice is refused as a duplicate${about}`,
          run: () => this.checkHeaderTwice(name, variant),
        },
        {
          name: `header ${name} changed at any place is refused${about}`,
          run: () => this.checkHeaderChanged(name, variant),
        },
      ]),
      {
        name: `verify and handshake answer any bytes under any headers${about}`,
        run: () => this.checkAnyHeaders(variant),
      },
      {
        name: `a clock beyond the tolerance is refused either way, where a time is signed${about}`,
        run: () => this.checkClock(variant),
      },
      {
        name: `while a secret is rotated both are live, and a removed one is refused${about}`,
        run: () => this.checkRotation(variant),
      },
      { name: `a channel without its secrets refuses everything${about}`, run: () => this.checkNoSecrets(variant) },
    ];
  }

  async checkManners(): Promise<void> {
    const { provider } = this;
    assert.ok(this.fixtures.some((fixture) => 'messages' in fixture.expected && fixture.expected.messages.length > 0));
    assert.ok(provider.setup.steps.join(' ').includes('{ingestUrl}'), 'the steps name no {ingestUrl}');
    assert.match(provider.setup.address, /such as/);
    assert.match(provider.name, /^[a-z0-9]+(?:-[a-z0-9]+)*$/);
    const secret = provider.newSecret?.();
    if (secret !== undefined) {
      const name = Object.keys(this.signer.secrets)[0] ?? '';
      assert.ok(provider.secrets.safeParse({ ...this.signer.secrets, [name]: secret }).success);
    }
  }

  async checkFixture(fixture: Fixture): Promise<void> {
    const { provider } = this;
    const { expected } = fixture;
    const request = this.sign(fixture);
    const channel = this.channel(fixture);
    assert.ok((provider.methods ?? ['POST']).includes(request.method), request.method);
    const verified = await this.verify(request, channel);
    const isHandshake = 'handshake' in expected;
    // Some challenges are not signed; everything else is.
    if (!isHandshake) assert.deepEqual(verified, { ok: true });
    const network = new Network(fixture.calls);
    const context = { now, verified: verified.ok, fetch: network.fetch };
    const reply = await provider.handshake?.(request, channel, context);
    network.checkDone();
    if (isHandshake) {
      assert.partialDeepStrictEqual(reply, expected.handshake);
      return;
    }
    assert.equal(reply, undefined);
    const parsing = this.parse(request, channel);
    if ('throws' in expected) {
      await assert.rejects(parsing, (error: Error) => error.message.includes(expected.throws));
      return;
    }
    const parsed = await parsing;
    for (const message of parsed.messages) checkMessage(message);
    const { deliveryId = null, messages, ignored } = expected;
    assert.deepEqual(JSON.parse(JSON.stringify(parsed)), { deliveryId, messages, ignored });
    const acknowledgement = provider.acknowledge?.(request, channel);
    assert.ok(acknowledgement === undefined || (acknowledgement.status >= 200 && acknowledgement.status < 300));
    if (expected.acknowledgement) assert.partialDeepStrictEqual(acknowledgement, expected.acknowledgement);
  }

  async checkFetch(fixture: Fixture, wanted: Fixture['fetches'][number]): Promise<void> {
    const request = this.sign(fixture);
    const channel = this.channel(fixture, { ...this.secretsOf(fixture), ...wanted.secrets });
    const parsed = await this.parse(request, channel);
    const attachment = parsed.messages[wanted.message]?.attachments[wanted.attachment];
    assert.ok(attachment, 'there is no such attachment');
    assert.ok(this.provider.fetchAttachment, 'the provider fetches no attachments');
    const network = new Network(wanted.calls);
    const fetching = this.provider.fetchAttachment(attachment, channel, { now, event: request, fetch: network.fetch });
    if (wanted.fails !== undefined) {
      await assert.rejects(fetching, { code: wanted.fails });
      network.checkDone();
      return;
    }
    const file = await fetching;
    network.checkDone();
    if (wanted.text !== undefined) assert.equal(new TextDecoder().decode(file.body), wanted.text);
    if (wanted.sha256 !== undefined) assert.equal(createHash('sha256').update(file.body).digest('hex'), wanted.sha256);
    if (wanted.contentType !== undefined) assert.equal(file.contentType, wanted.contentType);
    assert.ok(wanted.text !== undefined || wanted.sha256 !== undefined, 'the fixture does not say what must come');
  }

  async checkBodies(): Promise<void> {
    for (const fixture of this.signedFixtures()) {
      const { covers } = this.scheme(fixture.variant);
      const request = this.sign(fixture);
      const channel = this.channel(fixture);
      const parsed = covers === 'fields' ? await outcomeOf(this.parse(request, channel)) : undefined;
      for (const body of mutateBody(request.body)) {
        const changed = { ...request, body };
        const verdict = await this.verify(changed, channel);
        if (covers === 'none') assert.deepEqual(verdict, { ok: true });
        else if (!verdict.ok) assert.ok(reasons.has(verdict.reason), verdict.reason);
        else if (covers === 'bytes') assert.fail(`accepted: ${new TextDecoder().decode(body).slice(0, 500)}`);
        else if (covers === 'fields') assert.deepEqual(await outcomeOf(this.parse(changed, channel)), parsed);
      }
    }
  }

  async checkHeaderCase(name: string, variant: string | undefined): Promise<void> {
    const { request, channel } = this.sample(variant);
    assert.notEqual(request.headers.get(name) ?? '', '');
    const headers = new Headers([...request.headers].map(([key, text]) => [key.toUpperCase(), text]));
    assert.deepEqual(await this.verify({ ...request, headers }, channel), { ok: true });
  }

  async checkHeaderMissing(name: string, variant: string | undefined): Promise<void> {
    for (const changed of [null, '', ' ']) {
      const verdict = await this.verifyWith(name, changed, variant);
      assert.match(verdict.ok ? 'accepted' : verdict.reason, /^missing_/);
    }
  }

  async checkHeaderTwice(name: string, variant: string | undefined): Promise<void> {
    const value = this.sample(variant).request.headers.get(name) ?? '';
    for (const changed of [`${value}, ${value}`, `${value}, x`, `x, ${value}`]) {
      assert.deepEqual(await this.verifyWith(name, changed, variant), { ok: false, reason: 'duplicate_header' });
    }
  }

  async checkHeaderChanged(name: string, variant: string | undefined): Promise<void> {
    const value = this.sample(variant).request.headers.get(name) ?? '';
    // The scheme's word of an Authorization header may be in any case.
    const scheme = name === 'authorization' ? `${value.split(' ', 1)[0] ?? ''} ` : '';
    for (const rest of mutateText(value.slice(scheme.length))) {
      const verdict = await this.verifyWith(name, `${scheme}${rest}`, variant);
      if (verdict.ok) assert.fail(`accepted: ${scheme}${rest}`);
      assert.ok(reasons.has(verdict.reason), verdict.reason);
    }
  }

  /** Nobody who replays a signed request may have it taken for a new message. */
  async checkUnsigned(): Promise<void> {
    for (const fixture of this.signedFixtures()) {
      const { headers: signed, believedHeaders = [] } = this.scheme(fixture.variant);
      const request = this.sign(fixture);
      const channel = this.channel(fixture);
      const keys = await outcomeOf(this.keysOf(request, channel));
      if (!Array.isArray(keys) || keys.length === 0) continue;
      const names = [...request.headers.keys()].filter(
        (name) => ![...signed, ...believedHeaders, 'content-type'].includes(name),
      );
      for (const name of names) {
        for (const value of [null, 'replayed', '00000000-0000-4000-8000-000000000000']) {
          const changed = withHeader(request, name, value);
          if (!(await this.verify(changed, channel)).ok) continue;
          const after = await outcomeOf(this.keysOf(changed, channel));
          if (Array.isArray(after) && after.length > 0) assert.deepEqual(after, keys, `${name}: ${value}`);
        }
      }
    }
  }

  async checkAnyBody(): Promise<void> {
    const [fixture] = this.fixtures;
    if (!fixture) throw new Error('no fixture');
    const channel = this.channel(fixture);
    const contentTypes = [
      'application/json',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=b',
      '',
    ];
    await fc.assert(
      fc.asyncProperty(
        this.bodies(),
        fc.constantFrom(...contentTypes, this.sign(fixture).headers.get('content-type') ?? ''),
        fc.constantFrom(url, `${url}?bodySHA256=00`, `${url}?From=x&MessageSid=y`),
        fc.constantFrom('POST', 'GET'),
        async (body, contentType, target, method) => {
          const headers = new Headers({ 'content-type': contentType });
          const request = { method, url: target, headers, body };
          const parsed = await outcomeOf(this.parse(request, channel));
          this.provider.acknowledge?.(request, channel);
          if (parsed instanceof Error) {
            // What cannot be read at all says so without quoting it; anything else is a defect.
            if (!/^the body is |^Maximum /.test(parsed.message)) throw parsed;
            return;
          }
          for (const message of parsed.messages) checkMessage(message);
          for (const { reason } of parsed.ignored) assert.match(reason, /^[a-z][a-z0-9_]*$/);
          assert.ok(parsed.messages.length + parsed.ignored.length > 0);
        },
      ),
      { numRuns: 600 },
    );
  }

  async checkAnyHeaders(variant: string | undefined): Promise<void> {
    const { headers: names } = this.scheme(variant);
    const { request: signed, channel } = this.sample(variant);
    const headerText = fc.oneof(
      fc.string({ unit: fc.constantFrom(...'v01,= abcdefABCDEF+/.-é\u00ff'.split('')), maxLength: 80 }),
      fc.constantFrom(String(now.getTime() / 1000), '1e9', '-1', '0x10', '99999999999999999999'),
    );
    const headers = fc.record(Object.fromEntries(names.map((name) => [name, headerText])), {
      requiredKeys: [],
    });
    await fc.assert(
      fc.asyncProperty(headers, this.bodies(), async (given, body) => {
        const request = { ...signed, headers: new Headers(given), body };
        const verdict = await this.verify(request, channel);
        // Without a header to check, a body that fixtures hold may be signed as it is.
        if (names.length > 0) assert.equal(verdict.ok, false);
        if (!verdict.ok) assert.ok(reasons.has(verdict.reason), verdict.reason);
        const fetch: ProviderFetch = async () => ({ status: 200, headers: new Headers(), body: new Uint8Array() });
        const reply = await this.provider.handshake?.(request, channel, { now, verified: true, fetch });
        if (reply) assert.ok(reply.status >= 200 && reply.status < 300);
      }),
      { numRuns: 300 },
    );
  }

  async checkDepth(): Promise<void> {
    const { channel } = this.sample();
    for (const shape of [(s: string) => s, ...this.signer.fields.map((f) => (s: string) => `{"${f}":${s}}`)]) {
      for (const [open, close] of [
        ['[', ']'],
        ['{"a":', '}'],
      ] as const) {
        const body = new TextEncoder().encode(shape(`${open.repeat(10_000)}1${close.repeat(10_000)}`));
        const headers = new Headers({ 'content-type': 'application/json', 'webhook-id': 'msg_deep' });
        for (const target of [url, `${url}?bodySHA256=00`]) {
          const request = { method: 'POST', url: target, headers, body };
          const parsed = await outcomeOf(this.parse(request, channel));
          if (parsed instanceof Error) assert.match(parsed.message, /^the body is /);
          else for (const message of parsed.messages) checkMessage(message);
          await this.verify(request, channel);
        }
      }
    }
  }

  async checkClock(variant: string | undefined): Promise<void> {
    const { toleranceSeconds } = this.scheme(variant);
    const year = 86_400 * 365;
    const { early, late } =
      typeof toleranceSeconds === 'object'
        ? toleranceSeconds
        : { early: toleranceSeconds ?? year, late: toleranceSeconds ?? year };
    const { request, channel } = this.sample(variant);
    for (const seconds of [-early, late]) {
      assert.deepEqual(await this.verify(request, channel, later(seconds)), { ok: true }, `${seconds} s off`);
    }
    if (toleranceSeconds === undefined) return;
    for (const seconds of [-early - 1, late + 1, year, -year]) {
      const verdict = await this.verify(request, channel, later(seconds));
      assert.deepEqual(verdict, { ok: false, reason: 'stale_timestamp' }, `${seconds} s off`);
    }
  }

  async checkRotation(variant: string | undefined): Promise<void> {
    const { fixture } = this.sample(variant);
    const secrets = this.secretsOf(fixture);
    const nextSecrets = this.secretsOf(fixture, this.signer.nextSecrets);
    if (JSON.stringify(secrets) === JSON.stringify(nextSecrets)) return;
    const old = this.sign(fixture);
    const next = this.sign(fixture, nextSecrets);
    const both = this.channel(fixture, nextSecrets, secrets);
    assert.deepEqual(await this.verify(old, both), { ok: true });
    assert.deepEqual(await this.verify(next, both), { ok: true });
    const rotated = this.channel(fixture, nextSecrets);
    assert.deepEqual(await this.verify(next, rotated), { ok: true });
    const verdict = await this.verify(old, rotated);
    assert.ok(!verdict.ok && wrongSecret.has(verdict.reason), JSON.stringify(verdict));
  }

  async checkNoSecrets(variant: string | undefined): Promise<void> {
    const names = Object.keys(this.signer.secrets);
    if (names.length === 0) return;
    const { request, channel } = this.sample(variant);
    const empty = { ...channel, secrets: Object.fromEntries(names.map((name) => [name, []])) };
    assert.equal((await this.verify(request, empty)).ok, false);
  }

  /** What a fixture of this variant is signed by. */
  private scheme(variant: string | undefined): Scheme {
    return { ...this.signer, ...(variant === undefined ? {} : this.signer.variants?.[variant]) };
  }

  /** The signer's secrets, with those that the fixture has of its own. */
  private secretsOf(fixture: Fixture, secrets = this.signer.secrets): Secrets {
    const all = Object.entries({ ...secrets, ...fixture.secrets });
    return Object.fromEntries(all.filter((entry): entry is [string, string] => entry[1] !== null));
  }

  private sign(fixture: Fixture, secrets = this.secretsOf(fixture)): WebhookRequest {
    const signed = this.signer.sign(fixture, secrets, now);
    return {
      method: signed.method,
      url: signed.url ?? url,
      headers: new Headers(signed.headers),
      body: typeof signed.body === 'string' ? new TextEncoder().encode(signed.body) : signed.body,
    };
  }

  private async verify(request: WebhookRequest, channel: Channel, at = now): Promise<Outcome> {
    const { published = {}, clientAddress = null } = this.signer;
    try {
      return await this.provider.verify(request, channel, {
        now: at,
        clientAddress,
        published: async (wanted) => {
          const text = published[wanted];
          if (text === undefined) throw new RetryableError('not_published', `nothing is published at ${wanted}`);
          return text;
        },
      });
    } catch (error) {
      if (error instanceof RetryableError) return { ok: false, reason: 'unavailable' };
      throw error;
    }
  }

  private async verifyWith(name: string, value: string | null, variant: string | undefined): Promise<Outcome> {
    const { request, channel } = this.sample(variant);
    return await this.verify(withHeader(request, name, value), channel);
  }

  private async parse(request: WebhookRequest, channel: Channel): Promise<Parsed> {
    return await this.provider.parse(request, channel);
  }

  private async keysOf(request: WebhookRequest, channel: Channel): Promise<string[]> {
    return (await this.parse(request, channel)).messages.map((message) => message.dedupeKey);
  }

  private channel(fixture: Fixture, ...secretSets: Secrets[]): Channel {
    const sets = secretSets.length > 0 ? secretSets : [this.secretsOf(fixture)];
    const names = Object.keys(sets[0] ?? {});
    const lists = Object.fromEntries(names.map((name) => [name, sets.map((set) => set[name])]));
    return {
      secrets: this.provider.secrets.parse(lists),
      settings: this.provider.settings.parse(fixture.settings),
    };
  }

  private bodies(): fc.Arbitrary<Uint8Array> {
    return anyBody(
      this.signer.fields,
      this.fixtures.map((fixture) => fixture.bytes),
    );
  }

  /** Fixtures whose requests verify: all but challenges, which may be unsigned. */
  private signedFixtures(): Fixture[] {
    return this.fixtures.filter(({ expected }) => !('handshake' in expected));
  }

  /** A request that brings a message, signed as this variant is. */
  private sample(variant?: string): { fixture: Fixture; request: WebhookRequest; channel: Channel } {
    const schemeOf = (one = ''): string | undefined =>
      Object.hasOwn(this.signer.variants ?? {}, one) ? one : undefined;
    const fixture = this.fixtures.find(
      ({ variant: own, expected }) =>
        schemeOf(own) === variant && 'messages' in expected && expected.messages.length > 0,
    );
    if (!fixture) throw new Error(`no fixture with a message${variant === undefined ? '' : ` of variant ${variant}`}`);
    return { fixture, request: this.sign(fixture), channel: this.channel(fixture) };
  }
}

/** A network on which just the expected calls are answered. */
class Network {
  private readonly calls: ExpectedCall[];

  constructor(calls: readonly ExpectedCall[]) {
    this.calls = [...calls];
  }

  readonly fetch: ProviderFetch = async (target, request = {}) => {
    const call = this.calls.shift();
    assert.ok(call, `nobody expects a call of ${target}`);
    assert.deepEqual({ url: target, method: request.method ?? 'GET' }, { url: call.url, method: call.method });
    const sent = new Headers(request.headers);
    for (const [name, value] of Object.entries(call.sent)) assert.equal(sent.get(name), value, name);
    const text = typeof call.body === 'string' ? call.body : JSON.stringify(call.body);
    return { status: call.status, headers: new Headers(call.headers), body: new TextEncoder().encode(text) };
  };

  checkDone(): void {
    assert.deepEqual(this.calls, [], 'calls that were not made');
  }
}

/** The schema, and what an index can hold: 512 characters are under PostgreSQL's 2,704 bytes. */
function checkMessage(message: ParsedMessage): void {
  parsedMessage.parse(message);
  const { externalIdentity, recipient, channelMessageId, channelThreadId, dedupeKey } = message;
  for (const id of [externalIdentity, recipient, channelMessageId, channelThreadId, dedupeKey]) {
    assert.ok((id?.length ?? 0) <= 512, 'an id is too long for an index');
  }
}

async function outcomeOf<T>(promise: Promise<T>): Promise<T | Error> {
  return await promise.catch((error: Error) => error);
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

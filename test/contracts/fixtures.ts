import { readdirSync, readFileSync } from 'node:fs';
import { z } from 'zod';

const answer = z.strictObject({
  /** What must be asked for. */
  url: z.string(),
  method: z.string().default('GET'),
  /** Headers that must be sent, or with null must not be. */
  sent: z.record(z.string(), z.string().nullable()).default({}),
  status: z.int().default(200),
  headers: z.record(z.string(), z.string()).default({}),
  body: z.union([z.string(), z.json()]).default(''),
});

/** An attachment of the fixture's messages that is fetched, and what must come of it. */
const fetched = z.strictObject({
  message: z.int().default(0),
  attachment: z.int().default(0),
  /** The channel's secrets beside those that the request has, such as an API token. */
  secrets: z.record(z.string(), z.string()).default({}),
  /** The calls that must be made, in order, and how they are answered. */
  calls: z.array(answer).default([]),
  /** The bytes that must come back, as text. */
  text: z.string().optional(),
  /** Or their SHA-256, as hex. */
  sha256: z.string().optional(),
  contentType: z.string().nullable().optional(),
  /** Or the code of the error. */
  fails: z.string().optional(),
});

/**
 * A recorded or realistic request of a provider, and what must come of it. The request is one of
 * `body` (JSON), `bodyText`, `bodyFile` (beside the fixture) or `form`.
 */
const fixtureFile = z.strictObject({
  about: z.string(),
  settings: z.record(z.string(), z.unknown()).default({}),
  /** The channel's secrets where they are others than the signer's; null is none. */
  secrets: z.record(z.string(), z.string().nullable()).default({}),
  /** Which of the provider's forms of request it is, where there are several. */
  variant: z.string().optional(),
  body: z.json().optional(),
  bodyText: z.string().optional(),
  bodyFile: z.string().optional(),
  form: z.record(z.string(), z.union([z.string(), z.array(z.string())])).optional(),
  expected: z.union([
    z.strictObject({
      deliveryId: z.string().nullable().optional(),
      messages: z.array(z.unknown()).default([]),
      ignored: z.array(z.strictObject({ reason: z.string() })).default([]),
      /** The answer to the provider, where it is not the usual one. */
      acknowledgement: z.strictObject({ status: z.int(), body: z.string().optional() }).optional(),
    }),
    z.strictObject({ handshake: z.strictObject({ status: z.int(), body: z.string().optional() }) }),
    z.strictObject({ throws: z.string() }),
  ]),
  /** Calls that the handshake must make. */
  calls: z.array(answer).default([]),
  fetches: z.array(fetched).default([]),
});

export type Fixture = z.infer<typeof fixtureFile> & { readonly name: string; readonly bytes: Uint8Array };
export type ExpectedCall = z.infer<typeof answer>;

const folder = new URL('../fixtures/', import.meta.url);

/** All fixtures of a provider, sorted by name. */
export function readFixtures(provider: string): Fixture[] {
  const home = new URL(`${provider}/`, folder);
  return readdirSync(home)
    .filter((file) => file.endsWith('.json'))
    .toSorted()
    .map((file) => {
      const fixture = fixtureFile.parse(JSON.parse(readFileSync(new URL(file, home), 'utf8')));
      return { ...fixture, name: file.replace(/\.json$/, ''), bytes: readBytes(fixture, home) };
    });
}

/** A request of a test's own making, for a signer to sign. */
export function makeFixture(bytes: Uint8Array, given: Partial<Fixture> = {}): Fixture {
  const expected = { messages: [], ignored: [] };
  return { about: '', name: 'made', settings: {}, secrets: {}, calls: [], fetches: [], expected, ...given, bytes };
}

function readBytes(fixture: z.infer<typeof fixtureFile>, home: URL): Uint8Array {
  if (fixture.bodyFile !== undefined) return readFileSync(new URL(fixture.bodyFile, home));
  if (fixture.bodyText !== undefined) return new TextEncoder().encode(fixture.bodyText);
  if (fixture.form !== undefined) {
    const pairs = Object.entries(fixture.form).flatMap(([name, value]) =>
      [value].flat().map((one): [string, string] => [name, one]),
    );
    return new TextEncoder().encode(new URLSearchParams(pairs).toString());
  }
  return new TextEncoder().encode(JSON.stringify(fixture.body));
}

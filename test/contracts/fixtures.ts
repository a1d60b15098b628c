import { readdirSync, readFileSync } from 'node:fs';
import { z } from 'zod';

/**
 * A recorded or realistic request of a provider, and what must come of it. The request is one of
 * `body` (JSON), `bodyText`, `bodyFile` (beside the fixture) or `form`.
 */
const fixtureFile = z.strictObject({
  about: z.string(),
  settings: z.record(z.string(), z.unknown()).default({}),
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
    }),
    z.strictObject({ handshake: z.strictObject({ status: z.int(), body: z.string().optional() }) }),
    z.strictObject({ throws: z.string() }),
  ]),
});

export type Fixture = z.infer<typeof fixtureFile> & { readonly name: string; readonly bytes: Uint8Array };

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

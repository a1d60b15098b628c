import { basicAuthValidator } from 'chargebee';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { signers } from '../signers/index.ts';
import { verifyRequest } from '../verify-request.ts';

const login = signers['chargebee']?.secrets['login'] ?? '';
const user = login.split(':', 1)[0] ?? '';
const password = login.slice(user.length + 1);
const validate = basicAuthValidator((name, word) => name === user && word === password);

/** What Chargebee's SDK says of an Authorization header. */
async function isValid(authorization: string): Promise<boolean> {
  return await validate({ authorization }).then(
    () => true,
    () => false,
  );
}

async function isAccepted(authorization: string): Promise<boolean> {
  const request = { method: 'POST', headers: { authorization }, body: '{}' };
  return (await verifyRequest('chargebee', request, new Date())).ok;
}

test('Chargebee: we accept the credentials that its SDK accepts', async () => {
  const other = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((text) => text.isWellFormed());
  const anyLogin = fc.oneof(
    fc.constantFrom(login, `${login} `, `${user}:`, user, `:${password}`, login.slice(0, -1), login.toUpperCase()),
    fc.tuple(other, other).map(([name, word]) => `${name}:${word}`),
  );
  await fc.assert(
    fc.asyncProperty(anyLogin, async (text) => {
      const header = `Basic ${Buffer.from(text).toString('base64')}`;
      expect(await isAccepted(header)).toBe(text === login);
      expect(await isValid(header)).toBe(text === login);
    }),
    { numRuns: 100 },
  );
});

test('Chargebee: where we and its SDK differ', async () => {
  const credentials = Buffer.from(login).toString('base64');
  // RFC 7617: the scheme's word may be in any case. The SDK wants it as Chargebee writes it.
  expect([await isAccepted(`basic ${credentials}`), await isValid(`basic ${credentials}`)]).toEqual([true, false]);
  // The SDK decodes base64 with junk in it; nobody honest sends that.
  expect([await isAccepted(`Basic ${credentials}!`), await isValid(`Basic ${credentials}!`)]).toEqual([false, true]);
});

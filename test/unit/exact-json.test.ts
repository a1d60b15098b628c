import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { readExactJson } from '../../src/providers/kit/body/exact-json.ts';

function read(text: string): unknown {
  return readExactJson(new TextEncoder().encode(text));
}

test('integers beyond what a number holds become text, all else stays', () => {
  expect(read('[9007199254740991,-9007199254740991,1234567890123456]')).toEqual([
    9007199254740991, -9007199254740991, 1234567890123456,
  ]);
  expect(read('{"id":9007199254740993,"list":[-788032119674292922,1]}')).toEqual({
    id: '9007199254740993',
    list: ['-788032119674292922', 1],
  });
  expect(read('[0.1234567890123456,1234567890123456000e-2,1e16,788032119674292922]')).toEqual([
    0.1234567890123456,
    12345678901234560,
    1e16,
    '788032119674292922',
  ]);
});

test('digits in strings and names are left alone, behind any escapes', () => {
  const value = { '788032119674292922': 'a 788032119674292922', b: '\\', c: '"788032119674292922', d: '\\"' };
  expect(read(JSON.stringify(value))).toEqual(value);
  expect(read(`{"a":"\\\\","id":788032119674292922}`)).toEqual({ a: '\\', id: '788032119674292922' });
});

/** The same by way of the text that JSON.parse shows of each number; it recurses, so not for bodies. */
function readByReviver(text: string): unknown {
  const revive = (_name: string, value: unknown, context: { source?: string }) =>
    /^-?\d+$/.test(context.source ?? '') && !Number.isSafeInteger(value) ? context.source : value;
  return JSON.parse(text, revive as (name: string, value: unknown) => unknown);
}

test('any JSON is read as the numbers in its text say', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }), (value, id) => {
      const text = `[${JSON.stringify(value)},${id}]`;
      expect(read(text)).toEqual(readByReviver(text));
    }),
  );
});

test('large and deep bodies are read, and what is not JSON is said to be none', () => {
  expect(read(`{"a":"${'\\"'.repeat(1_000_000)}","id":788032119674292922}`)).toMatchObject({
    id: '788032119674292922',
  });
  expect(() => read(`${'['.repeat(10_000)}788032119674292922${']'.repeat(10_000)}`)).not.toThrow();
  for (const text of ['', '788032119674292922x', '{788032119674292922:1}', '[0788032119674292922]']) {
    expect(() => read(text), text).toThrow('the body is not JSON');
  }
});

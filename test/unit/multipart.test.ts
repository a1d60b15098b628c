import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { readMultipart } from '../../src/providers/kit/body/multipart.ts';

const contentType = 'multipart/form-data; boundary=b';

function form(...parts: [disposition: string, content: string | Uint8Array][]): Uint8Array {
  const pieces = parts.flatMap(([disposition, content]) => [
    Buffer.from(`--b\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n`, 'latin1'),
    Buffer.from(content),
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...pieces, Buffer.from('--b--\r\n')]);
}

test('a file name that is not UTF-8 costs those bytes of the name, and no other part', () => {
  const body = form(
    ['name="before"', ''],
    ['name="attachment1"; filename="r\u00e9sum\u00e9.pdf"', 'PDF'],
    ['name="t\u00ebxt"', 'x'],
    ['name="after"', 'hello'],
  );
  const parts = readMultipart(contentType, body).map(({ name, filename, bytes }) => [
    name,
    filename,
    new TextDecoder().decode(bytes),
  ]);
  expect(parts).toEqual([
    ['before', undefined, ''],
    ['attachment1', 'r\ufffdsum\ufffd.pdf', 'PDF'],
    ['t\ufffdxt', undefined, 'x'],
    ['after', undefined, 'hello'],
  ]);
});

test('names and bytes come back as they were sent, whatever the bytes are', () => {
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.string({ unit: fc.constantFrom('\r', '\n', '-', 'b', ':'), maxLength: 30 }).map((text) => Buffer.from(text)),
  );
  const isInside = (bytes: Uint8Array): boolean => !Buffer.from(bytes).includes('--b');
  fc.assert(
    fc.property(fc.array(content.filter(isInside), { minLength: 1, maxLength: 6 }), (contents) => {
      const body = form(...contents.map((bytes, index): [string, Uint8Array] => [`name="field${index}"`, bytes]));
      const parts = readMultipart(contentType, body);
      expect(parts.map(({ name }) => name)).toEqual(contents.map((_bytes, index) => `field${index}`));
      expect(parts.map(({ bytes }) => [...bytes])).toEqual(contents.map((bytes) => [...bytes]));
    }),
  );
});

test.each([
  ['no boundary', 'multipart/form-data', form(['name="a"', '1'])],
  ['another boundary', 'multipart/form-data; boundary=c', form(['name="a"', '1'])],
  ['no end', contentType, form(['name="a"', '1']).subarray(0, -6)],
])('%s: the body is no such form', (_what, type, body) => {
  expect(() => readMultipart(type, body)).toThrow(/^the body is no multipart form/);
});

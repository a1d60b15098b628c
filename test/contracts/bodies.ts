import * as fc from 'fast-check';

/**
 * Bodies for parse: random bytes, any JSON; JSON, forms and header blocks made of the fields that
 * the provider looks at; and its own recorded bodies with random values in random places.
 */
export function anyBody(fields: readonly string[], recorded: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const name = fc.constantFrom(...fields);
  const text = fc.oneof(
    fc.constantFrom(...plausible),
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.string({ minLength: 600, maxLength: 700 }),
  );
  const { document } = fc.letrec((tie) => ({
    document: fc.oneof({ depthSize: 'small', withCrossShrink: true }, tie('leaf'), tie('object'), tie('list')),
    leaf: fc.oneof(text, fc.jsonValue({ maxDepth: 2 }), fc.double(), fc.integer(), fc.constant(null)),
    object: fc.dictionary(name, tie('document'), { maxKeys: 8 }),
    list: fc.array(tie('document'), { maxLength: 3 }),
  }));
  const event = fc.dictionary(name, document, { maxKeys: 12 });
  const pairs = fc.array(fc.tuple(name, text), { maxLength: 12 });
  const original = fc.constantFrom(...recorded);
  const changes = fc.array(fc.tuple(fc.nat(), document), { minLength: 1, maxLength: 3 });
  const splice = fc.tuple(fc.nat(), fc.nat({ max: 60 }), text);
  return fc.oneof(
    { arbitrary: fc.tuple(original, changes).map(([body, list]) => changeJson(body, list)), weight: 3 },
    { arbitrary: fc.tuple(original, splice).map(([body, edit]) => spliceBytes(body, ...edit)), weight: 2 },
    fc.uint8Array({ maxLength: 200 }),
    fc
      .oneof(
        fc.json(),
        fc.jsonValue().map((value) => JSON.stringify(value)),
      )
      .map(encode),
    fc.oneof(document, event).map((value) => encode(JSON.stringify(value))),
    pairs.map((list) => encode(new URLSearchParams(list).toString())),
    fc
      .tuple(pairs, text)
      .map(([list, body]) => encode(`${list.map(([key, value]) => `${key}: ${value}`).join('\r\n')}\r\n\r\n${body}`)),
  );
}

/** Values that get past the first checks. */
const plausible = [
  'message',
  'app_mention',
  'file_share',
  'event_callback',
  'url_verification',
  'U0ALICE01',
  '1741089600.000100',
  '999999999999.9',
  '+14155550123',
  'whatsapp:+14155550123',
  'whatsapp:',
  'received',
  '2025-03-04T12:00:00Z',
  '9999-99-99T99:99:99',
  'Alice <alice@example.com>, bob@example.com',
  'multipart/mixed; boundary=b',
  'text/html',
  '<a@b> <c@d>',
  ' ',
];

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Puts each value at one of the document's places, counted round; bytes that are no JSON stay. */
function changeJson(body: Uint8Array, changes: readonly (readonly [number, unknown])[]): Uint8Array {
  const root = { document: readJson(body) };
  if (root.document === undefined) return body;
  for (const [place, value] of changes) {
    const places = listPlaces(root);
    const [parent, key] = places[place % places.length] ?? [root, 'document'];
    Object.assign(parent, { [key]: value });
  }
  return encode(JSON.stringify(root.document) ?? 'null');
}

function readJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body)) as unknown;
  } catch {
    return undefined;
  }
}

function listPlaces(parent: object, depth = 0): [object, string][] {
  return Object.entries(parent).flatMap(([key, child]): [object, string][] => [
    [parent, key],
    ...(typeof child === 'object' && child !== null && depth < 8 ? listPlaces(child, depth + 1) : []),
  ]);
}

function spliceBytes(body: Uint8Array, start: number, length: number, text: string): Uint8Array {
  const at = start % (body.length + 1);
  return Uint8Array.of(...body.subarray(0, at), ...encode(text), ...body.subarray(at + length));
}

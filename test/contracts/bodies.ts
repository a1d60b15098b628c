import * as fc from 'fast-check';

/**
 * Bodies for parse: random bytes, any JSON; JSON, forms and header blocks made of the fields that
 * the provider looks at; and its own recorded bodies with random values in random places, in JSON
 * inside a form's field too.
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

type Changes = readonly (readonly [number, unknown])[];

/** Puts each value at one of the document's places, counted round; bytes that hold no JSON stay. */
function changeJson(body: Uint8Array, changes: Changes): Uint8Array {
  const text = new TextDecoder().decode(body);
  const changed = changeDocument(text, changes) ?? changeForm(text, changes);
  return changed === undefined ? body : encode(changed);
}

function changeDocument(text: string, changes: Changes): string | undefined {
  const root = { document: readJson(text) };
  if (root.document === undefined) return undefined;
  for (const [place, value] of changes) {
    const places = listPlaces(root);
    const [parent, key] = places[place % places.length] ?? [root, 'document'];
    // A copy: the next change may be inside it, and the value is put into other documents too.
    Object.assign(parent, { [key]: structuredClone(value) });
  }
  return JSON.stringify(root.document) ?? 'null';
}

/** The same for the documents in a form, such as Slack's field `payload`. */
function changeForm(text: string, changes: Changes): string | undefined {
  if (!/(?:^|&)[^=&]+=(?:%7B|%5B)/i.test(text)) return undefined;
  const pairs = [...new URLSearchParams(text)].map(([name, value]): [string, string] => [
    name,
    /^[{[]/.test(value) ? (changeDocument(value, changes) ?? value) : value,
  ]);
  return new URLSearchParams(pairs).toString();
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
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

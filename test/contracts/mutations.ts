/** Each byte value that occurs, changed where it occurs first and last; and other lengths. */
export function* mutateBody(body: Uint8Array): Generator<Uint8Array> {
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

/** A header's value, changed at each place, cut, lengthened, and encoded otherwise. */
export function* mutateText(value: string): Generator<string> {
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

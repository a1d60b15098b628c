import { PostroomError } from '../lib/errors.ts';

/**
 * Reads a request's raw bytes, up to a limit: a body that says it is longer is not read at all, one
 * that turns out longer is given up.
 *
 * @throws PostroomError `too_large`.
 */
export async function readBody(request: Request, maxBytes: number): Promise<Uint8Array> {
  const declared = Number(request.headers.get('content-length') ?? Number.NaN);
  if (declared > maxBytes) throw tooLarge(maxBytes);
  // A declared length is enforced by the HTTP server, so the body can be read in one go.
  if (declared >= 0) return new Uint8Array(await request.arrayBuffer());
  if (!request.body) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body as unknown as AsyncIterable<Uint8Array>) {
    length += chunk.byteLength;
    if (length > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(maxBytes: number): PostroomError {
  return new PostroomError('too_large', `the body is larger than ${maxBytes} bytes`, { loc: ['body'] });
}

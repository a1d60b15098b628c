import { MultipartPart, parseMultipart } from '@remix-run/multipart-parser';
import { decodeText } from '../fields.ts';

/** One part of a `multipart/form-data` body, its bytes as they came. */
export interface FormPart {
  readonly name: string;
  /** Set where the part is a file. */
  readonly filename: string | undefined;
  readonly contentType: string | undefined;
  readonly bytes: Uint8Array;
}

const maxParts = 2_000;
const blankLine = '\r\n\r\n';

/**
 * The parts of a `multipart/form-data` body, in order; several may have one name. The bytes are
 * left alone: some senders write each field in a charset of its own.
 *
 * @throws Error "the body is …" where it is no such form.
 */
export function readMultipart(contentType: string | null, body: Uint8Array): FormPart[] {
  const match = /^multipart\/form-data\s*;.*?\bboundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))/i.exec(contentType ?? '');
  const boundary = match?.[1] ?? match?.[2];
  if (boundary === undefined) throw new Error('the body is no multipart form: its boundary is not given');
  try {
    return [...readParts(boundary, body)].flatMap((part) =>
      part.name === undefined
        ? []
        : [{ name: part.name, filename: part.filename, contentType: part.mediaType, bytes: part.bytes }],
    );
  } catch {
    throw new Error('the body is no multipart form: it cannot be taken apart');
  }
}

/**
 * The library refuses to read headers that are not UTF-8, such as a file's name in latin1. So each
 * part gets its headers anew with U+FFFD in those places: one odd name costs no other part.
 */
function* readParts(boundary: string, body: Uint8Array): Generator<MultipartPart> {
  const limits = { maxHeaderSize: 16 * 1024, maxFileSize: body.byteLength, maxTotalSize: body.byteLength, maxParts };
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  let headerStart = `--${boundary}\r\n`.length;
  for (const part of parseMultipart(body, { boundary, ...limits })) {
    const headerEnd = bytes.indexOf(blankLine, headerStart);
    const header = decodeText(bytes.subarray(headerStart, headerEnd));
    yield new MultipartPart(new TextEncoder().encode(header), part.content);
    headerStart = headerEnd + blankLine.length + part.size + `\r\n--${boundary}\r\n`.length;
  }
}

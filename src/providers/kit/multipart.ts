import { parseMultipart } from '@remix-run/multipart-parser';

/** One part of a `multipart/form-data` body, its bytes as they came. */
export interface FormPart {
  readonly name: string;
  /** Set where the part is a file. */
  readonly filename: string | undefined;
  readonly contentType: string | undefined;
  readonly bytes: Uint8Array;
}

const maxParts = 2_000;

/**
 * The parts of a `multipart/form-data` body, in order; several may have one name. The bytes are
 * left alone: some senders write each field in a charset of its own.
 *
 * @throws Error "the body is …" where it is no such form.
 */
export function readMultipart(contentType: string | null, body: Uint8Array): FormPart[] {
  const boundary = /^multipart\/form-data\s*;.*?\bboundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))/i.exec(
    contentType ?? '',
  );
  const value = boundary?.[1] ?? boundary?.[2];
  if (value === undefined) throw new Error('the body is no multipart form: its boundary is not given');
  const limits = { maxHeaderSize: 16 * 1024, maxFileSize: body.byteLength, maxTotalSize: body.byteLength, maxParts };
  try {
    return [...parseMultipart(body, { boundary: value, ...limits })].flatMap((part) =>
      part.name === undefined
        ? []
        : [{ name: part.name, filename: part.filename, contentType: part.mediaType, bytes: part.bytes }],
    );
  } catch {
    throw new Error('the body is no multipart form: it cannot be taken apart');
  }
}

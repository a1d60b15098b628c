import type { Parsed, WebhookRequest } from '../../../provider.ts';
import { readExactJson } from '../body/exact-json.ts';
import { allValues, isForm, readForm } from '../body/form.ts';
import { boundId, type Json } from '../fields.ts';
import { sha256Hex } from '../signature.ts';
import { buildJsonMessage, firstOf, scalarText, type PayloadOrigin } from './message.ts';
import type { OwnBodySettings } from './settings.ts';

/** An id that came in a header. */
export interface HeaderId {
  readonly value: string;
  /** Whether the signature covers it. */
  readonly isSigned: boolean;
}

/**
 * A message out of a body that the sending system's people designed themselves.
 *
 * What it is recognised by: the pointer `eventId`, else an id that was signed, else a hash of the
 * body. An id that nothing covers is for the log alone: it could be changed to replay a request.
 */
export function parseOwnBody(request: WebhookRequest, settings: OwnBodySettings, headerId?: HeaderId): Parsed {
  const signedId = headerId?.isSigned === true ? headerId.value : undefined;
  return readOwnDocument(readDocument(request), settings, {
    deliveryId: headerId?.value ?? null,
    key: signedId ?? `sha256:${sha256Hex(request.body)}`,
    bodyBytes: request.body.byteLength,
  });
}

/** The same of a document that was read already: the pointer `eventId` comes before the key that is given. */
export function readOwnDocument(payload: Json, settings: OwnBodySettings, origin: PayloadOrigin): Parsed {
  const eventId = settings.eventId === undefined ? null : firstOf(payload, settings.eventId, scalarText);
  const deliveryId = origin.deliveryId ?? eventId;
  return buildJsonMessage(payload, settings, {
    ...origin,
    deliveryId: deliveryId === null ? null : boundId(deliveryId),
    key: eventId ?? origin.key,
  });
}

/** The body as JSON; of a form the fields as an object, in which a repeated field is a list. */
export function readDocument(request: WebhookRequest): Json {
  if (!isForm(request.headers)) return readExactJson(request.body);
  return Object.fromEntries(
    [...allValues(readForm(request.body))].map(([name, values]) => [
      name,
      values.length === 1 ? (values[0] ?? '') : values,
    ]),
  );
}

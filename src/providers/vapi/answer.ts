import type { Reply, WebhookRequest } from '../../provider.ts';
import { tryJson, type Json } from '../kit/fields.ts';
import { vapiEnvelope } from './schema.ts';

/**
 * Messages that wait for an answer which only the assistant's owner can give. Each type takes an
 * `error`, so that Vapi need not wait, and the assistant knows that nothing was done.
 * Source: the ServerMessageResponse schemas of https://api.vapi.ai/api-json
 */
const answers = new Map<string, Json>([
  // Spoken to the caller, then the call ends.
  ['assistant-request', { error: 'No assistant is set for this number.' }],
  ['tool-calls', { error: 'This server runs no tools.' }],
  ['function-call', { error: 'This server runs no tools.' }],
  ['transfer-destination-request', { error: 'This server knows no destination to transfer to.' }],
  ['handoff-destination-request', { error: 'This server knows no assistant to hand off to.' }],
  ['knowledge-base-request', { documents: [] }],
]);

/** What Vapi is answered: to most messages nothing of meaning. */
export function answerVapi(request: WebhookRequest): Reply {
  const answer = answers.get(typeOf(request)) ?? { ok: true };
  return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(answer) };
}

function typeOf(request: WebhookRequest): string {
  return vapiEnvelope.safeParse(tryJson(request.body)).data?.message.type ?? '';
}

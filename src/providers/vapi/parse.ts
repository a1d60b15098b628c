import { normalizeIdentity } from '../../lib/identity.ts';
import type { Attachment, Parsed, ParsedMessage, ProviderChannel, WebhookRequest } from '../../provider.ts';
import { keepAs } from '../kit/body/kept-json.ts';
import { boundId, dateFromIso, dateFromMillis, present, readJson, textOrNull, type Json } from '../kit/fields.ts';
import { readPhone } from '../kit/phone.ts';
import { vapiEnvelope, vapiTurn, type VapiMessage } from './schema.ts';
import type { VapiSettings } from './settings.ts';

type Channel = ProviderChannel<Record<string, string[]>, VapiSettings>;

/** What happens during a call or beside it, and what Vapi wants an answer to; see `answer.ts`. */
const ignoredTypes = new Set([
  'assistant-request',
  'assistant.started',
  'assistant.speechStarted',
  'call.deleted',
  'call.delete.failed',
  'call.endpointing.request',
  'campaign.status',
  'chat.created',
  'chat.deleted',
  'conversation-update',
  'function-call',
  'handoff-destination-request',
  'hang',
  'knowledge-base-request',
  'language-change-detected',
  'model-output',
  'phone-call-control',
  'session.created',
  'session.updated',
  'session.deleted',
  'speech-update',
  'status-update',
  'tool-calls',
  'transcript',
  'transfer-destination-request',
  'transfer-update',
  'user-interrupted',
  'voice-input',
  'voice-request',
]);

/** One message out of the report on a whole call; everything else is ignored by name. */
export function parseVapi(request: WebhookRequest, channel: Channel): Parsed {
  const message = vapiEnvelope.safeParse(readJson(request.body)).data?.message;
  const ignore = (reason: string): Parsed => ({ deliveryId: null, messages: [], ignored: [{ reason }] });
  // `transcript[transcriptType="final"]` where final transcripts alone are asked for.
  const type = message?.type?.replace(/\[.*$/, '') ?? '';
  if (ignoredTypes.has(type)) return ignore(type.replaceAll(/[-.]/g, '_').toLowerCase());
  const id = message?.call?.id;
  if (!message || type !== 'end-of-call-report' || !id) return ignore('unknown_type');
  const built = buildMessage(message, id, channel.settings.trustCallerId, request.body.byteLength);
  return { deliveryId: null, messages: [built], ignored: [] };
}

function buildMessage(message: VapiMessage, id: string, trustCallerId: boolean, bodyBytes: number): ParsedMessage {
  const { call, analysis } = message;
  const caller = readCaller(message);
  const externalIdentity = caller ?? boundId(`call:${id}`);
  const recipient = readRecipient(message);
  const { type } = call ?? {};
  return {
    channel: 'voice',
    externalIdentity,
    displayName: textOrNull(message.customer?.name ?? call?.customer?.name),
    recipient,
    text: readTranscript(message) ?? textOrNull(analysis?.summary ?? message.summary),
    channelMessageId: boundId(id),
    channelThreadId: boundId(`${recipient ?? ''}:${externalIdentity}`),
    attachments: readRecordings(message),
    channelMetadata: present<Json>({
      callId: id,
      callType: type,
      endedReason: message.endedReason,
      startedAt: message.startedAt ?? call?.startedAt,
      endedAt: message.endedAt ?? call?.endedAt,
      durationSeconds: keepNumber(message.durationSeconds),
      cost: keepNumber(message.cost),
      summary: analysis?.summary ?? message.summary,
      successEvaluation: analysis?.successEvaluation,
      assistantId: call?.assistantId ?? message.assistant?.id,
      assistantName: message.assistant?.name,
      phoneNumberId: call?.phoneNumberId ?? message.phoneNumber?.id,
      customerExternalId: message.customer?.externalId ?? call?.customer?.externalId,
      stereoRecordingUrl: stereoOf(message),
      logUrl: message.artifact?.logUrl,
      ...keepAs('structuredData', analysis?.structuredData, bodyBytes),
      ...keepAs('structuredOutputs', message.artifact?.structuredOutputs, bodyBytes),
    }),
    sentAt: readTime(message.timestamp) ?? dateFromIso(message.endedAt ?? call?.endedAt),
    // Whom we called is who it is; who calls us may show any number.
    vouched: caller !== undefined && (type === 'outboundPhoneCall' || (type === 'inboundPhoneCall' && trustCallerId)),
    // A report comes once a call; the HMAC covers the id.
    dedupeKey: boundId(`${id}:end-of-call-report`),
  };
}

/** The other side's number or SIP address; web calls have neither. */
function readCaller({ customer, call }: VapiMessage): string | undefined {
  const number = customer?.number?.trim() || call?.customer?.number?.trim();
  if (number) return readPhone('voice', number);
  const sipUri = customer?.sipUri?.trim() || call?.customer?.sipUri?.trim();
  return sipUri ? boundId(normalizeIdentity('voice', sipUri)) : undefined;
}

/** Our number; where Vapi sends none its id, and in web calls the assistant's. */
function readRecipient({ phoneNumber, call, assistant }: VapiMessage): string | null {
  const number = phoneNumber?.number?.trim() || call?.phoneNumber?.number?.trim();
  if (number) return readPhone('voice', number);
  const id = (phoneNumber?.id || call?.phoneNumberId || call?.assistantId || assistant?.id)?.trim();
  return id ? boundId(id) : null;
}

/** As Vapi writes it, or out of the turns in the same way. */
function readTranscript({ artifact, transcript }: VapiMessage): string | null {
  const whole = artifact?.transcript?.trim() || transcript?.trim();
  if (whole) return whole;
  const lines = (artifact?.messages ?? []).flatMap((entry) => {
    const turn = vapiTurn.safeParse(entry).data;
    const name = turn?.role === 'user' ? 'User' : turn?.role === 'bot' || turn?.role === 'assistant' ? 'AI' : undefined;
    return name && turn?.message ? [`${name}: ${turn.message}`] : [];
  });
  return textOrNull(lines.join('\n'));
}

function stereoOf({ artifact, stereoRecordingUrl }: VapiMessage): string | undefined {
  return artifact?.recording?.stereoUrl || artifact?.stereoRecordingUrl || stereoRecordingUrl || undefined;
}

/** The recording of both sides, and the video where there is one. Where they are is in flux at Vapi. */
function readRecordings(message: VapiMessage): Attachment[] {
  const { artifact } = message;
  const audio =
    artifact?.recording?.mono?.combinedUrl || artifact?.recordingUrl || message.recordingUrl || stereoOf(message);
  const video = artifact?.recording?.videoUrl || artifact?.videoRecordingUrl;
  return [audio, video].flatMap((url) => (url ? [{ ...describe(url), size: null, url, providerId: null }] : []));
}

const mediaTypes = new Map([
  ['wav', 'audio/wav'],
  ['mp3', 'audio/mpeg'],
  ['ogg', 'audio/ogg'],
  ['mp4', 'video/mp4'],
  ['webm', 'video/webm'],
]);

/** The file's name in the URL, which alone tells the type. */
function describe(url: string): { name: string | null; contentType: string | null } {
  const name = /\/([\w.-]{1,200})$/.exec(URL.parse(url)?.pathname ?? '')?.[1] ?? null;
  const ending = /\.([a-z0-9]{2,4})$/i.exec(name ?? '')?.[1]?.toLowerCase() ?? '';
  return { name, contentType: mediaTypes.get(ending) ?? null };
}

/** JSON can hold 1e999, which is read as Infinity and cannot be written again. */
function keepNumber(value: number | undefined): number | undefined {
  return value !== undefined && Number.isFinite(value) ? value : undefined;
}

/** Milliseconds since 1970; older reports write ISO 8601. */
function readTime(timestamp: number | string | undefined): Date | null {
  return typeof timestamp === 'number' ? dateFromMillis(timestamp) : dateFromIso(timestamp);
}

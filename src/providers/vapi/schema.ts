import { z } from 'zod';
import { listField, part, textField } from '../kit/fields.ts';

/**
 * The fields of Vapi's server messages that we read.
 * Source: https://docs.vapi.ai/server-url/events and the OpenAPI document at https://api.vapi.ai/api-json
 */

const numberField = z.number().optional().catch(undefined);
const dataField = z
  .union([z.record(z.string(), z.unknown()), z.array(z.unknown())])
  .optional()
  .catch(undefined);

const customer = part({ number: textField, sipUri: textField, name: textField, externalId: textField });
const phoneNumber = part({ id: textField, number: textField, name: textField });
const assistant = part({ id: textField, name: textField });

const artifact = part({
  transcript: textField,
  messages: listField,
  recording: part({
    stereoUrl: textField,
    videoUrl: textField,
    mono: part({ combinedUrl: textField }),
  }),
  recordingUrl: textField,
  stereoRecordingUrl: textField,
  videoRecordingUrl: textField,
  logUrl: textField,
  structuredOutputs: dataField,
});

export const vapiMessage = z.object({
  type: textField,
  timestamp: z.union([z.number(), z.string()]).optional().catch(undefined),
  call: part({
    id: textField,
    type: textField,
    orgId: textField,
    phoneNumberId: textField,
    assistantId: textField,
    startedAt: textField,
    endedAt: textField,
    customer,
    phoneNumber,
  }),
  customer,
  phoneNumber,
  assistant,
  artifact,
  analysis: part({ summary: textField, successEvaluation: textField, structuredData: dataField }),
  summary: textField,
  transcript: textField,
  recordingUrl: textField,
  stereoRecordingUrl: textField,
  endedReason: textField,
  startedAt: textField,
  endedAt: textField,
  durationSeconds: numberField,
  cost: numberField,
});
export type VapiMessage = z.infer<typeof vapiMessage>;

/** Every request is one of these. */
export const vapiEnvelope = z.object({ message: vapiMessage });

/** A turn of the call: what somebody said, or what the assistant did. */
export const vapiTurn = z.object({ role: textField, message: textField });

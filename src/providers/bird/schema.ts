import { z } from 'zod';
import { listField, part, sizeField, textField } from '../kit/fields.ts';

/**
 * The fields of Bird's channel events that we read.
 * Source: https://docs.bird.com/api/channels-api/supported-channels and
 * https://docs.bird.com/api/channels-api/message-types
 */

const number = z.number().optional().catch(undefined);

const body = part({
  type: textField,
  text: part({ text: textField }),
  image: part({ text: textField, images: listField }),
  file: part({ text: textField, files: listField }),
  html: part({ text: textField, metadata: part({ subject: textField }) }),
  location: part({
    coordinates: part({ latitude: number, longitude: number }),
    location: part({ label: textField, address: textField }),
  }),
});

export const birdEvent = z.object({
  service: textField,
  /** `sms.inbound`, `whatsapp.outbound` and so on. */
  event: textField,
  payload: part({
    id: textField,
    channelId: textField,
    sender: part({
      contact: part({
        id: textField,
        identifierKey: textField,
        identifierValue: textField,
        annotations: part({ name: textField }),
      }),
    }),
    receiver: part({ connector: part({ id: textField, identifierValue: textField }) }),
    body,
    meta: part({ extraInformation: z.unknown().optional() }),
    replyTo: part({ id: textField }),
    parts: listField,
    direction: textField,
    createdAt: textField,
  }),
});
export type BirdEvent = z.infer<typeof birdEvent>;
export type BirdMessage = NonNullable<BirdEvent['payload']>;

export const birdFile = z.object({
  mediaUrl: textField,
  altText: textField,
  filename: textField,
  contentType: textField,
  size: sizeField.optional(),
});

export const birdPart = z.object({ platformReference: textField });

import type { Attachment } from '../../provider.ts';
import { present, textOrNull } from '../kit/fields.ts';
import { readPlace } from '../kit/place.ts';
import { telnyxMedia, type TelnyxBody, type TelnyxPayload } from './schema.ts';

/** What was written or chosen; for a place or a file the line that a person would read instead. */
export function readText(payload: TelnyxPayload): string | null {
  const { body } = payload;
  const choice = body?.interactive?.button_reply ?? body?.interactive?.list_reply;
  return textOrNull(
    payload.text ||
      (typeof body?.text === 'string' ? body.text : body?.text?.body) ||
      body?.suggestion_response?.text ||
      body?.button?.text ||
      choice?.title ||
      body?.reaction?.emoji ||
      whatsappFile(body)?.caption ||
      readPlace([body?.location?.name, body?.location?.address], body?.location),
  );
}

function whatsappFile(body: TelnyxBody | undefined): TelnyxBody['image'] {
  return body?.image ?? body?.video ?? body?.audio ?? body?.document ?? body?.sticker;
}

/** The files of an MMS, and the one that RCS or WhatsApp puts into the body. */
export function readAttachments(payload: TelnyxPayload): Attachment[] {
  const sent = (payload.media ?? []).flatMap((entry) => {
    const file = telnyxMedia.safeParse(entry).data;
    if (!file?.url) return [];
    return [{ name: null, contentType: file.content_type ?? null, size: file.size, url: file.url, providerId: null }];
  });
  const rcs = payload.body?.user_file?.payload;
  const whatsapp = whatsappFile(payload.body);
  return [
    ...sent,
    ...(rcs?.file_uri
      ? [
          {
            name: textOrNull(rcs.file_name),
            contentType: rcs.mime_type ?? null,
            size: rcs.file_size_bytes,
            url: rcs.file_uri,
            providerId: null,
          },
        ]
      : []),
    ...(whatsapp?.id || whatsapp?.link || whatsapp?.url
      ? [
          {
            name: textOrNull(whatsapp.filename),
            contentType: whatsapp.mime_type ?? null,
            size: null,
            url: textOrNull(whatsapp.url || whatsapp.link),
            providerId: textOrNull(whatsapp.id),
          },
        ]
      : []),
  ];
}

/** What RCS and WhatsApp messages carry beside their text. */
export function readDetails(body: TelnyxBody | undefined): Record<string, string | number> {
  return present<string | number>({
    bodyType: body?.type,
    foreignId: body?.foreign_id,
    contextMessageId: body?.context?.id,
    latitude: body?.location?.latitude,
    longitude: body?.location?.longitude,
    postbackData: body?.suggestion_response?.postback_data,
    buttonPayload: body?.button?.payload,
    replyId: body?.interactive?.button_reply?.id ?? body?.interactive?.list_reply?.id,
    reactionTo: body?.reaction?.message_id,
  });
}

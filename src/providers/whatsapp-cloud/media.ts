import { z } from 'zod';
import { PermanentError } from '../../lib/errors.ts';
import type { Attachment, AttachmentContext, FetchedFile, ProviderChannel, ProviderFetch } from '../../provider.ts';
import { tryJson, textField } from '../kit/fields.ts';
import { download, failure } from '../kit/files/download.ts';
import { withSecrets } from '../kit/files/with-secrets.ts';

type Channel = ProviderChannel<{ accessToken: string[] }, { graphVersion?: string | undefined }>;

/** Lasts until 2028-07-29, https://developers.facebook.com/docs/graph-api/changelog/versions */
export const defaultGraphVersion = 'v25.0';

const graphAnswer = z.object({
  url: textField,
  error: z
    .object({ code: z.int().optional().catch(undefined) })
    .optional()
    .catch(undefined),
});

/**
 * Looks the media id up and gets the file from the URL that it is answered with. The one that came
 * with the message does not do: it is valid for five minutes. Both calls take the token.
 * Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media
 */
export async function fetchWhatsappMedia(
  attachment: Attachment,
  channel: Channel,
  { fetch }: AttachmentContext,
): Promise<FetchedFile> {
  const { providerId } = attachment;
  if (!providerId) throw new PermanentError('attachment_gone', 'the message names no media id');
  // Channels from before the setting have none stored.
  const version = channel.settings.graphVersion ?? defaultGraphVersion;
  const lookup = `https://graph.facebook.com/${version}/${encodeURIComponent(providerId)}`;
  return await withSecrets(channel.secrets.accessToken, 'accessToken', (token) => fetchMedia(lookup, token, fetch));
}

async function fetchMedia(lookup: string, token: string, fetch: ProviderFetch): Promise<FetchedFile> {
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch(lookup, { headers });
  const media = graphAnswer.safeParse(tryJson(answer.body)).data;
  if (answer.status !== 200) throw lookupFailure(answer.status, media?.error?.code ?? 0);
  if (!media?.url) throw new PermanentError('attachment_gone', 'Meta names no URL for it');
  return await download(fetch, media.url, { headers, hosts: ['lookaside.fbsbx.com'] });
}

/**
 * Meta's own code says more than the status, which is mostly 400.
 * Source: https://developers.facebook.com/docs/graph-api/guides/error-handling
 */
function lookupFailure(status: number, code: number): Error {
  if (code === 190 || code === 10 || (code >= 200 && code < 300)) {
    return new PermanentError(
      'credentials_refused',
      `Meta refuses the access token, or it lacks a permission (${code})`,
    );
  }
  if (code !== 100) return failure(status, true);
  return new PermanentError('attachment_gone', 'Meta has it no more, or the access token may not see it');
}

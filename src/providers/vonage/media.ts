import { randomUUID } from 'node:crypto';
import { importPKCS8, SignJWT } from 'jose';
import { PermanentError } from '../../lib/errors.ts';
import type { Attachment, AttachmentContext, FetchedFile, ProviderChannel } from '../../provider.ts';
import { downloadWithSecrets } from '../kit/files/with-secrets.ts';
import type { VonageSettings } from './verify.ts';

type Channel = ProviderChannel<{ privateKey: string[] }, VonageSettings>;

/** Where Vonage keeps what people send; its hosts alone are shown our token. */
const hosts = ['nexmo.com', 'vonage.com'];
const lifetimeSeconds = 300;

/**
 * Gets a file. At Vonage its URL is enough for 48 hours, or, with Secure Inbound Media, a token that
 * the application's private key has signed. Source:
 * https://developer.vonage.com/en/messages/concepts/secure-inbound-media
 */
export async function fetchVonageFile(
  attachment: Attachment,
  channel: Channel,
  context: Pick<AttachmentContext, 'fetch' | 'now'>,
): Promise<FetchedFile> {
  const { url } = attachment;
  if (url === null) throw new PermanentError('attachment_gone', 'the attachment has no URL');
  const { applicationId } = channel.settings;
  const keys = applicationId === undefined ? [] : channel.secrets.privateKey;
  return await downloadWithSecrets(context.fetch, url, keys, async (key) => ({
    headers: { authorization: `Bearer ${await signToken(key, applicationId ?? '', context.now)}` },
    hosts,
  }));
}

/** Source: https://developer.vonage.com/en/getting-started/concepts/authentication#json-web-tokens */
async function signToken(privateKey: string, applicationId: string, now: Date): Promise<string> {
  const time = Math.floor(now.getTime() / 1000);
  try {
    return await new SignJWT({
      application_id: applicationId,
      iat: time,
      exp: time + lifetimeSeconds,
      jti: randomUUID(),
    })
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT' })
      .sign(await importPKCS8(privateKey, 'RS256'));
  } catch (cause) {
    throw new PermanentError('credentials_refused', 'the secret privateKey is no private key', { cause });
  }
}

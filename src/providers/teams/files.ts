import { z } from 'zod';
import { PermanentError } from '../../lib/errors.ts';
import type { Attachment, AttachmentContext, FetchedFile, ProviderChannel, ProviderFetch } from '../../provider.ts';
import { tryJson } from '../kit/fields.ts';
import { download, failure, isHostOf } from '../kit/files/download.ts';
import { downloadWithSecrets } from '../kit/files/with-secrets.ts';

type Channel = ProviderChannel<{ appPassword: string[] }, { appId: string; appTenantId?: string | undefined }>;

/** Where pictures lie that are in the text. Its hosts alone are shown the bot's token. */
const hosts = ['smba.trafficmanager.net', 'botframework.com'];

const tokenAnswer = z.object({ access_token: z.string().min(1) });

/**
 * Files have a URL that is open to everybody for some minutes; pictures within the text are for the
 * bot alone, who proves who it is by a token.
 */
export async function fetchTeamsFile(
  attachment: Attachment,
  channel: Channel,
  context: Pick<AttachmentContext, 'fetch'>,
): Promise<FetchedFile> {
  const { url } = attachment;
  if (url === null) throw new PermanentError('attachment_gone', 'the attachment has no URL');
  if (!isHostOf(url, hosts)) return await download(context.fetch, url);
  return await downloadWithSecrets(context.fetch, url, channel.secrets.appPassword, async (password) => ({
    headers: { authorization: `Bearer ${await getToken(channel.settings, password, context.fetch)}` },
    hosts,
  }));
}

/**
 * A token by client credentials. Source:
 * https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-authentication
 */
async function getToken(settings: Channel['settings'], password: string, fetch: ProviderFetch): Promise<string> {
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: settings.appId,
    client_secret: password,
    scope: 'https://api.botframework.com/.default',
  });
  const tenant = settings.appTenantId ?? 'botframework.com';
  const answer = await fetch(`https://login.microsoftonline.com/${tenant}/oauth2/v2.0/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
  });
  // Microsoft answers 400 and 401 to a wrong secret, an unknown app and an app of another tenant.
  if (answer.status === 400 || answer.status === 401) {
    throw new PermanentError('credentials_refused', `Microsoft gives no token for the app (${answer.status})`);
  }
  if (answer.status !== 200) throw failure(answer.status, true);
  return readToken(answer.body);
}

function readToken(body: Uint8Array): string {
  const answer = tokenAnswer.safeParse(tryJson(body)).data;
  if (!answer) throw failure(502, true);
  return answer.access_token;
}

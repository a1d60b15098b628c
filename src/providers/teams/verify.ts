import type { JWK } from 'jose';
import { z } from 'zod';
import { RetryableError } from '../../lib/errors.ts';
import type { ProviderChannel, Published, Verdict, WebhookRequest } from '../../provider.ts';
import { readJson } from '../kit/fields.ts';
import { isHostOf } from '../kit/files/download.ts';
import { accepted, refused } from '../kit/signature.ts';
import { authorization } from '../kit/verify/credentials.ts';
import { keyIdOf, verifyKeyToken } from '../kit/verify/jwt.ts';
import { teamsActivity } from './schema.ts';

/**
 * Bot Framework's service to bot authentication.
 * Source: https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-authentication
 * and microsoft/botbuilder-js, libraries/botframework-connector/src/auth.
 */

const metadataUrl = 'https://login.botframework.com/v1/.well-known/openidconfiguration';
const issuer = 'https://api.botframework.com';
const toleranceSeconds = 300;

/** How old keys may be when one is missing: a stranger who invents key ids causes a fetch in so long. */
const maxAgeWhenMissingMs = 300_000;

type Channel = ProviderChannel<Record<string, string[]>, { appId: string }>;

/**
 * `Authorization: Bearer <JWT>`, RS256, for our app alone. It binds the request to the service it
 * came from, and its key to the kind of channel; the rest of the body it does not cover.
 */
export async function verifyTeams(
  request: WebhookRequest,
  channel: Channel,
  context: { now: Date; published: Published },
): Promise<Verdict> {
  const given = authorization(request.headers, 'bearer');
  if ('refusal' in given) return given.refusal;
  const kid = keyIdOf(given.credentials);
  if (kid === undefined) return refused('bad_token');
  const key = await findKey(kid, context.published);
  if (!key) return refused('bad_signature');
  const token = await verifyKeyToken(given.credentials, key.jwk, {
    algorithms: ['RS256'],
    issuer,
    audience: channel.settings.appId,
    required: ['exp', 'nbf'],
    now: context.now,
    toleranceSeconds,
  });
  if ('refusal' in token) return token.refusal;

  const source = readSource(request.body);
  if (!source) return refused('bad_body');
  // The SDK reads the claim in lower case, the documentation writes it as the activity does.
  const claim = token.claims['serviceurl'] ?? token.claims['serviceUrl'];
  if (typeof claim !== 'string' || bare(claim) !== bare(source.serviceUrl)) return refused('bad_token');
  return key.endorsements.includes(source.channelId) ? accepted : refused('bad_token');
}

function bare(url: string): string {
  return url.endsWith('/') ? url.slice(0, -1) : url;
}

/** The fields of the body that the token is compared with. */
function readSource(body: Uint8Array): { serviceUrl: string; channelId: string } | undefined {
  try {
    const { serviceUrl, channelId } = teamsActivity.parse(readJson(body));
    return serviceUrl && channelId ? { serviceUrl, channelId } : undefined;
  } catch {
    return undefined;
  }
}

interface SigningKey {
  readonly jwk: JWK;
  /** The kinds of channel that may be spoken for with it: `msteams` and so on. */
  readonly endorsements: readonly string[];
}

/** Keys are rolled: one that is not among those remembered is looked for anew. */
async function findKey(kid: string, published: Published): Promise<SigningKey | undefined> {
  const find = async (options?: { maxAgeMs: number }): Promise<SigningKey | undefined> =>
    (await readKeys(published, options)).find(({ jwk }) => jwk.kid === kid);
  return (await find()) ?? (await find({ maxAgeMs: maxAgeWhenMissingMs }));
}

const metadata = z.object({ jwks_uri: z.string().refine((url) => isHostOf(url, ['login.botframework.com'])) });
const keySet = z.object({ keys: z.array(z.unknown()) });
const signingKey = z.looseObject({
  kty: z.literal('RSA'),
  kid: z.string(),
  n: z.string(),
  e: z.string(),
  endorsements: z.array(z.string()).catch([]),
});

async function readKeys(published: Published, options?: { maxAgeMs: number }): Promise<SigningKey[]> {
  const { jwks_uri: url } = readPublished(metadata, metadataUrl, await published(metadataUrl, options));
  const { keys } = readPublished(keySet, url, await published(url, options));
  return keys.flatMap((entry) => {
    const key = signingKey.safeParse(entry).data;
    if (!key) return [];
    const { kty, kid, n, e, endorsements } = key;
    return [{ jwk: { kty, kid, n, e }, endorsements }];
  });
}

/** What is published and unreadable is nobody's fault who posts here: the request may come again. */
function readPublished<T>(schema: z.ZodType<T>, url: string, text: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new RetryableError('not_published', `${url} is not what it should be`, { cause });
  }
}

import { z } from 'zod';
import { channelKinds, type ChannelKind } from './lib/channel-kinds.ts';

/**
 * One webhook request as the provider sent it.
 *
 * `url` is the public URL, query included: some providers sign it. `headers` are the standard
 * `Headers`: a header that was sent twice reads as one value joined with ", ", so a verifier reads
 * through `soleHeader` of the signature kit, which refuses joined values. `body` is the raw bytes.
 */
export interface WebhookRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** Why a request was refused. Stable: users alert on these words. */
export type RejectReason =
  | 'missing_signature'
  | 'bad_signature'
  | 'duplicate_header'
  | 'missing_timestamp'
  | 'bad_timestamp'
  | 'stale_timestamp'
  | 'missing_id'
  | 'bad_body'
  /** Basic, bearer and the like: no credentials, or wrong ones. */
  | 'missing_credentials'
  | 'bad_credentials'
  /** A signed token whose issuer, audience or claims are not ours. */
  | 'bad_token'
  /** The sender's IP address is not one of those that may post here. */
  | 'address_not_allowed'
  /** The channel was made before its secret, which is still to be entered. */
  | 'no_secret';

export type Verdict = { readonly ok: true } | { readonly ok: false; readonly reason: RejectReason };

/** An HTTP answer, as plain data so that it is the same in Node and in workerd. */
export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/**
 * A reference to a file that came with a message; never the bytes. Those that came inside the
 * request are stored once, with the event; `Provider.fetchAttachment` gets either kind.
 */
export const attachment = z.object({
  /** File name as the sender gave it, or null. */
  name: z.string().nullable(),
  /** Media type, such as `image/png`, or null where the provider does not say. */
  contentType: z.string().nullable(),
  /** Bytes, or null where the provider does not say. */
  size: z.int().nonnegative().nullable(),
  /** Where the provider serves the bytes, often behind the channel's credentials. */
  url: z.string().nullable(),
  /** The provider's id of the file; for a MIME part its index in the raw message (`part:0`). */
  providerId: z.string().nullable(),
});
export type Attachment = z.infer<typeof attachment>;

/** One normalised message. What `parse` returns always passes this schema. */
export const parsedMessage = z.object({
  channel: z.enum(channelKinds),
  /** Who wrote it: e-mail lower-cased, phone number E.164, Slack `TEAM:USER`. */
  externalIdentity: z.string().min(1),
  displayName: z.string().nullable(),
  /** The address it was written to, as endpoints carry it; null where the provider has none. */
  recipient: z.string().nullable(),
  text: z.string().nullable(),
  /** The provider's id of the message. */
  channelMessageId: z.string().nullable(),
  /** The conversation at the provider: a thread, a mail thread, a pair of numbers. */
  channelThreadId: z.string().nullable(),
  attachments: z.array(attachment),
  /** What else of the provider's fields is worth keeping; a flat-ish JSON object. */
  channelMetadata: z.record(z.string(), z.json()),
  /** When it was sent, by the provider's clock. */
  sentAt: z.date().nullable(),
  /** Whether the provider vouches for the sender (not: whether the request was signed). */
  vouched: z.boolean(),
  /**
   * What makes this the same message when it comes again, unique within the channel. Where the
   * provider's id is not covered by the signature, a hash of the signed content belongs into it.
   */
  dedupeKey: z.string().min(1),
});
export type ParsedMessage = z.infer<typeof parsedMessage>;

/** Something in the request that is authentic and deliberately no message. */
export interface Ignored {
  /** Stable snake_case word, such as `bot_message` or `unknown_type`. */
  readonly reason: string;
}

export interface Parsed {
  /** The provider's id of this delivery (not of the message), for people who compare logs. */
  readonly deliveryId: string | null;
  readonly messages: readonly ParsedMessage[];
  readonly ignored: readonly Ignored[];
}

/** The part of a channel that a provider sees. Every secret is a list, newest first: rotation. */
export interface ProviderChannel<Secrets, Settings> {
  readonly secrets: Secrets;
  readonly settings: Settings;
}

/** A provider's secret: one string, or several that are live side by side while rotating. */
export function secretList(description: string) {
  return z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1).max(8)])
    .transform((value) => (typeof value === 'string' ? [value] : value))
    .describe(description);
}

/**
 * A provider's secret that Postroom can do without, such as the API token that attachments are
 * fetched with. Absent, it is an empty list.
 */
export function optionalSecretList(description: string) {
  return secretList(description).default([]);
}

/**
 * The text of a document that a provider publishes: its signing keys, a certificate. It is
 * remembered for `maxAgeMs` (a day where absent), by its URL, for every channel together.
 *
 * @throws RetryableError where it cannot be had; the request is then answered 503.
 */
export type Published = (url: string, options?: { readonly maxAgeMs?: number }) => Promise<string>;

/** A call out, through the guard that reaches no private address. Redirects are not followed. */
export type ProviderFetch = (
  url: string,
  request?: {
    readonly method?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
  },
) => Promise<{ readonly status: number; readonly headers: Headers; readonly body: Uint8Array }>;

export interface VerifyContext {
  readonly now: Date;
  readonly published: Published;
  /** The IP address it came from, past the proxies that are trusted; null where nobody knows. */
  readonly clientAddress: string | null;
}

export interface HandshakeContext {
  readonly now: Date;
  /** What `verify` said. */
  readonly verified: boolean;
  readonly fetch: ProviderFetch;
}

export interface AttachmentContext {
  readonly now: Date;
  /** The request that brought the message, as it is stored: inline bytes are in its body. */
  readonly event: WebhookRequest;
  readonly fetch: ProviderFetch;
}

/** The bytes of an attachment. */
export interface FetchedFile {
  readonly body: Uint8Array;
  readonly contentType: string | null;
}

/** What a person has to do at the provider; `GET /api/v1/providers` shows it. */
export interface Setup {
  /** Steps in the provider's own words for its menus; `{ingestUrl}` stands for the channel's URL. */
  readonly steps: readonly string[];
  /** What an endpoint's address is on this provider, with an example. */
  readonly address: string;
}

export interface Provider<
  Secrets extends z.ZodType<Record<string, string[]>> = z.ZodType<Record<string, string[]>>,
  Settings extends z.ZodType<Record<string, unknown>> = z.ZodType<Record<string, unknown>>,
> {
  /** kebab-case; the folder's name. */
  readonly name: string;
  readonly kind: ChannelKind;
  readonly title: string;
  readonly secrets: Secrets;
  readonly settings: Settings;
  readonly setup: Setup;
  /** Largest request body in bytes; 1 MiB where absent. */
  readonly maxBodyBytes?: number;
  /** HTTP methods it posts with; `POST` alone where absent. */
  readonly methods?: readonly string[];

  /** Headers (lower case) that carry a secret itself: their values are not kept with the event. */
  readonly credentialHeaders?: readonly string[];

  /** A new secret, for providers whose secret is ours to make. */
  newSecret?(): string;

  /**
   * Checks the signature on the raw bytes, in constant time. Never throws on bad input; where keys
   * that it needs cannot be had now, the `RetryableError` of `published` passes.
   */
  verify(
    request: WebhookRequest,
    channel: ProviderChannel<z.output<Secrets>, z.output<Settings>>,
    context: VerifyContext,
  ): Verdict | Promise<Verdict>;

  /**
   * Answers a provider's challenge, or returns undefined. Called after `verify` with its outcome,
   * because some challenges are signed and some are not. Nothing is stored for a request it answers.
   */
  handshake?(
    request: WebhookRequest,
    channel: ProviderChannel<z.output<Secrets>, z.output<Settings>>,
    context: HandshakeContext,
  ): Reply | undefined | Promise<Reply | undefined>;

  /**
   * Turns a verified request into messages. A throw means that we cannot read it: the event is
   * stored as `unparsed` with the error's message and still answered 2xx.
   */
  parse(
    request: WebhookRequest,
    channel: ProviderChannel<z.output<Secrets>, z.output<Settings>>,
  ): Parsed | Promise<Parsed>;

  /** The 2xx this provider expects; 200 with `{"ok":true}` where absent. */
  acknowledge?(request: WebhookRequest, channel: ProviderChannel<z.output<Secrets>, z.output<Settings>>): Reply;

  /**
   * Gets an attachment's bytes, out of the stored event or from the provider with the channel's
   * credentials: long after the request was answered.
   *
   * @throws PermanentError where they cannot be had any more, or not with what the channel has.
   * @throws RetryableError where a later try may succeed.
   */
  fetchAttachment?(
    attachment: Attachment,
    channel: ProviderChannel<z.output<Secrets>, z.output<Settings>>,
    context: AttachmentContext,
  ): Promise<FetchedFile>;
}

/**
 * Declares a provider. The types of `secrets` and `settings` reach `verify` and `parse`, so a
 * provider never casts.
 */
export function defineProvider<
  Secrets extends z.ZodType<Record<string, string[]>>,
  Settings extends z.ZodType<Record<string, unknown>>,
>(provider: Provider<Secrets, Settings>): Provider {
  return provider;
}

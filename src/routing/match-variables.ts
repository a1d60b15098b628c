import type { ChannelKind } from '../lib/channel-kinds.ts';
import type { TrustLevel } from './trust.ts';
import { allowanceKey, type Allowance } from './match-cost.ts';

/** The parts of a message that a match can ask about. */
export interface MatchableMessage {
  readonly channel: ChannelKind;
  readonly externalIdentity: string;
  readonly displayName: string | null;
  readonly recipient: string | null;
  readonly text: string | null;
  readonly channelMessageId: string | null;
  readonly channelThreadId: string | null;
  readonly attachments: readonly unknown[];
  readonly channelMetadata: Readonly<Record<string, unknown>>;
  readonly vouched: boolean;
}

/** A match sees this many characters of a text, which is some ten pages. */
const visibleText = 32_768;
/** What lies deeper within metadata reads as null. */
const visibleDepth = 64;

/** `message.attachments[i]` in a match. Strings are `''` and the size is null where unknown. */
export class MatchAttachment {
  static readonly fields = { name: 'string', contentType: 'string', size: 'dyn' };
  readonly name: string;
  readonly contentType: string;
  readonly size: bigint | null;

  constructor(attachment: unknown) {
    const { name, contentType, size } = (attachment ?? {}) as Record<string, unknown>;
    this.name = typeof name === 'string' ? name : '';
    this.contentType = typeof contentType === 'string' ? contentType : '';
    this.size = typeof size === 'number' && Number.isSafeInteger(size) ? BigInt(size) : null;
  }
}

/** `message` in a match. A string is `''` where the message has none. */
export class MatchMessage {
  static readonly fields = {
    text: 'string',
    channel: 'string',
    sender: 'string',
    displayName: 'string',
    recipient: 'string',
    threadId: 'string',
    messageId: 'string',
    vouched: 'bool',
    metadata: 'map',
    attachments: 'list<Attachment>',
  };
  readonly text: string;
  readonly channel: string;
  readonly sender: string;
  readonly displayName: string;
  readonly recipient: string;
  readonly threadId: string;
  readonly messageId: string;
  readonly vouched: boolean;
  readonly #message: MatchableMessage;
  #metadata: unknown;
  #attachments: readonly MatchAttachment[] | undefined;

  constructor(message: MatchableMessage) {
    this.text = (message.text ?? '').slice(0, visibleText);
    this.channel = message.channel;
    this.sender = message.externalIdentity;
    this.displayName = message.displayName ?? '';
    this.recipient = message.recipient ?? '';
    this.threadId = message.channelThreadId ?? '';
    this.messageId = message.channelMessageId ?? '';
    this.vouched = message.vouched;
    this.#message = message;
  }

  // Made when first asked for: most matches read neither.
  get metadata(): unknown {
    return (this.#metadata ??= toCel(this.#message.channelMetadata, visibleDepth));
  }

  get attachments(): readonly MatchAttachment[] {
    return (this.#attachments ??= this.#message.attachments.map((item) => new MatchAttachment(item)));
  }
}

/**
 * JSON as CEL values. Objects become Maps, for the library takes an object with a key named
 * `constructor` for an instance of a class it does not know, and a sender could make a match fail.
 */
function toCel(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth === 0) return null;
  if (Array.isArray(value)) return value.map((item) => toCel(item, depth - 1));
  const map = new Map<string, unknown>();
  for (const [key, item] of Object.entries(value)) if (item !== undefined) map.set(key, toCel(item, depth - 1));
  return map;
}

/** What the expressions asked about one message see, and what they may still spend together. */
export class MatchScope {
  readonly message: MatchMessage;
  readonly trust: TrustLevel;
  readonly user: string;
  readonly [allowanceKey]: Allowance = { units: 0 };
  /** Units left for all the matches of this message, 100 ns each. */
  unitsLeft = 2_000_000;

  constructor(message: MatchableMessage, trust: TrustLevel, userId: string | null) {
    this.message = new MatchMessage(message);
    this.trust = trust;
    this.user = userId ?? '';
  }

  get text(): string {
    return this.message.text;
  }
  get sender(): string {
    return this.message.sender;
  }
  get metadata(): unknown {
    return this.message.metadata;
  }
}

/**
 * Posts each mail that Cloudflare Email Routing receives to a Postroom channel with the provider
 * `mime`, signed by Standard Webhooks. It needs nothing but Web Crypto, so it is deployed as it is.
 * Source: https://developers.cloudflare.com/email-routing/email-workers/runtime-api/
 */
interface Env {
  /** The channel's ingest URL. */
  readonly POSTROOM_URL: string;
  /** The channel's secret, `whsec_…`. */
  readonly POSTROOM_SECRET: string;
}

/** What is used of Cloudflare's `ForwardableEmailMessage`. */
interface EmailMessage {
  readonly from: string;
  readonly to: string;
  readonly raw: ReadableStream<Uint8Array>;
}

/** How Cloudflare's Authentication-Results begins, and what its Received says. */
const ownResults = /^\s*mx\.cloudflare\.net\s*;/i;
const receivedByCloudflare = /\bby cloudflare-email\.(?:net|com)\b/i;

/** The fields that Cloudflare puts on top of a mail besides its Received. */
const trace = /^(?:arc-(?:seal|message-signature|authentication-results)|authentication-results|received-spf|x-cf-.*)$/;

const timeoutMs = 25_000;

// oxlint-disable-next-line import/no-default-export -- that is where Workers have their handlers
export default {
  /** Throws where the mail did not arrive: Cloudflare answers with a temporary failure, the sender tries again. */
  async email(message: EmailMessage, env: Env): Promise<void> {
    const mail = await readAll(message.raw);
    const { headers, body } = await sign(env.POSTROOM_SECRET, [
      envelopeFields(message),
      ...withoutForeignResults(mail),
    ]);
    const answer = await fetch(env.POSTROOM_URL, {
      method: 'POST',
      headers: { 'content-type': 'message/rfc822', ...headers },
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (!answer.ok) throw new Error(`Postroom answers ${answer.status}`);
  },
};

/** The envelope goes into the message, because that is what is signed. */
function envelopeFields({ from, to }: EmailMessage): Uint8Array {
  const oneLine = (address: string): string => address.replace(/[\r\n<>]/g, '').trim();
  return new TextEncoder().encode(`X-Original-To: <${oneLine(to)}>\r\nReturn-Path: <${oneLine(from)}>\r\n`);
}

/**
 * The body and the headers that sign it. What is signed is laid out once, with the body as its end: a
 * Worker has 128 MB, and a mail up to 25. Source: https://www.standardwebhooks.com
 */
async function sign(
  secret: string,
  parts: readonly Uint8Array[],
): Promise<{ headers: Record<string, string>; body: Uint8Array<ArrayBuffer> }> {
  const id = `msg_${crypto.randomUUID()}`;
  const timestamp = String(Math.floor(Date.now() / 1000));
  const prefix = new TextEncoder().encode(`${id}.${timestamp}.`);
  const signed = join([prefix, ...parts]);
  const secretBytes = Uint8Array.from(atob(secret.replace(/^whsec_/, '')), (char) => char.charCodeAt(0));
  const key = await crypto.subtle.importKey('raw', secretBytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const mac = new Uint8Array(await crypto.subtle.sign('HMAC', key, signed));
  const headers = {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${btoa(String.fromCharCode(...mac))}`,
  };
  return { headers, body: signed.subarray(prefix.length) };
}

interface Field {
  /** Lower-case. */
  readonly name: string;
  readonly value: string;
  readonly start: number;
  /** Behind its last line, continuation lines included. */
  readonly end: number;
}

/**
 * The mail in pieces, without any Authentication-Results but Cloudflare's own: those came with the
 * mail, and may say what they like under any name.
 */
function withoutForeignResults(mail: Uint8Array): Uint8Array[] {
  const fields = readFields(mail);
  const own = findOwnResults(fields);
  const foreign = fields.filter((field) => field.name === 'authentication-results' && field !== own);
  const starts = [0, ...foreign.map(({ end }) => end)];
  return starts.map((start, index) => mail.subarray(start, foreign[index]?.start));
}

/** Cloudflare's own stands among the fields that it has put on top, which begin with its Received. */
function findOwnResults([received, ...rest]: readonly Field[]): Field | undefined {
  if (received?.name !== 'received' || !receivedByCloudflare.test(received.value)) return undefined;
  const others = rest.findIndex(({ name }) => !trace.test(name));
  const onTop = rest.slice(0, others === -1 ? rest.length : others);
  const first = onTop.find(({ name }) => name === 'authentication-results');
  return first && ownResults.test(first.value) ? first : undefined;
}

/** The header's fields, by their bytes: a mail may hold bytes of any charset, which stay as they are. */
function readFields(mail: Uint8Array): Field[] {
  const fields: Field[] = [];
  let start = 0;
  while (start < mail.length) {
    const end = endOfField(mail, start);
    const text = new TextDecoder('latin1').decode(mail.subarray(start, end));
    if (/^\r*\n/.test(text)) break;
    const colon = text.indexOf(':');
    fields.push({
      name: text.slice(0, Math.max(colon, 0)).trim().toLowerCase(),
      value: text.slice(colon + 1),
      start,
      end,
    });
    start = end;
  }
  return fields;
}

/** Behind the line end after which the next line does not begin with white space. */
function endOfField(mail: Uint8Array, start: number): number {
  for (let lineEnd = mail.indexOf(0x0a, start); lineEnd !== -1; lineEnd = mail.indexOf(0x0a, lineEnd + 1)) {
    const next = mail[lineEnd + 1];
    if (next !== 0x20 && next !== 0x09) return lineEnd + 1;
  }
  return mail.length;
}

async function readAll(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

import { randomUUID } from 'node:crypto';
import { newWebhookSecret, webhookHeaders } from '../src/lib/standard-webhooks.ts';

/** What all servers under test are told to verify with. */
export const secret = newWebhookSecret();

/** Signatures are good for 300 s; requests that lie longer than this are signed anew. */
const freshMs = 120_000;
const bodyBytes = 1_200;

/** Requests signed beforehand, each with an id of its own, ready to be written to a socket. */
export interface RequestPool {
  /** Makes sure that so many are ready. 15 µs each, and none of that while something is measured. */
  fill(count: number): void;
  /** One request, addressed to a channel; undefined where none is left. */
  next(channelId: string): Buffer | undefined;
}

export function createRequestPool(signingSecret: string): RequestPool {
  const run = randomUUID().slice(0, 8);
  let serial = 0;
  let ready: Buffer[] = [];
  let oldest = 0;
  return {
    fill(count) {
      if (Date.now() - oldest > freshMs) {
        ready = [];
        oldest = Date.now();
      }
      while (ready.length < count) ready.push(buildRequest(signingSecret, `msg_${run}_${serial++}`));
    },
    next(channelId) {
      const request = ready.pop();
      // The signature does not cover the path: the address is put in when it is known.
      request?.write(channelId, pathStart, 'latin1');
      return request;
    },
  };
}

const pathStart = 'POST /in/'.length;
const placeholder = '0'.repeat(36);

function buildRequest(signingSecret: string, id: string): Buffer {
  const body = buildBody(id);
  const signed = webhookHeaders([signingSecret], id, Math.floor(Date.now() / 1000), body);
  const head = [
    `POST /in/${placeholder} HTTP/1.1`,
    'host: hooks.example.com',
    'user-agent: example-webhooks/1.0',
    'accept: */*',
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    ...Object.entries(signed).map(([name, value]) => `${name}: ${value}`),
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`);
}

/** An order's message as shops send it, filled up to the size. */
function buildBody(id: string): string {
  const body = {
    type: 'message.created',
    timestamp: new Date().toISOString(),
    data: {
      id,
      from: 'customer-4711@example.com',
      to: 'orders',
      thread: `order-${id.length}`,
      displayName: 'Ada Example',
      message: 'Could you tell me when my order will be sent? I have moved, and the address is an old one. ',
      order: { number: 'A-2026-000417', currency: 'EUR', total: 129.9, items: [{ sku: 'TEA-01', quantity: 2 }] },
      notes: '',
    },
  };
  const missing = bodyBytes - JSON.stringify(body).length;
  body.data.notes = 'Tea, two tins, to be left with the neighbour. '.repeat(30).slice(0, missing);
  return JSON.stringify(body);
}

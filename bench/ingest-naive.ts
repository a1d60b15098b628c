import { Hono } from 'hono';
import type { Arrival } from '../src/inbox/accept.ts';
import { newId } from '../src/lib/ids.ts';
import type { WebhookRequest } from '../src/provider.ts';
import { providers } from '../src/providers/index.ts';
import { jsonMessageSettings } from '../src/providers/kit/json-message/settings.ts';
import { listenAsChild } from './ingest-listen.ts';
import type { StandInOptions } from './ingest-processes.ts';
import { openNaiveStore } from './ingest-naive-store.ts';

/**
 * The naive way, well done: the same verifying and parsing in a plain Hono app, then the same rows in
 * one transaction of the request's own, on a pool of ten connections.
 */
const options = JSON.parse(process.argv[2] ?? '') as StandInOptions;

const store = await openNaiveStore(options);
const provider = providers.get('standard-webhooks');
if (!provider) throw new Error('there is no provider standard-webhooks');
const channel = { secrets: { secret: [options.secret] }, settings: jsonMessageSettings.parse({}) };
const tenantId = newId();

const app = new Hono();
app.post('/in/:channelId', async (c) => {
  if (c.req.param('channelId') !== options.channelId) return c.json({ ok: false }, 404);
  const receivedAt = new Date();
  const body = new Uint8Array(await c.req.arrayBuffer());
  const request: WebhookRequest = { method: c.req.method, url: c.req.url, headers: c.req.raw.headers, body };
  const verdict = await provider.verify(request, channel, {
    now: receivedAt,
    clientAddress: null,
    published: () => Promise.reject(new Error('nothing is published')),
  });
  if (!verdict.ok) return c.json({ ok: false }, 401);
  const parsed = await provider.parse(request, channel);
  const arrival: Arrival = {
    tenantId,
    channelId: options.channelId,
    provider: provider.name,
    receivedAt,
    method: request.method,
    url: request.url,
    headers: [...request.headers],
    body,
    deliveryId: parsed.deliveryId,
    messages: parsed.messages,
    ignored: parsed.ignored,
    unparsedReason: null,
  };
  await store(arrival);
  return c.json({ ok: true });
});
listenAsChild((request) => app.fetch(request));

import { createServer, type Server } from 'node:http';
import { Webhook } from 'standardwebhooks';

/** One request that a target got. */
export interface Received {
  readonly webhookId: string;
  /** Whether the official SDK accepted the signature. */
  readonly verified: boolean;
  readonly status: number;
  readonly type: string;
  readonly text: string | null;
}

/** A real HTTP server that plays a customer's target. */
export interface DemoTarget {
  readonly url: string;
  readonly received: readonly Received[];
  /** The secret that the API gave when the target was made. */
  secret: string;
  stop(): Promise<void>;
}

/** Starts a target. Of each message it answers the first `failures` tries with 503, then 200. */
export async function startTarget(failures: number): Promise<DemoTarget> {
  const received: Received[] = [];
  const target = { url: '', secret: '', received };
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      const webhookId = String(request.headers['webhook-id'] ?? '');
      const tries = received.filter((one) => one.webhookId === webhookId).length;
      const verified = isSigned(target.secret, body, request.headers as Record<string, string>);
      const status = verified ? (tries < failures ? 503 : 200) : 401;
      received.push({ webhookId, verified, status, ...readBody(body) });
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(status === 200 ? '{"ok":true}' : '{"ok":false}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the target has no port');
  return Object.assign(target, {
    url: `http://127.0.0.1:${address.port}/hook`,
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}

/** What the official SDK of Standard Webhooks says. */
function isSigned(secret: string, body: string, headers: Record<string, string>): boolean {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

function readBody(body: string): { type: string; text: string | null } {
  try {
    const { type, data } = JSON.parse(body) as { type: string; data: { message: { text: string | null } } };
    return { type, text: data.message.text };
  } catch {
    return { type: '', text: null };
  }
}

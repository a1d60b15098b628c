import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import { Webhook } from 'standardwebhooks';

/** One request that a target got. */
export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly body: any;
  readonly at: number;
}

/** A real HTTP server that plays a customer's target. */
export interface TestTarget {
  readonly url: string;
  readonly received: Received[];
  /** Decides the answers; 200 `{"ok":true}` unless set. */
  answer: (received: Received, response: ServerResponse) => void;
  /** Checks a request's signature with the official SDK; throws where it is wrong. */
  verify(received: Received, secret: string): void;
  stop(): Promise<void>;
}

export async function startTestTarget(): Promise<TestTarget> {
  const received: Received[] = [];
  const target: TestTarget = {
    url: '',
    received,
    answer: (_received, response) => response.setHeader('content-type', 'application/json').end('{"ok":true}'),
    verify({ text, headers }, secret) {
      new Webhook(secret).verify(text, headers as Record<string, string>);
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', () => {});
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString('utf8');
      const one: Received = { headers: request.headers, text, body: JSON.parse(text), at: Date.now() };
      received.push(one);
      target.answer(one, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the target has no port');
  return Object.assign(target, { url: `http://127.0.0.1:${address.port}/hook` });
}

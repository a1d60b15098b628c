import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { Webhook } from 'standardwebhooks';
import { z } from 'zod';

/**
 * `npm run receiver`: a target to try things out with. It prints each message that arrives and
 * answers 200; with a secret it checks the signature first, and answers 401 where it is wrong.
 */

const usage = `Usage:
  npm run receiver                              listens on http://127.0.0.1:9000
  npm run receiver -- --port 9001               on another port
  npm run receiver -- --secret whsec_…          checks signatures with the secret that the target got
`;

/** The parts of what a target receives that are printed. */
const incoming = z.object({
  type: z.string(),
  data: z.object({
    message: z.object({ externalIdentity: z.string(), channel: z.string(), text: z.string().nullable() }),
    identity: z.object({ trustLevel: z.string(), userId: z.string().nullable() }),
    delivery: z.object({ attempt: z.int() }),
  }),
});

function main(): void {
  const { port, secret } = readOptions();
  const webhook = secret === undefined ? undefined : new Webhook(secret);
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString('utf8');
      const isGenuine = !webhook || check(webhook, text, request.headers as Record<string, string>);
      process.stdout.write(isGenuine ? describe(text, webhook !== undefined) : 'refused: the signature is wrong\n\n');
      response.writeHead(isGenuine ? 200 : 401, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ ok: isGenuine }));
    });
  });
  server.on('error', (error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  });
  server.listen(port, '127.0.0.1', () => {
    const address = server.address();
    const bound = typeof address === 'object' && address !== null ? address.port : port;
    const checks = webhook ? 'signatures are checked' : 'signatures are not checked, no --secret was given';
    process.stdout.write(`Receiver listens on http://127.0.0.1:${bound}; ${checks}.\n\n`);
  });
}

function readOptions(): { port: number; secret: string | undefined } {
  const options = { port: { type: 'string', default: '9000' }, secret: { type: 'string' } } as const;
  const { port, secret } = parseArgs({ options }).values;
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) throw new Error('--port must be a number up to 65535');
  return { port: Number(port), secret };
}

function check(webhook: Webhook, text: string, headers: Record<string, string>): boolean {
  try {
    webhook.verify(text, headers);
    return true;
  } catch {
    return false;
  }
}

function describe(text: string, isVerified: boolean): string {
  const read = incoming.safeParse(parseJson(text));
  if (!read.success) return `something that is no message: ${text.slice(0, 200)}\n\n`;
  const { type, data } = read.data;
  const lines = [
    `${type}${isVerified ? ', signature verified' : ''}`,
    `  from    ${data.message.externalIdentity} (${data.message.channel})`,
    `  trust   ${data.identity.trustLevel}, user ${data.identity.userId ?? 'none'}`,
    `  text    ${JSON.stringify(data.message.text)}`,
    `  attempt ${data.delivery.attempt}`,
  ];
  return `${lines.join('\n')}\n\n`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

try {
  main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  process.exitCode = 1;
}

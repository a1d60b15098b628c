import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';

/** A server that speaks raw bytes: a target that keeps to no protocol. */
export interface RudeServer {
  readonly url: string;
  /** Requests that it got, as far as it read them. */
  readonly requests: () => number;
  /** What it could send, over all connections, in bytes. */
  readonly sent: () => number;
  stop(): Promise<void>;
}

/** Calls `behave` when a whole request's headers are in; `onConnect` at once. */
export interface Rudeness {
  readonly behave?: (socket: Socket) => void;
  readonly onConnect?: (socket: Socket) => void;
  /** Speaks TLS: without a certificate, or with one that nobody vouches for. */
  readonly tls?: { readonly key?: string; readonly cert?: string };
}

export async function startRudeServer({ behave, onConnect, tls }: Rudeness): Promise<RudeServer> {
  const open = new Set<Socket>();
  let requests = 0;
  let sent = 0;
  const onSocket = (socket: Socket): void => {
    open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => {
      sent += socket.bytesWritten;
      open.delete(socket);
    });
    onConnect?.(socket);
    socket.once('data', () => {
      requests += 1;
      behave?.(socket);
    });
  };
  const server: Server = tls ? createTlsServer(tls, onSocket) : createServer(onSocket);
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}/hook`,
    requests: () => requests,
    sent: () => [...open].reduce((sum, socket) => sum + socket.bytesWritten, sent),
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

/** A key and a certificate that signs itself, made by openssl; undefined where that is not installed. */
export function makeOwnCertificate(): { key: string; cert: string } | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'postroom-tls-'));
  try {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const asked = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=127.0.0.1'];
    const { status } = spawnSync('openssl', ['req', ...asked, '-keyout', key, '-out', cert], { stdio: 'ignore' });
    return status === 0 ? { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') } : undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

import { serve } from '@hono/node-server';

/** Serves on a free port, tells the parent process which, and ends with it. */
export function listenAsChild(fetch: (request: Request) => Response | Promise<Response>): void {
  serve({ fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => process.send?.({ port }));
  process.on('disconnect', () => process.exit());
  process.on('SIGTERM', () => process.exit());
}

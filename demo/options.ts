import { parseArgs } from 'node:util';

/** A server that runs already, or undefined: the demo starts one of its own. */
export interface DemoOptions {
  readonly server: { readonly url: string; readonly token: string } | undefined;
}

export const demoUsage = `Usage:
  npm run demo                                                on a server of its own, in a temporary folder
  npm run demo -- --url http://127.0.0.1:8080 --token prt_…   against the running server

The token may also come as POSTROOM_ADMIN_TOKEN. The server must run on this machine and be started
with ALLOW_PRIVATE_TARGETS=127.0.0.0/8, because the demo's targets are here.
`;

/** Something the user can put right; it is printed without a stack. */
export class DemoError extends Error {}

/** Reads the command line. @throws DemoError where it makes no sense. */
export function readOptions(args: readonly string[], env: Readonly<Record<string, string | undefined>>): DemoOptions {
  const { url, token = env['POSTROOM_ADMIN_TOKEN'] } = parse(args);
  if (url === undefined) return { server: undefined };
  if (!/^https?:\/\/[^/]+/.test(url)) throw new DemoError(`--url must be an http or https URL, and is ${url}`);
  if (!token) throw new DemoError(`--url needs a token as well.\n\n${demoUsage}`);
  return { server: { url: url.replace(/\/+$/, ''), token } };
}

function parse(args: readonly string[]): { url?: string | undefined; token?: string | undefined } {
  try {
    return parseArgs({ args: [...args], options: { url: { type: 'string' }, token: { type: 'string' } } }).values;
  } catch (error) {
    throw new DemoError(`${error instanceof Error ? error.message : String(error)}\n\n${demoUsage}`);
  }
}

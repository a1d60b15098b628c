import { pino } from 'pino';
import { createTenant, listTenants } from '../access/tenants.ts';
import { createToken } from '../access/tokens.ts';
import { ConfigError, parseConfig } from '../config.ts';
import type { DatabaseHandle } from '../db/client.ts';
import { messageOf } from '../lib/errors.ts';
import { openDatabase } from './open-database.ts';

/** What is done at the database itself, because the API acts within one tenant. */
const usage = `Usage:
  npm run tenant -- create "Acme"   makes a tenant and an admin token for it, shown this once
  npm run tenant -- list            lists the tenants

Uses the database that npm start uses: DATABASE_URL, or the embedded one in DATA_DIR.
`;

class UsageError extends Error {}

/** One command; returns what it says. Commands are checked before the database is opened. */
type Command = (database: DatabaseHandle) => Promise<string>;

function readCommand(words: readonly string[]): Command {
  const [area, verb, ...rest] = words;
  if (area !== 'tenant') throw new UsageError(`unknown command: ${area ?? '(none)'}`);
  if (verb === 'list' && rest.length === 0) return showTenants;
  if (verb === 'create') {
    const name = rest.join(' ').trim();
    if (name === '' || name.length > 200) throw new UsageError('a tenant needs a name of 1 to 200 characters');
    return (database) => makeTenant(database, name);
  }
  throw new UsageError(`unknown command: tenant ${verb ?? '(none)'}`);
}

async function makeTenant({ db }: DatabaseHandle, name: string): Promise<string> {
  const { id, text } = await db.transaction().execute(async (trx) => {
    const tenantId = await createTenant(trx, name);
    const { text: token } = await createToken(trx, tenantId, { name: 'first admin token', scope: 'admin' });
    return { id: tenantId, text: token };
  });
  return `Tenant ${id}  ${name}\nAdmin token (shown this once, stored hashed):\n  ${text}\n`;
}

async function showTenants({ db }: DatabaseHandle): Promise<string> {
  const tenants = await listTenants(db);
  if (tenants.length === 0) return 'No tenants yet; npm start makes the first one.\n';
  return tenants.map(({ id, name, createdAt }) => `${id}  ${createdAt.toISOString()}  ${name}\n`).join('');
}

async function main(): Promise<void> {
  const command = readCommand(process.argv.slice(2));
  const config = parseConfig(process.env);
  // Warnings go to stderr, so that stdout holds the answer and nothing else.
  const logger = pino({ level: config.logLevel === 'silent' ? 'silent' : 'warn', base: null }, pino.destination(2));
  const database = await openDatabase(config, logger);
  try {
    process.stdout.write(await command(database));
  } finally {
    await database.close();
  }
}

main().catch((error: unknown) => {
  const isUsage = error instanceof UsageError;
  const prefix = error instanceof ConfigError ? 'The configuration is wrong:\n' : '';
  process.stderr.write(`${prefix}${messageOf(error)}\n${isUsage ? `\n${usage}` : ''}`);
  process.exitCode = 1;
});

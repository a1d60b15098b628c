import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { describe, expect, inject, it } from 'vitest';
import { signStandardWebhook } from '../../demo/sign.ts';
import { newWebhookSecret } from '../../src/lib/standard-webhooks.ts';
import { killServers, startServer } from '../crash/server.ts';
import { eventually } from '../support/test-app.ts';
import { startTestTarget } from '../support/test-target.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** The last commit before a migration: what people run who upgrade over it. */
const versions = [
  { before: '9ebbcb7', brings: '0002_outbox' },
  { before: '663a968', brings: '0003_lean_outbox' },
  { before: '5132698', brings: '0004_room_for_versions' },
];

function hasCommit(before: string): boolean {
  try {
    execFileSync('git', ['cat-file', '-e', `${before}^{commit}`], { cwd: root, stdio: 'ignore' });
    return true;
  } catch {
    return false; // A checkout without history.
  }
}

/**
 * The tree of that commit in a folder of its own, with the packages of this one: what only an earlier
 * version needs (p-queue) is a devDependency for that.
 */
function checkOut(before: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'postroom-before-'));
  const archive = execFileSync('git', ['archive', before, 'src', 'handlers', 'migrations', 'package.json'], {
    cwd: root,
    maxBuffer: 64 * 1024 * 1024,
  });
  execFileSync('tar', ['-x', '-C', folder], { input: archive });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

describe.runIf(process.env['TEST_DATABASE_URL'] && versions.every(({ before }) => hasCommit(before)))(
  'an upgrade',
  () => {
    it.each(versions)(
      'over $brings while it runs: old and new side by side, and no message lost',
      async ({ before, brings }) => {
        const template = inject('postgresTemplate');
        if (!template) throw new Error('TEST_DATABASE_URL is not set');
        const name = `postroom_upgrade_${process.pid}_${before}`;
        const admin = new pg.Client({ connectionString: template.adminUrl });
        await admin.connect();
        await admin.query(`create database ${name}`);
        const databaseUrl = new URL(template.adminUrl);
        databaseUrl.pathname = `/${name}`;
        const folder = checkOut(before);
        const target = await startTestTarget();
        const token = `upgrade-${randomUUID()}`;
        const env = {
          DATABASE_URL: databaseUrl.href,
          POSTROOM_SECRET_KEY: Buffer.alloc(32, 5).toString('base64'),
          POSTROOM_ADMIN_TOKEN: token,
          ALLOW_PRIVATE_TARGETS: '127.0.0.0/8',
          LEASE_SECONDS: '5',
        };
        try {
          const old = startServer(env, folder);
          const { url: oldUrl } = await old.listening;
          const call = async (path: string, body: unknown): Promise<any> => {
            const answer = await fetch(`${oldUrl}/api/v1${path}`, {
              method: 'POST',
              headers: { 'x-api-key': token, 'content-type': 'application/json' },
              body: JSON.stringify(body),
            });
            expect(answer.status).toBe(201);
            return await answer.json();
          };
          const secret = newWebhookSecret();
          const made = await call('/targets', { kind: 'http', name: 't', url: target.url });
          const channel = await call('/channels', { provider: 'standard-webhooks', name: 'w', secrets: { secret } });
          await call('/communications/routes', { channelId: channel.id, targetId: made.id });

          // Senders that do what providers do: what is not acknowledged is sent again, to whoever is there.
          const homes = [oldUrl];
          const acknowledged: string[] = [];
          let refusals = 0;
          let isOver = false;
          const sender = async (): Promise<void> => {
            while (!isOver) {
              const id = `msg_${randomUUID()}`;
              const body = JSON.stringify({ sender: 'ada', text: 'x', id });
              for (let attempt = 0; !acknowledged.includes(id); attempt += 1) {
                const home = homes[(acknowledged.length + attempt) % homes.length];
                const signed = signStandardWebhook({ secret, id, body, now: new Date() });
                const answer = await fetch(`${home}/in/${channel.id}`, {
                  method: 'POST',
                  headers: signed.headers,
                  body,
                }).catch(() => undefined);
                if (answer?.status === 200) acknowledged.push(id);
                else {
                  refusals += 1;
                  await new Promise((resolve) => setTimeout(resolve, 20));
                }
              }
            }
          };
          const senders = Array.from({ length: 6 }, sender);
          const enough = (count: number) =>
            eventually(`${count} messages`, async () => acknowledged.length >= count || undefined, 30_000);
          await enough(100);

          const next = startServer(env);
          homes.push((await next.listening).url);
          await enough(acknowledged.length + 300);
          homes.shift();
          expect((await old.terminate()).fault).toBeUndefined();
          await enough(acknowledged.length + 200);
          isOver = true;
          await Promise.all(senders);

          await eventually(
            'everything to reach the target',
            async () => {
              const there = new Set(target.received.map((one) => one.body.data.message.channelMessageId));
              return acknowledged.every((id) => there.has(id)) || undefined;
            },
            30_000,
          );
          const client = new pg.Client({ connectionString: databaseUrl.href });
          await client.connect();
          const { rows } = await client.query<{ id: string }>('select channel_message_id as id from inbound_messages');
          const migrated = await client.query('select name from kysely_migration order by name');
          await client.end();
          expect(rows.map((row) => row.id).toSorted()).toEqual(acknowledged.toSorted());
          expect(migrated.rows.map((row: { name: string }) => row.name)).toContain(brings);
          expect((await next.terminate()).fault).toBeUndefined();
          // What was refused meanwhile was sent again; it says how much an upgrade is felt.
          expect(refusals).toBeLessThan(acknowledged.length);
        } finally {
          await killServers();
          await target.stop();
          rmSync(folder, { recursive: true, force: true });
          await admin.query(`drop database if exists ${name} with (force)`);
          await admin.end();
        }
      },
      120_000,
    );
  },
);

import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import pg from 'pg';
import { describe, expect, inject, it } from 'vitest';
import { ensureFirstAdmin } from '../../src/access/tenants.ts';
import { openPostgres } from '../../src/db/client.ts';
import { migrateToLatest } from '../../src/db/migrate.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { openTestDatabase } from '../support/databases.ts';
import { createWebhookChannel, messageWith, postEvent } from '../support/story.ts';
import { startTestApp } from '../support/test-app.ts';
import { startTestTarget } from '../support/test-target.ts';

describe.runIf(process.env['TEST_DATABASE_URL'])('several processes on one PostgreSQL', () => {
  it('one that takes in wakes one that works: nobody waits for the next poll', async () => {
    const database = await openTestDatabase('postgres');
    const secretKey = Buffer.alloc(32, 3).toString('base64');
    // Polls once in five minutes, so that only a notice can be what wakes it.
    const rarely = { overrides: { pollMs: 300_000 }, secretKey };
    const ingest = await startTestApp(database, { env: { ROLE: 'ingest' }, ...rarely });
    const worker = await startTestApp(database.another(), { env: { ROLE: 'worker' }, ...rarely });
    const target = await startTestTarget();
    try {
      const made = await ingest.client.post('/api/v1/targets', { kind: 'http', name: 't', url: target.url });
      const channel = await createWebhookChannel(ingest.client);
      await ingest.client.post('/api/v1/communications/routes', { channelId: channel.id, targetId: made.id });
      for (let round = 0; round < 3; round += 1) {
        const id = `msg_${randomUUID()}`;
        await postEvent(channel, { sender: 'ada' }, id);
        await messageWith(ingest, id, 'processed');
      }
      // A worker serves its health and nothing else.
      expect((await fetch(`${worker.url}/readyz`)).status).toBe(200);
      expect((await fetch(`${worker.url}/api/v1/channels`, { headers: { 'x-api-key': worker.token } })).status).toBe(
        404,
      );
      expect((await fetch(channel.ingestUrl.replace(ingest.url, worker.url), { method: 'POST' })).status).toBe(404);
    } finally {
      await ingest.stop();
      await worker.stop();
      await target.stop();
      await database.close();
    }
  });

  it('processes that start at once on an empty database migrate it once, and make one admin token', async () => {
    const template = inject('postgresTemplate');
    if (!template) throw new Error('TEST_DATABASE_URL is not set');
    const name = `postroom_start_${process.pid}`;
    const admin = new pg.Client({ connectionString: template.adminUrl });
    await admin.connect();
    await admin.query(`create database ${name}`);
    const url = new URL(template.adminUrl);
    url.pathname = `/${name}`;
    const handles = Array.from({ length: 4 }, () =>
      openPostgres(url.href, silentLogger, { poolSize: 2, patient: true }),
    );
    try {
      const tokens = await Promise.all(
        handles.map(async ({ db }) => {
          await migrateToLatest(db, silentLogger);
          return await ensureFirstAdmin(db, undefined);
        }),
      );
      expect(tokens.filter((token) => token !== undefined)).toHaveLength(1);
    } finally {
      await Promise.all(handles.map((handle) => handle.close()));
      await admin.query(`drop database ${name} with (force)`);
      await admin.end();
    }
  });

  it('overrules a server that does not wait for its disk, compiles statements, or counts on slow disks', async () => {
    const database = await openTestDatabase('postgres');
    const { rows } = await pgQuery(database.db, 'select current_database() as name');
    await pgQuery(database.db, `alter database ${rows[0]?.['name']} set synchronous_commit = off`);
    await pgQuery(database.db, `alter database ${rows[0]?.['name']} set jit = on`);
    const other = database.another();
    const shown = await pgQuery(other.db, 'show synchronous_commit');
    expect(shown.rows[0]).toEqual({ synchronous_commit: 'on' });
    expect((await pgQuery(other.db, 'show jit')).rows[0]).toEqual({ jit: 'off' });
    expect((await pgQuery(other.db, 'show random_page_cost')).rows[0]).toEqual({ random_page_cost: '1.1' });
    await database.close();
  });
});

async function pgQuery(db: ReturnType<typeof openPostgres>['db'], text: string) {
  return await sql.raw<Record<string, string>>(text).execute(db);
}

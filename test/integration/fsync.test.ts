import { readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fsyncs, openEmbedded, type EmbeddedDatabase } from '../../src/db/embedded.ts';
import { createHome, type Home } from '../crash/home.ts';
import { sleep } from '../crash/random.ts';
import { killServers, startServer } from '../crash/server.ts';
import { hasStrace, traceCalls } from '../crash/strace.ts';
import { createWebhookChannel, postEvent } from '../support/story.ts';
import { createClient } from '../support/test-app.ts';

const limitMs = 60_000;

describe('the embedded database', () => {
  let folder: string;
  let embedded: EmbeddedDatabase;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postroom-fsync-'));
    embedded = await openEmbedded(folder);
    await embedded.pglite.exec('create table notes (id int primary key, text text)');
  });
  afterAll(async () => {
    await embedded?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** How often fsync was called meanwhile. */
  async function syncsOf(action: () => Promise<unknown>): Promise<number> {
    const before = fsyncs.count;
    await action();
    return fsyncs.count - before;
  }

  it('calls fsync at every commit', async () => {
    const { pglite } = embedded;
    for (let id = 0; id < 5; id += 1) {
      const syncs = await syncsOf(() => pglite.query('insert into notes values ($1, $2)', [id, 'one']));
      expect(syncs).toBeGreaterThanOrEqual(1);
    }
    const inTransaction = await syncsOf(() =>
      pglite.transaction(async (trx) => {
        expect(await syncsOf(() => trx.query(`update notes set text = 'two'`))).toBe(0);
      }),
    );
    expect(inTransaction).toBeGreaterThanOrEqual(1);
  });

  it('calls no fsync for a read, nor for what is rolled back', async () => {
    const { pglite } = embedded;
    await pglite.query('select count(*) from notes');
    expect(await syncsOf(() => pglite.query('select * from notes'))).toBe(0);
    const rolledBack = pglite.transaction(async (trx) => {
      await trx.query('insert into notes values (100)');
      await trx.rollback();
    });
    expect(await syncsOf(() => rolledBack)).toBe(0);
  });

  it('runs with the settings that make a commit durable', async () => {
    for (const [name, value] of [
      ['fsync', 'on'],
      ['synchronous_commit', 'on'],
      ['wal_sync_method', 'fsync'],
      ['full_page_writes', 'on'],
    ]) {
      const { rows } = await embedded.pglite.query<{ value: string }>('select current_setting($1) as value', [name]);
      expect(rows[0]?.value, name).toBe(value);
    }
  });
});

describe('the folder of the embedded database', () => {
  let home: Home;

  beforeAll(async () => {
    home = await createHome('embedded');
  });
  afterEach(killServers);
  afterAll(async () => {
    await home.remove();
  });

  const healthOf = async (url: string): Promise<number> => (await fetch(`${url}/readyz`)).status;

  it('belongs to one process: a second is refused and the first goes on', { timeout: limitMs }, async () => {
    const first = startServer(home.env);
    const { url } = await first.listening;
    const second = startServer(home.env);
    expect(await second.exited).toEqual({ code: 1, signal: null });
    expect(second.output()).toContain(`is in use by process ${first.pid}`);
    expect(second.output()).toContain('DATA_DIR');
    expect(await healthOf(url)).toBe(200);
    expect((await first.terminate()).fault).toBeUndefined();
  });

  it('is taken over after a SIGKILL', { timeout: limitMs }, async () => {
    const first = startServer(home.env);
    await first.listening;
    first.kill();
    await first.exited;
    const second = startServer(home.env);
    const { url } = await second.listening;
    expect(await healthOf(url)).toBe(200);
  });

  it('keeps the sealing key to its owner, and the same over restarts', { timeout: limitMs }, async () => {
    const path = join(home.env['DATA_DIR'] ?? '', 'secret.key');
    const server = startServer(home.env);
    await server.listening;
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const key = readFileSync(path, 'utf8').trim();
    expect(Buffer.from(key, 'base64')).toHaveLength(32);
    expect((await server.terminate()).fault).toBeUndefined();
    await startServer(home.env).listening;
    expect(readFileSync(path, 'utf8').trim()).toBe(key);
  });
});

describe.runIf(hasStrace())('seen from the kernel', () => {
  afterEach(killServers);

  it('the WAL is written and fsynced before the 2xx goes out', { timeout: limitMs }, async (context) => {
    const home = await createHome('embedded');
    try {
      const server = startServer(home.env);
      const { url } = await server.listening;
      const channel = await createWebhookChannel(createClient(url, home.token));
      const trace = await traceCalls(server.pid);
      if (!trace) context.skip('strace may not attach to a process here');
      for (let count = 0; count < 5; count += 1) {
        expect((await postEvent(channel, { text: `message ${count}` })).status).toBe(200);
        // Until routing has committed too: the next fsync must be the next message's own.
        await sleep(300);
      }
      const calls = (await trace?.stop()) ?? [];
      const requests = calls.flatMap((call, at) => (call.includes('"POST /in/') ? [at] : []));
      expect(requests).toHaveLength(5);
      for (const request of requests) {
        const answer = calls.findIndex((call, at) => at > request && call.includes('"HTTP/1.1 200'));
        const between = calls.slice(request, answer).filter((call) => call.includes('/db/pg_wal/'));
        const written = between.findLastIndex((call) => / p?write/.test(call));
        const synced = between.findLastIndex((call) => / fsync\(.* = 0$/.test(call));
        expect(written, between.join('\n')).toBeGreaterThanOrEqual(0);
        expect(synced, between.join('\n')).toBeGreaterThan(written);
      }
    } finally {
      await killServers();
      await home.remove();
    }
  });
});

import { randomBytes, randomUUID } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { killServers, startServer } from '../crash/server.ts';
import { createWebhookChannel, postEvent, type TestChannel } from '../support/story.ts';
import { createClient, eventually } from '../support/test-app.ts';
import { startTestTarget } from '../support/test-target.ts';

const limitMs = 90_000;
const token = 'disk-full-test-token';
const mebibyte = 1024 * 1024;

/** A disk of its own, in memory; undefined where we may not mount one. */
function mountDisk(mebibytes: number): { folder: string; unmount(): void } | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'postroom-disk-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', folder]).status === 0;
  if (!mounted) {
    rmdirSync(folder);
    return undefined;
  }
  const unmount = (): void => {
    process.off('exit', unmount);
    spawnSync('umount', [folder]);
    rmdirSync(folder);
  };
  process.on('exit', unmount);
  return { folder, unmount };
}

const probe = mountDisk(1);
probe?.unmount();
const why = probe ? '' : ' (skipped: no tmpfs can be mounted here, which takes root)';

describe.skipIf(!probe)(`the embedded database on a full disk${why}`, () => {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    await killServers();
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  });

  it.each([
    { what: 'its tables cannot grow', leftMebibytes: 1.5 },
    // The WAL's next segment does not fit, which PostgreSQL itself does not survive.
    { what: 'its WAL cannot grow', leftMebibytes: 23 },
  ])(
    'answers 503 when $what, goes on when there is room, and loses nothing that it acknowledged',
    { timeout: limitMs },
    async ({ leftMebibytes }) => {
      const disk = mountDisk(150);
      if (!disk) throw new Error('no disk could be mounted');
      cleanups.push(disk.unmount);
      const target = await startTestTarget();
      cleanups.push(() => target.stop());
      const env = {
        DATA_DIR: join(disk.folder, 'data'),
        POSTROOM_ADMIN_TOKEN: token,
        LEASE_SECONDS: '2',
        LOG_LEVEL: 'error',
      };
      const { url } = await startServer(env).listening;
      const client = createClient(url, token);
      const channel = await createWebhookChannel(client);
      const policy = { maxAttempts: 100, backoffBaseMs: 20, backoffCapMs: 200 };
      const made = await client.post('/api/v1/targets', { kind: 'http', name: 't', url: target.url, policy });
      await client.post('/api/v1/communications/routes', { channelId: channel.id, targetId: made.id });
      const acknowledged = new Set<string>();
      expect(await post(channel, acknowledged)).toBe(200);

      const ballast = join(disk.folder, 'ballast');
      fill(disk.folder, ballast, leftMebibytes * mebibyte);
      const statuses: number[] = [];
      for (let posts = 0; posts < 400 && statuses.filter((status) => status === 503).length < 12; posts += 1) {
        statuses.push(await post(channel, acknowledged));
      }
      expect(statuses.filter((status) => status === 503)).toHaveLength(12);
      expect(statuses.filter((status) => status !== 200 && status !== 503)).toEqual([]);
      // The process itself is well, and says so.
      expect((await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(5_000) })).status).toBe(200);

      rmSync(ballast);
      await eventually(
        'it to take in again',
        async () => (await post(channel, acknowledged)) === 200 || undefined,
        20_000,
      );
      for (let more = 0; more < 5; more += 1) expect(await post(channel, acknowledged)).toBe(200);
      await expectAll(url, acknowledged);

      await killServers();
      const { url: again } = await startServer(env).listening;
      await expectAll(again, acknowledged);
      const isDelivered = (): boolean => {
        const ids = new Set(target.received.map(({ body }) => body.data.message.channelMessageId));
        return [...acknowledged].every((id) => ids.has(id));
      };
      await eventually('everything to reach the target', () => isDelivered() || undefined, 20_000);
    },
  );

  /** Posts what cannot be compressed; returns the status. */
  async function post(channel: TestChannel, acknowledged: Set<string>): Promise<number> {
    const id = `msg_${randomUUID()}`;
    const event = { id, sender: 'ada', text: randomBytes(100_000).toString('base64') };
    const { status } = await postEvent(channel, event, id);
    if (status === 200) acknowledged.add(id);
    return status;
  }

  /** What was acknowledged is in the inbox, once. */
  async function expectAll(url: string, acknowledged: ReadonlySet<string>): Promise<void> {
    const client = createClient(url, token);
    const seen: string[] = [];
    for (;;) {
      const { items } = await client.get(`/api/v1/inbound/messages?limit=50&offset=${seen.length}`);
      if (items.length === 0) break;
      seen.push(...items.map((item: { channelMessageId: string }) => item.channelMessageId));
    }
    const ids = new Set(seen);
    expect(ids.size, 'doubled').toBe(seen.length);
    expect(
      [...acknowledged].filter((id) => !ids.has(id)),
      'lost',
    ).toEqual([]);
  }
});

/** Fills a disk but for so many bytes. */
function fill(folder: string, path: string, leftBytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  writeFileSync(path, Buffer.alloc(Math.max(0, bavail * bsize - leftBytes), 1));
}

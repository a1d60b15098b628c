import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { NodeFS } from '@electric-sql/pglite/nodefs';
import { createRevivingPGlite, type Session } from './reviving-pglite.ts';

/** How often the embedded database has called fsync; a test shows that a commit does. */
export const fsyncs = { count: 0 };

type EmscriptenOptions = Parameters<NodeFS['init']>[1];

interface EmscriptenStream {
  nfd?: number;
  node: { mode: number };
}
interface EmscriptenNodeFs {
  stream_ops: { fsync?: (stream: EmscriptenStream) => number };
  realPath(node: EmscriptenStream['node']): string;
}

/**
 * PGlite's file system has no fsync, so its commits would survive a crash but no power cut. This one
 * gives it fsync for files, and for folders too (a new WAL segment is durable with its name).
 */
class DurableNodeFS extends NodeFS {
  override async init(pg: PGlite, options: EmscriptenOptions) {
    const { emscriptenOpts } = await super.init(pg, options);
    const addFsync = (module: unknown): void => {
      const nodeFs = (module as { NODEFS: EmscriptenNodeFs }).NODEFS;
      nodeFs.stream_ops.fsync = (stream) => {
        fsyncs.count += 1;
        if (stream.nfd === undefined) fsyncPath(nodeFs.realPath(stream.node));
        else fsyncSync(stream.nfd);
        return 0;
      };
    };
    const preRun = (emscriptenOpts.preRun ?? []) as ((module: unknown) => void)[];
    return { emscriptenOpts: { ...emscriptenOpts, preRun: [...preRun, addFsync] } };
  }
}

function fsyncPath(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** PGlite's own start parameters without `-F`, which switches fsync off; and our planner's, as in `openPostgres`. */
const startParams = [
  '--single',
  '-O',
  '-j',
  '-c',
  'random_page_cost=1.1',
  '-c',
  'search_path=public',
  '-c',
  'exit_on_error=false',
  '-c',
  'log_checkpoints=false',
  '-c',
  'max_worker_processes=0',
  '-c',
  'max_parallel_workers=0',
  '-c',
  'max_parallel_workers_per_gather=0',
  '-c',
  'max_parallel_maintenance_workers=0',
  '-c',
  'io_method=sync',
  '-c',
  'fsync=on',
  '-c',
  'wal_sync_method=fsync',
];

/**
 * int8 as text, as `pg` has it; bytea at once, where PGlite's own code goes byte by byte through
 * arrays (90 µs for 1.2 KB).
 */
export const pgliteTypes = {
  parsers: {
    20: (value: string) => value,
    17: (value: string) => new Uint8Array(Buffer.from(value.slice(2), 'hex')),
  },
  serializers: {
    17: (bytes: Uint8Array) => `\\x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`,
  },
};

export interface EmbeddedDatabase {
  readonly pglite: Session;
  /** Closes the database and gives the folder free. */
  close(): Promise<void>;
}

/**
 * Opens the embedded database in a folder, which it makes where there is none (2.5 s; an existing
 * one 0.4 s). Every commit is fsynced.
 *
 * @throws Error where another living process has the folder open: two would ruin it.
 */
export async function openEmbedded(folder: string): Promise<EmbeddedDatabase> {
  const root = resolve(folder);
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const unlock = lockFolder(root);
  try {
    const dataDir = join(root, 'db');
    if (!existsSync(join(dataDir, 'PG_VERSION'))) await makeDatabase(root, dataDir);
    const pglite = await createRevivingPGlite(root, () => openPGlite(dataDir));
    return {
      pglite,
      async close() {
        // Kysely's driver closes it too.
        if (!pglite.closed) await pglite.close();
        unlock();
      },
    };
  } catch (error) {
    unlock();
    throw error;
  }
}

function openPGlite(dataDir: string): Promise<PGlite> {
  return PGlite.create({ fs: new DurableNodeFS(dataDir), startParams, ...pgliteTypes });
}

/** initdb knows no fsync and may be cut short: the folder gets its name when it is whole and durable. */
async function makeDatabase(root: string, dataDir: string): Promise<void> {
  const making = join(root, 'db.new');
  rmSync(making, { recursive: true, force: true });
  await (await openPGlite(making)).close();
  await fsyncTree(making);
  renameSync(making, dataDir);
  fsyncPath(root);
}

async function fsyncTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() || entry.isDirectory()) fsyncPath(join(entry.parentPath, entry.name));
  }
  fsyncPath(folder);
}

/** PGlite takes no lock of its own. The file holds the owner's process id; a dead owner's is taken over. */
function lockFolder(root: string): () => void {
  const path = join(root, 'lock');
  // Written aside and linked: a lock is never seen without its owner in it.
  const own = `${path}.${process.pid}`;
  writeFileSync(own, `${process.pid} ${processStart(process.pid)}\n`, { mode: 0o600 });
  try {
    while (!isLinked(own, path)) {
      const owner = readIfThere(path);
      if (owner === undefined) continue;
      const [pid, started] = owner.trim().split(' ');
      if (pid && isAlive(Number(pid), started)) {
        throw new Error(
          `${root} is in use by process ${pid}. The embedded database belongs to one process; ` +
            'stop the other one, choose another DATA_DIR, or use PostgreSQL with DATABASE_URL.',
        );
      }
      takeAway(path, owner);
    }
    return () => unlinkSync(path);
  } finally {
    unlinkSync(own);
  }
}

function isLinked(own: string, path: string): boolean {
  try {
    linkSync(own, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Removes a dead owner's lock, unless somebody else has just taken it over. */
function takeAway(path: string, owner: string): void {
  const aside = `${path}.${process.pid}.old`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  if (readFileSync(aside, 'utf8') === owner) unlinkSync(aside);
  else renameSync(aside, path);
}

function isAlive(pid: number, started: string | undefined): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  // After a reboot, or in a container, another process may have the same id.
  return started === undefined || started === processStart(pid);
}

/** A process's start time where /proc tells it (Linux); elsewhere `-`. */
function processStart(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '-';
  } catch {
    return '-';
  }
}

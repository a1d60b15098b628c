import { execFileSync, spawn, spawnSync, type ExecFileSyncOptions } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A PostgreSQL server of its own, to be restarted at will. It fsyncs, as one in earnest does. */
export interface Cluster {
  /** Of a role that may do everything. */
  readonly url: string;
  /** `pg_ctl restart -m immediate`: no connection is ended in order, and the WAL is played again. */
  crash(): Promise<void>;
  /** Ends the server and removes its files. */
  remove(): void;
}

const debianFolder = '/usr/lib/postgresql';

/** Where the newest installed server's programs are; undefined where there are none. */
export function findPostgres(): string | undefined {
  const versions = existsSync(debianFolder) ? readdirSync(debianFolder) : [];
  const folders = versions.toSorted((a, b) => Number(b) - Number(a)).map((one) => join(debianFolder, one, 'bin'));
  const { stdout, status } = spawnSync('pg_config', ['--bindir'], { encoding: 'utf8' });
  if (status === 0) folders.push(stdout.trim());
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'pg_ctl')));
}

/** Makes a cluster in a temporary folder and starts it on a free port of the loopback. */
export async function startCluster(programs: string): Promise<Cluster> {
  const folder = mkdtempSync(join(tmpdir(), 'postroom-cluster-'));
  const user = unprivilegedUser();
  if (user) chownSync(folder, user.uid, user.gid);
  const data = join(folder, 'data');
  // Their output goes nowhere, or to a file: a server that inherits ours would keep it open.
  const options: ExecFileSyncOptions = { stdio: 'ignore', timeout: 60_000, cwd: folder, ...user };
  const run = (program: string, ...given: string[]): void => {
    execFileSync(join(programs, program), given, options);
  };
  const remove = (): void => {
    process.off('exit', remove);
    if (existsSync(join(data, 'postmaster.pid'))) run('pg_ctl', 'stop', '-D', data, '-m', 'immediate', '-w');
    rmSync(folder, { recursive: true, force: true });
  };
  process.on('exit', remove);
  const log = join(folder, 'log');
  try {
    const port = await freePort();
    run('initdb', '-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync');
    const settings = [`port = ${port}`, `listen_addresses = '127.0.0.1'`, `unix_socket_directories = ''`, 'fsync = on'];
    appendFileSync(join(data, 'postgresql.conf'), `\n${settings.join('\n')}\n`);
    run('pg_ctl', 'start', '-D', data, '-l', log, '-w');
    return {
      url: `postgres://postgres@127.0.0.1:${port}/postgres`,
      // Not at one go: the load must go on meanwhile.
      crash: () => restart(join(programs, 'pg_ctl'), ['restart', '-D', data, '-l', log, '-m', 'immediate', '-w'], user),
      remove,
    };
  } catch (error) {
    remove();
    throw error;
  }
}

async function restart(program: string, given: readonly string[], user: object | undefined): Promise<void> {
  const child = spawn(program, given, { stdio: 'ignore', timeout: 60_000, ...user });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`${program} ${given.join(' ')} ended with ${code}`);
}

/** PostgreSQL refuses to run as root; undefined where we are somebody else anyway. */
function unprivilegedUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map((flag) => spawnSync('id', [flag, name], { encoding: 'utf8' }));
    if (uid?.status === 0 && gid?.status === 0) return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  }
  throw new Error('PostgreSQL does not run as root, and there is no other user here');
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== 'object' || address === null) throw new Error('there is no free port');
  return address.port;
}

import { statfsSync } from 'node:fs';
import type { PGlite, Transaction } from '@electric-sql/pglite';
import { messageOf } from '../lib/errors.ts';

/** What is used of PGlite: by Kysely's driver, and by us. */
export type Session = Pick<PGlite, 'query' | 'exec' | 'transaction' | 'close' | 'closed' | 'ready' | 'waitReady'>;

const retryMs = 1_000;
/** Opening plays the WAL and writes a checkpoint: two segments of WAL, 16 MiB each, are room enough. */
const roomBytes = 32 * 1024 * 1024;

/** The database has crashed and is not open again yet. SQLSTATE `crash_shutdown`: answered 503. */
class Crashed extends Error {
  readonly code = '57P02';
  constructor(cause: unknown) {
    super(`the embedded database has crashed and is being opened again: ${messageOf(cause)}`, { cause });
    this.name = 'Crashed';
  }
}

/**
 * A PGlite that comes back. Where PostgreSQL cannot write its WAL, because the disk is full, it
 * panics: a server would start anew, PGlite spins for ever on a lock that the dead session held. So
 * after a panic nothing more is asked of it, and it is opened again as soon as there is room; until
 * then every statement fails. What was committed is in the WAL, what was under way is not.
 */
export async function createRevivingPGlite(folder: string, open: () => Promise<PGlite>): Promise<Session> {
  let crash: Crashed | undefined;
  let isClosed = false;
  let reopening: Promise<void> | undefined;
  let current = watch(await open(), onCrash);

  function onCrash(error: unknown): void {
    if (crash || isClosed) return;
    crash = new Crashed(error);
    reopening = reopen();
  }

  async function reopen(): Promise<void> {
    try {
      // The files that it has open; what it would still write is in the WAL, or was never promised.
      await current.fs?.closeFs();
    } catch {
      // They stay open, and nobody uses them.
    }
    while (!isClosed) {
      await new Promise((resolve) => setTimeout(resolve, retryMs));
      if (isClosed || !hasRoom(folder)) continue;
      try {
        current = watch(await open(), onCrash);
        crash = undefined;
        return;
      } catch (error) {
        crash = new Crashed(error);
      }
    }
  }

  /** A transaction that fails at its first statement: who asked for one waits to be called. */
  async function refuse<T>(callback: (trx: Transaction) => Promise<T>, error: unknown): Promise<T> {
    const fail = (): Promise<never> => Promise.reject(error);
    await callback({ query: fail, sql: fail, exec: fail, rollback: async () => {}, listen: fail, closed: false });
    throw error;
  }

  return {
    get closed() {
      return isClosed;
    },
    get ready() {
      return !isClosed;
    },
    waitReady: current.waitReady,
    async query(...given) {
      if (crash) throw crash;
      return await current.query(...given);
    },
    async exec(...given) {
      if (crash) throw crash;
      return await current.exec(...given);
    },
    async transaction<T>(callback: (trx: Transaction) => Promise<T>): Promise<T> {
      if (crash) return await refuse(callback, crash);
      let isCalled = false;
      try {
        return await current.transaction(async (trx) => {
          isCalled = true;
          return await callback(trx);
        });
      } catch (error) {
        if (isCalled) throw error;
        return await refuse(callback, error);
      }
    },
    async close() {
      isClosed = true;
      await reopening;
      if (!crash && !current.closed) await current.close();
    },
  };
}

function hasRoom(folder: string): boolean {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize >= roomBytes;
}

/** Sees to it that nothing is asked of a session that has died: it would never answer. */
function watch(pglite: PGlite, onCrash: (error: unknown) => void): PGlite {
  let death: unknown;
  const noteDeath = (error: unknown): never => {
    if (isDeath(error) && death === undefined) {
      death = error;
      onCrash(error);
    }
    throw error;
  };
  const raw = pglite.execProtocolRawSync.bind(pglite);
  const plain = pglite.execProtocol.bind(pglite);
  const stream = pglite.execProtocolStream.bind(pglite);
  pglite.execProtocolRawSync = (message) => {
    if (death !== undefined) throw new Crashed(death);
    return raw(message);
  };
  pglite.execProtocol = (...given) => plain(...given).catch(noteDeath);
  pglite.execProtocolStream = (...given) => stream(...given).catch(noteDeath);
  return pglite;
}

/** What ends a session: PostgreSQL says so, or WebAssembly has trapped. */
function isDeath(error: unknown): boolean {
  const { severity, name } = error as { severity?: unknown; name?: unknown };
  return severity === 'PANIC' || severity === 'FATAL' || name === 'RuntimeError' || name === 'ExitStatus';
}

import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newSealingKey } from '../lib/sealing.ts';

/** The key that seals secrets in the embedded database: made once, readable by its owner alone. */
export function loadSecretKey(dataDir: string): string {
  const path = join(dataDir, 'secret.key');
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const key = newSealingKey();
  // Durable before it has its name, and the name before anything is sealed with it.
  const making = `${path}.new`;
  writeFileSync(making, `${key}\n`, { mode: 0o600, flush: true });
  renameSync(making, path);
  const folder = openSync(dataDir, 'r');
  fsyncSync(folder);
  closeSync(folder);
  return key;
}

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
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
  writeFileSync(path, `${key}\n`, { mode: 0o600, flag: 'wx', flush: true });
  return key;
}

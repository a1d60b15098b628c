import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import type { Asset } from '../http/services.ts';

const contentTypes: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
};

const folder = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));

/** A part of Swagger UI out of its npm package. The caller says which names there are. */
export async function loadSwaggerAsset(name: string): Promise<Asset | undefined> {
  const contentType = contentTypes[extname(name)];
  if (contentType === undefined) return undefined;
  return { contentType, body: new Uint8Array(await readFile(join(folder, name))) };
}

import { createMiddleware } from 'hono/factory';
import { invalid } from '../../lib/errors.ts';

const maxDepth = 64;

/**
 * Refuses JSON bodies that nest deeper than 64 levels: what walks them later (zod, PostgreSQL,
 * JSON.stringify) recurses, and would run out of stack at some ten thousand.
 */
export const boundedJson = createMiddleware(async (c, next) => {
  if (c.req.method !== 'GET' && c.req.method !== 'HEAD' && nestsDeeperThan(await c.req.text(), maxDepth)) {
    throw invalid(['body'], `nests deeper than ${maxDepth} levels`, 'too_deep');
  }
  await next();
});

/** Whether a JSON text nests deeper than so many levels. Brackets inside strings do not count. */
export function nestsDeeperThan(text: string, levels: number): boolean {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < text.length; index += 1) {
    const char = text.charCodeAt(index);
    if (inString) {
      if (char === 0x5c) index += 1;
      else if (char === 0x22) inString = false;
    } else if (char === 0x22) inString = true;
    else if (char === 0x7b || char === 0x5b) {
      depth += 1;
      if (depth > levels) return true;
    } else if (char === 0x7d || char === 0x5d) depth -= 1;
  }
  return false;
}

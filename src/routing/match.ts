import { Environment, type ParseResult } from '@marcbachmann/cel-js';
import { LRUCache } from 'lru-cache';
import { compilePattern, linearMatches, MatchRefused, meter, allowanceKey } from './match-cost.ts';
import { MatchAttachment, MatchMessage, type MatchScope } from './match-variables.ts';

/** The longest `match`, in characters. */
export const maxMatchLength = 4096;

/** What one evaluation may cost, in units of some 100 ns (see match-cost.ts). */
const unitsPerMatch = 1_000_000;

const environment = new Environment({
  homogeneousAggregateLiterals: false,
  limits: { maxAstNodes: 1000, maxDepth: 64, maxListElements: 500, maxMapEntries: 100, maxCallArguments: 8 },
})
  .registerType('Attachment', { ctor: MatchAttachment, fields: MatchAttachment.fields })
  .registerType('Message', { ctor: MatchMessage, fields: MatchMessage.fields })
  .registerVariable('message', 'Message')
  .registerVariable('text', 'string')
  .registerVariable('sender', 'string')
  .registerVariable('metadata', 'map')
  .registerVariable('trust', 'string')
  .registerVariable('user', 'string')
  .registerFunction(`string.${linearMatches}(string): bool`, {
    async: false,
    handler: (value: string, pattern: string) => compilePattern(pattern).test(value),
  });

type Compiled = { readonly run: ParseResult } | { readonly message: string };

const expressions = new LRUCache<string, Compiled>({ max: 1000 });

/**
 * Checks an expression when a route is written: that it parses, knows its variables, is of the right
 * types and is a condition (what comes out of metadata is known only when it runs). `message` is for
 * the person who wrote it.
 */
export function checkMatch(expression: string): { ok: true } | { ok: false; message: string } {
  const compiled = compileMatch(expression);
  return 'run' in compiled ? { ok: true } : { ok: false, message: compiled.message };
}

/**
 * Asks a condition about a message. It fails where the message lacks a key that the condition reads
 * without `has`, where types do not go together, or where it costs too much.
 */
export function evaluateMatch(
  expression: string,
  scope: MatchScope,
): { ok: true; matched: boolean } | { ok: false; message: string } {
  const compiled = compileMatch(expression);
  if (!('run' in compiled)) return { ok: false, message: compiled.message };
  const units = Math.min(unitsPerMatch, scope.unitsLeft);
  const allowance = scope[allowanceKey];
  allowance.units = units;
  try {
    const value: unknown = compiled.run(scope);
    if (typeof value === 'boolean') return { ok: true, matched: value };
    return { ok: false, message: 'the match is not true or false' };
  } catch (error) {
    return { ok: false, message: shortMessage(error) };
  } finally {
    scope.unitsLeft -= units - allowance.units;
  }
}

function compileMatch(expression: string): Compiled {
  if (expression.length > maxMatchLength) {
    return { message: `a match has at most ${maxMatchLength} characters` };
  }
  const known = expressions.get(expression);
  if (known) return known;
  const compiled = compileFresh(expression);
  expressions.set(expression, compiled);
  return compiled;
}

function compileFresh(expression: string): Compiled {
  try {
    const run = environment.parse(expression);
    meter(run.ast);
    const checked = run.check();
    if (!checked.valid) return { message: shortMessage(checked.error) };
    if (checked.type !== 'bool' && checked.type !== 'dyn') {
      return { message: `a match is true or false, and this is of type ${checked.type}` };
    }
    return { run };
  } catch (error) {
    return { message: error instanceof MatchRefused ? error.message : shortMessage(error) };
  }
}

/** The library's errors carry an excerpt of the expression below their `summary`. */
function shortMessage(error: unknown): string {
  const { summary, message } = (error ?? {}) as { summary?: unknown; message?: unknown };
  const text = typeof summary === 'string' ? summary : typeof message === 'string' ? message : 'it failed';
  return text.replaceAll(linearMatches, 'matches').slice(0, 200);
}

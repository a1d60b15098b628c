import type { ASTNode } from '@marcbachmann/cel-js';
import { RE2JS } from 're2js';
import { LRUCache } from 'lru-cache';

/**
 * What keeps a match from stalling the process. CEL ends, but `a.all(x, a.all(y, …))` over a list of
 * a sender's making does not end today, and a 256 KiB needle in a 1 MiB text takes 39 s in V8. So
 * only known functions are allowed, and what is evaluated is paid for in units of some 100 ns from a
 * fixed allowance: units and not time, for the same message must always be decided alike.
 */
export interface Allowance {
  units: number;
}

/** The key under which an evaluation's variables carry its allowance; no CEL identifier has a `#`. */
export const allowanceKey = '#allowance';

const functions = new Set(['has', 'size', 'string', 'int', 'double', 'dyn']);
const macros = new Set(['all', 'exists', 'exists_one', 'filter', 'map']);
const searches = new Set(['contains', 'indexOf', 'lastIndexOf', 'split']);
const methods = new Set([
  ...macros,
  ...searches,
  'endsWith',
  'join',
  'lowerAscii',
  'matches',
  'size',
  'startsWith',
  'substring',
  'trim',
  'upperAscii',
]);

/** What `matches` is called inside: the library's own uses backtracking and cannot be replaced. */
export const linearMatches = 're2Matches';

const maxNeedle = 1024;
const maxProgram = 200;
const itemUnits = 10;
const errorUnits = 100;

/** A match that is refused when it is written, with a message for the person who wrote it. */
export class MatchRefused extends Error {}

// One instance: it is thrown again for every item of a list, and a stack costs more than the item.
const exhausted = new Error('the match costs too much on this message');

// RE2's lazily built automaton may take 8 MiB for a pattern made for that; usual ones take 10 KiB.
const patterns = new LRUCache<string, RE2JS>({ max: 64 });

/** Compiles a regular expression of RE2 syntax: no look-around, no back references, linear time. */
export function compilePattern(pattern: string): RE2JS {
  const known = patterns.get(pattern);
  if (known) return known;
  const made = RE2JS.compile(pattern);
  patterns.set(pattern, made);
  return made;
}

interface Charge {
  /** Units for each character of a string. */
  readonly perChar?: number;
  /** Units for each item of a list or map. */
  readonly perItem?: number;
  readonly base?: number;
  /** The longest string that is accepted here. */
  readonly maxLength?: number;
  /** Whether what lies within lists and maps is read, too. */
  readonly deep?: boolean;
}

/** `size` of a text counts code points one by one, at 8 ns each. */
const countChars: Charge = { perChar: 1 / 8 };

/**
 * Checks that an expression uses only what is allowed, and makes each of its nodes pay when it is
 * evaluated. Throws `MatchRefused`.
 */
export function meter(node: ASTNode, charge: Charge = {}): void {
  switch (node.op) {
    case '.':
    case '.?':
      meter(node.args[0]);
      break;
    case '!_':
    case '-_':
      meter(node.args);
      break;
    case 'call':
      if (!functions.has(node.args[0])) throw new MatchRefused(`there is no function ${node.args[0]} here`);
      for (const arg of node.args[1]) meter(arg, node.args[0] === 'size' ? countChars : {});
      break;
    case 'rcall':
      meterMethod(node.args);
      if (node.args[0] === 'split') charge = { perItem: 1, ...charge };
      break;
    case 'map':
      for (const entry of node.args) for (const part of entry) meter(part);
      break;
    case '==':
    case '!=':
    case 'in':
      for (const arg of node.args) meter(arg, { deep: true });
      break;
    case 'value':
    case 'id':
      break;
    default:
      for (const arg of node.args) meter(arg);
  }
  payFor(node, charge);
}

function meterMethod(call: [string, ASTNode, ASTNode[]]): void {
  const [name, receiver, args] = call;
  if (!methods.has(name)) throw new MatchRefused(`there is no method ${name} here`);
  if (name === 'matches') {
    meter(receiver, patternCharge(args[0]));
    call[0] = linearMatches;
  } else if (macros.has(name)) {
    meter(receiver, { perItem: itemUnits });
  } else if (searches.has(name)) {
    // V8's search takes needle × text steps at worst, 5 of them a nanosecond.
    const needle = args[0]?.op === 'value' && typeof args[0].args === 'string' ? args[0].args.length : maxNeedle;
    meter(receiver, { perChar: Math.max(1 / 64, needle / 1024) });
  } else {
    meter(receiver, name === 'size' ? countChars : {});
  }
  for (const arg of args) meter(arg, searches.has(name) ? { maxLength: maxNeedle } : {});
}

/**
 * RE2 takes 1 ns for a character where its automaton fits, and up to 30 ns for each character and
 * instruction of the pattern where it does not: a pattern made for that costs some 0.2 s at most.
 */
function patternCharge(pattern: ASTNode | undefined): Charge {
  if (pattern?.op !== 'value' || typeof pattern.args !== 'string') {
    throw new MatchRefused('matches takes a pattern written out as a string');
  }
  let size: number;
  try {
    size = compilePattern(pattern.args).programSize();
  } catch (error) {
    throw new MatchRefused(`matches: ${error instanceof Error ? error.message : 'not a regular expression'}`);
  }
  if (size > maxProgram)
    throw new MatchRefused(`matches: the pattern is too large (${size} steps, at most ${maxProgram})`);
  return { perChar: size / 8, base: size * 16 };
}

interface Evaluated {
  evaluate(evaluator: unknown, node: unknown, context: { getValue(key: string): unknown }): unknown;
}

/**
 * Wraps a node's `evaluate`. The library replaces that method on its first call and calls it again,
 * so it is an accessor (what is set goes inside the wrapper) and the inner call is free. The types
 * do not show it; the tests of costs fail loudly where a new version works otherwise.
 */
function payFor(node: ASTNode, charge: Charge): void {
  const target = node as unknown as Evaluated;
  let inner = target.evaluate;
  let running = false;
  const evaluate: Evaluated['evaluate'] = (evaluator, self, context) => {
    if (running) return inner.call(target, evaluator, self, context);
    const allowance = context.getValue(allowanceKey) as Allowance;
    if (allowance.units <= 0) throw exhausted;
    let value: unknown;
    running = true;
    try {
      value = inner.call(target, evaluator, self, context);
    } catch (error) {
      allowance.units -= errorUnits;
      throw error;
    } finally {
      running = false;
    }
    allowance.units -= 1 + (charge.base ?? 0) + unitsOf(value, charge, allowance.units);
    if (allowance.units <= 0) throw exhausted;
    return value;
  };
  Object.defineProperty(target, 'evaluate', {
    get: () => evaluate,
    set: (next: Evaluated['evaluate']) => {
      inner = next;
    },
  });
}

function unitsOf(value: unknown, charge: Charge, limit: number): number {
  if (typeof value === 'string') {
    if (value.length > (charge.maxLength ?? Infinity))
      throw new Error(`a text to search for has at most ${maxNeedle} characters`);
    return value.length * (charge.perChar ?? 1 / 64);
  }
  if (charge.deep) return sizeWithin(value, limit);
  const items = Array.isArray(value) ? value.length : value instanceof Map ? value.size : 0;
  return items * (charge.perItem ?? 1 / 16);
}

/** Counts what is within a value, and stops when it is more than `limit`. */
function sizeWithin(root: unknown, limit: number): number {
  const open = [root];
  let units = 0;
  while (open.length > 0 && units <= limit) {
    const value = open.pop();
    if (typeof value === 'string') units += value.length / 64;
    else if (Array.isArray(value)) for (const item of value) open.push(item);
    else if (value instanceof Map) for (const item of value.values()) open.push(item);
    units += 1;
  }
  return units;
}

import { invalid } from '../lib/errors.ts';
import type { Provider } from '../provider.ts';

/** What a provider's schemas say about its secrets and settings. */

interface Checker<Output> {
  safeParse(
    value: unknown,
  ):
    | { success: true; data: Output }
    | { success: false; error: { issues: { path: PropertyKey[]; message: string; code?: string }[] } };
}

interface SecretNames {
  readonly all: readonly string[];
  readonly required: readonly string[];
  /** Each name with no secret. */
  readonly none: Readonly<Record<string, string[]>>;
}

const namesOf = new WeakMap<Provider, SecretNames>();

/** From the provider's schema; a secret is required where its schema does not take `undefined`. */
function readNames(provider: Provider): SecretNames {
  const known = namesOf.get(provider);
  if (known) return known;
  const shape = secretShape(provider);
  const all = Object.keys(shape);
  const required = all.filter((name) => !shape[name]?.safeParse(undefined).success);
  const names = { all, required, none: Object.fromEntries(all.map((name) => [name, []])) };
  namesOf.set(provider, names);
  return names;
}

/** The schemas of a provider's secrets, by name. */
export function secretShape(provider: Provider): Readonly<Record<string, Checker<string[]>>> {
  return (provider.secrets as unknown as { shape?: Record<string, Checker<string[]>> }).shape ?? {};
}

/** The names of a provider's secrets. */
export function secretNames(provider: Provider): readonly string[] {
  return readNames(provider).all;
}

/** Every secret that a provider knows, those that are not there as empty lists. */
export function completeSecrets(provider: Provider, secrets: Record<string, string[]>): Record<string, string[]> {
  return { ...readNames(provider).none, ...secrets };
}

/** The names of those without which nothing can be verified. */
export function requiredSecrets(provider: Provider): readonly string[] {
  return readNames(provider).required;
}

/** The name of a provider's required secret where it has just one. */
export function soleSecret(provider: Provider): string | undefined {
  const { required } = readNames(provider);
  return required.length === 1 ? required[0] : undefined;
}

/** Judges a value by a provider's schema. @throws PostroomError `invalid`, which names the field. */
export function check<Output>(schema: Checker<Output>, value: unknown, field: string): Output {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const path = (issue?.path ?? []).map((part) => (typeof part === 'number' ? part : String(part)));
  throw invalid(['body', field, ...path], issue?.message ?? 'is wrong', issue?.code);
}

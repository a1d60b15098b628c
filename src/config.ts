import { z } from 'zod';

const port = z.coerce.number().int().min(0).max(65_535);
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);
const publicUrl = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
  .transform((text) => text.replace(/\/+$/, ''));
const secretKey = z.base64().refine((text) => Buffer.from(text, 'base64').length === 32, {
  error: 'must be 32 bytes, base64; make one with: openssl rand -base64 32',
});

/** Every environment variable that Postroom reads. README's table is checked against these keys. */
const environment = z.object({
  PORT: port.default(8080),
  HOST: z.string().min(1).default('127.0.0.1'),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, { error: 'must start with postgres:// or postgresql://' })
    .optional(),
  DATA_DIR: z.string().min(1).default('./.postroom'),
  POSTROOM_ADMIN_TOKEN: z.string().min(16, { error: 'must be at least 16 characters' }).optional(),
  POSTROOM_SECRET_KEY: secretKey.optional(),
  PUBLIC_URL: publicUrl.optional(),
  ROLE: z.enum(['all', 'ingest', 'worker']).default('all'),
  ALLOW_PRIVATE_TARGETS: list.default([]),
  TRUSTED_PROXIES: list.default([]),
  INBOUND_DOMAIN: z
    .string()
    .regex(/^[a-z0-9.-]+$/i)
    .transform((text) => text.toLowerCase())
    .default('inbound.localhost'),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  DATABASE_POOL_SIZE: z.coerce.number().int().min(2).max(200).default(10),
  WORKER_CONCURRENCY: z.coerce.number().int().min(1).max(1_000).default(64),
  LEASE_SECONDS: z.coerce.number().int().min(2).max(3_600).default(30),
});

export const environmentKeys = Object.keys(environment.shape);

export interface Config {
  readonly port: number;
  readonly host: string;
  /** Without it the embedded database in `dataDir`. */
  readonly databaseUrl: string | undefined;
  readonly databasePoolSize: number;
  readonly dataDir: string;
  readonly adminToken: string | undefined;
  /** 32 bytes, base64. Undefined only with the embedded database, which keeps one in `dataDir`. */
  readonly secretKey: string | undefined;
  /** The URL that providers see, without a slash at the end; undefined: taken from the request. */
  readonly publicUrl: string | undefined;
  readonly role: 'all' | 'ingest' | 'worker';
  /** CIDRs that outbound calls may reach although they are private. */
  readonly allowPrivateTargets: readonly string[];
  /** CIDRs or addresses of the proxies in front, whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
  /** Domain of the addresses that routes without an endpoint get. */
  readonly inboundDomain: string;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** Deliveries that one worker process runs side by side. */
  readonly workerConcurrency: number;
  /** How long a claimed delivery stays its worker's own without a sign of life. */
  readonly leaseSeconds: number;
}

/** The configuration is wrong; the message names each variable and what it must be. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/**
 * Reads the configuration from environment variables. Empty variables count as absent.
 *
 * @throws ConfigError with one line for each variable that is wrong.
 */
export function parseConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const given = Object.fromEntries(
    environmentKeys.flatMap((key) => (env[key] === undefined || env[key] === '' ? [] : [[key, env[key]]])),
  );
  const parsed = environment.safeParse(given);
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new ConfigError(lines.join('\n'));
  }
  const values = parsed.data;
  if (values.DATABASE_URL !== undefined && values.POSTROOM_SECRET_KEY === undefined) {
    throw new ConfigError(
      'POSTROOM_SECRET_KEY: is required with DATABASE_URL, and the same in every process; make one with: openssl rand -base64 32',
    );
  }
  return {
    port: values.PORT,
    host: values.HOST,
    databaseUrl: values.DATABASE_URL,
    databasePoolSize: values.DATABASE_POOL_SIZE,
    dataDir: values.DATA_DIR,
    adminToken: values.POSTROOM_ADMIN_TOKEN,
    secretKey: values.POSTROOM_SECRET_KEY,
    publicUrl: values.PUBLIC_URL,
    role: values.ROLE,
    allowPrivateTargets: values.ALLOW_PRIVATE_TARGETS,
    trustedProxies: values.TRUSTED_PROXIES,
    inboundDomain: values.INBOUND_DOMAIN,
    logLevel: values.LOG_LEVEL,
    workerConcurrency: values.WORKER_CONCURRENCY,
    leaseSeconds: values.LEASE_SECONDS,
  };
}

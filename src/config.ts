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
const httpUrl = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' });
const secretKey = z.base64().refine((text) => Buffer.from(text, 'base64').length === 32, {
  error: 'must be 32 bytes, base64; make one with: openssl rand -base64 32',
});

/** 0: for ever. */
const days = z.coerce.number().int().min(0).max(36_500);

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
  WORKER_CONCURRENCY: z.coerce.number().int().min(1).max(4_000).default(64),
  LEASE_SECONDS: z.coerce.number().int().min(2).max(3_600).default(30),
  RETENTION_EVENTS_DAYS: days.default(30),
  RETENTION_PAYLOADS_DAYS: days.default(90),
  RETENTION_LEDGER_DAYS: days.default(180),
  RETENTION_DELIVERIES_DAYS: days.default(90),
  METRICS_TOKEN: z.string().min(16, { error: 'must be at least 16 characters' }).optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: httpUrl.optional(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: httpUrl.optional(),
  OTEL_TRACES_SAMPLER: z
    .enum([
      'always_on',
      'always_off',
      'traceidratio',
      'parentbased_always_on',
      'parentbased_always_off',
      'parentbased_traceidratio',
    ])
    .default('parentbased_always_on'),
  OTEL_TRACES_SAMPLER_ARG: z.coerce.number().min(0).max(1).default(1),
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
  /** How many days events are kept; like all of these, 0 is for ever. */
  readonly retentionEventsDays: number;
  /** How many days a message keeps what it says. */
  readonly retentionPayloadsDays: number;
  /** How many days a message is known at all, and with it what a repeated one is known by. */
  readonly retentionLedgerDays: number;
  /** How many days deliveries that have ended are kept, with their attempts. */
  readonly retentionDeliveriesDays: number;
  /** What `/metrics` wants to be shown; undefined: nothing. */
  readonly metricsToken: string | undefined;
  /** Where traces go; the exporter reads both by itself. Without either nothing is traced. */
  readonly otlpEndpoint: string | undefined;
  readonly otlpTracesEndpoint: string | undefined;
  readonly tracesSampler:
    | 'always_on'
    | 'always_off'
    | 'traceidratio'
    | 'parentbased_always_on'
    | 'parentbased_always_off'
    | 'parentbased_traceidratio';
  /** The share of traces that a sampler by ratio takes. */
  readonly tracesSamplerArg: number;
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
  const forEver = (kept: number): number => (kept === 0 ? Infinity : kept);
  if (forEver(values.RETENTION_LEDGER_DAYS) < forEver(values.RETENTION_PAYLOADS_DAYS)) {
    throw new ConfigError(
      'RETENTION_LEDGER_DAYS: must be at least RETENTION_PAYLOADS_DAYS (0 is for ever): a payload goes with its message at the latest',
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
    retentionEventsDays: values.RETENTION_EVENTS_DAYS,
    retentionPayloadsDays: values.RETENTION_PAYLOADS_DAYS,
    retentionLedgerDays: values.RETENTION_LEDGER_DAYS,
    retentionDeliveriesDays: values.RETENTION_DELIVERIES_DAYS,
    metricsToken: values.METRICS_TOKEN,
    otlpEndpoint: values.OTEL_EXPORTER_OTLP_ENDPOINT,
    otlpTracesEndpoint: values.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
    tracesSampler: values.OTEL_TRACES_SAMPLER,
    tracesSamplerArg: values.OTEL_TRACES_SAMPLER_ARG,
  };
}

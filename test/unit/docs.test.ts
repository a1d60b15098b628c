import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { environmentKeys, parseConfig, type Config } from '../../src/config.ts';
import { createServer } from '../../src/http/server.ts';
import type { Services } from '../../src/http/services.ts';
import { secretNames } from '../../src/inbox/provider-secrets.ts';
import { providers } from '../../src/providers/index.ts';
import { checkMatch, evaluateMatch } from '../../src/routing/match.ts';
import { MatchScope } from '../../src/routing/match-variables.ts';

/**
 * The docs are checked: whatever path, command, configuration key, API path or link they name must
 * exist. Contributor docs that name files long gone are worse than none.
 */

const root = fileURLToPath(new URL('../../', import.meta.url));
const pages = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md'];
const tree = listTree('');
const documents = [...pages, ...tree.filter((path) => /^docs\/.*\.md$/.test(path))];
const scripts = (JSON.parse(read('package.json')) as { scripts: Record<string, string> }).scripts;
/** Folders whose name at the beginning makes a word a path from the root. */
const rooms = /^(?:\.ci|bench|demo|docs|handlers|migrations|src|test)\//;
const npmsOwn = new Set(['ci', 'install', 'exec', 'run']);

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** Every file and folder of the repository, from the root, folders without a slash at the end. */
function listTree(folder: string): string[] {
  const unlisted = new Set(['.git', 'node_modules', '.postroom', 'coverage', 'tmp', '.wrangler']);
  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => !unlisted.has(entry.name))
    .flatMap((entry) => {
      const path = posix.join(folder, entry.name);
      return entry.isDirectory() ? [path, ...listTree(path)] : [path];
    });
}

interface Fence {
  readonly language: string;
  readonly text: string;
  /** `<!-- file: a as b -->` on the line above. */
  readonly file: { readonly path: string; readonly as: string } | undefined;
}

interface Page {
  readonly prose: string;
  /** What stands between backticks. */
  readonly spans: readonly string[];
  readonly fences: readonly Fence[];
}

function parsePage(text: string): Page {
  const fences: Fence[] = [];
  const prose = text.replace(
    /(?:<!-- file: (\S+) as (\S+) -->\n)?^```([^\n`]*)\n([\s\S]*?)^```$/gm,
    (_all, path: string | undefined, as: string | undefined, language: string, inside: string) => {
      fences.push({ language: language.trim(), text: inside, file: path && as ? { path, as } : undefined });
      return '';
    },
  );
  const visible = prose.replace(/<!--[\s\S]*?-->/g, '');
  return { prose: visible, spans: [...visible.matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? ''), fences };
}

/** Text in which words may be paths: spans, shell commands, trees. Code of other languages is not. */
function codeOf(page: Page): string[] {
  const shells = page.fences.filter(({ language }) => ['', 'bash', 'sh', 'text', 'console'].includes(language));
  return [...page.spans, ...shells.flatMap(({ text }) => text.split('\n'))];
}

function namedPaths(page: Page): string[] {
  const words = codeOf(page).flatMap((text) => text.split(/[\s"'()=|·]+|,(?![^{]*\})/));
  return unique(words.map((word) => word.replace(/^\.\//, '').replace(/[.,;:]+$/, '')).filter(isPath));
}

function isPath(word: string): boolean {
  if (word.includes('://') || /^[/$~@{-]/.test(word) || word.includes('…')) return false;
  if (rooms.test(word)) return true;
  const isFile = /^[\w.<>*{},/-]+\.(?:ts|md|mjs|json|ya?ml|toml)$/.test(word);
  return isFile || /^[\w-]+(?:\/[\w-]+)*\/$/.test(word);
}

/** `<name>` and `*` stand for anything, `{a,b}` for each; a word without its room may lie anywhere. */
function pathExists(word: string): boolean {
  const pattern = word
    .replace(/\/$/, '')
    .replace(/[.+?^$()[\]\\]/g, '\\$&')
    .replace(/\{([^{}]*)\}/g, (_all, names: string) => `(?:${names.replaceAll(',', '|')})`)
    .replace(/<[^>]+>/g, '[^/]+')
    .replaceAll('**', '\u0000')
    .replaceAll('*', '[^/]*')
    .replaceAll('\u0000', '.*');
  const expression = new RegExp(`${rooms.test(word) ? '^' : '(?:^|/)'}${pattern}$`);
  return tree.some((path) => expression.test(path));
}

function namedCommands(page: Page): string[] {
  const found = codeOf(page).flatMap((text) => [...text.matchAll(/(?:^|[\s;&("'])npm (?:run )?([a-z][a-z:-]*)/g)]);
  return unique(found.map((match) => match[1] ?? ''));
}

/** A command exists where npm has it, or a script whose own file is there. */
function commandExists(name: string): boolean {
  if (npmsOwn.has(name)) return true;
  const file = /\bnode (\S+\.ts)/.exec(scripts[name] ?? '')?.[1];
  return scripts[name] !== undefined && (file === undefined || existsSync(join(root, file)));
}

function namedKeys(page: Page): string[] {
  const inSpans = page.spans.flatMap((span) => [
    ...span.matchAll(/^([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)$/g),
    ...span.matchAll(/(?:^|\s)([A-Z][A-Z0-9_]+)=/g),
  ]);
  // In a shell, a variable is configuration where it is exported, or stands before npm or node.
  const commands = page.fences.filter(({ language }) => language === 'bash').flatMap(({ text }) => text.split('\n'));
  const inCommands = commands
    .map((line) => /^\s*(?:export .*|(?:[A-Z][A-Z0-9_]*=\S* )+(?=npm |node ))/.exec(line)?.[0] ?? '')
    .flatMap((line) => [...line.matchAll(/(?:^|\s)([A-Z][A-Z0-9_]+)=/g)]);
  return unique([...inSpans, ...inCommands].map((match) => match[1] ?? ''));
}

/** What the service reads, and what the tests, the demo, the benchmarks and CI read besides. */
const knownKeys = new Set([
  ...environmentKeys,
  ...tree
    .filter((path) => /^(?:test|demo|bench)\/.*\.ts$|^vitest\.config\.ts$/.test(path))
    .flatMap((path) => [...read(path).matchAll(/process\.env(?:\.|\[')([A-Z][A-Z0-9_]*)/g)])
    .map((match) => match[1] ?? ''),
]);

function namedApiPaths(page: Page): string[] {
  const found = [...page.spans, ...page.fences.map(({ text }) => text)].flatMap((text) => [
    ...text.matchAll(/(?:^|[\s(])(?:(GET|POST|PATCH|PUT|DELETE) )?(\/api\/v1(?:\/[\w{}-]+)+)/g),
  ]);
  return unique(found.map((match) => `${match[1] ?? 'ANY'} ${(match[2] ?? '').replace(/\{[^}]*\}/g, '{}')}`));
}

function namedLinks(page: Page): string[] {
  const prose = page.prose.replace(/`[^`\n]+`/g, '');
  const found = [...prose.matchAll(/\[[^\]\n]*\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '');
  return unique(found.filter((target) => !/^[a-z]+:/.test(target)));
}

function linkResolves(document: string, text: string, target: string): boolean {
  const [path = '', anchor] = target.split('#', 2);
  const file = path === '' ? document : posix.normalize(posix.join(dirname(document), path));
  if (path !== '' && !tree.includes(file.replace(/\/$/, ''))) return false;
  if (anchor === undefined) return true;
  return anchorsOf(path === '' ? text : read(file)).includes(anchor);
}

/** The names that headings get on a rendered page. */
function anchorsOf(text: string): string[] {
  const headings = [...parsePage(text).prose.matchAll(/^#{1,6} (.+)$/gm)].map((match) => match[1] ?? '');
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** All that a document names and that is not there. */
function findProblems(document: string, text: string, api: ReadonlySet<string>): string[] {
  const page = parsePage(text);
  const gone = (what: string, names: readonly string[], exists: (name: string) => boolean): string[] =>
    names.filter((name) => !exists(name)).map((name) => `${what} ${name}`);
  return [
    ...gone('path', namedPaths(page), pathExists),
    ...gone('command', namedCommands(page), commandExists),
    ...gone('key', namedKeys(page), (name) => knownKeys.has(name)),
    ...gone('API', namedApiPaths(page), (name) => api.has(name)),
    ...gone('link', namedLinks(page), (target) => linkResolves(document, text, target)),
    ...page.fences.flatMap(({ file, text: shown }) =>
      file && shown !== inPlace(file.path, file.as) ? [`copy of ${file.path}`] : [],
    ),
  ];
}

/** A file's text as it would stand in another place: its relative imports follow. */
function inPlace(path: string, as: string): string | undefined {
  if (!tree.includes(path)) return undefined;
  return read(path).replace(/from '(\.[^']+)'/g, (_all, specifier: string) => {
    const meant = posix.join(dirname(path), specifier);
    const relative = posix.relative(dirname(as), meant);
    return `from '${relative.startsWith('.') ? relative : `./${relative}`}'`;
  });
}

function unique(words: readonly string[]): string[] {
  return [...new Set(words)].filter((word) => word !== '');
}

/** `GET /api/v1/…` and `ANY /api/v1/…` of every operation, from the service's own description. */
async function readApi(): Promise<Set<string>> {
  const response = await createServer({} as Services, { ingest: true, api: true }).request('/openapi.json');
  const { paths } = (await response.json()) as { paths: Record<string, Record<string, unknown>> };
  return new Set(
    Object.entries(paths).flatMap(([path, operations]) =>
      ['any', ...Object.keys(operations)].map(
        (method) => `${method.toUpperCase()} ${path.replace(/\{[^}]*\}/g, '{}')}`,
      ),
    ),
  );
}

let api: Set<string>;
beforeAll(async () => {
  api = await readApi();
});

test.each(documents)('%s names nothing that is not there', (document) => {
  expect(existsSync(join(root, document)), `${document} is missing`).toBe(true);
  expect(findProblems(document, read(document), api)).toEqual([]);
});

describe('every provider', () => {
  const table = read('docs/providers/README.md');
  test.each([...providers.keys()])('%s has a page, and a row that names its secrets', (name) => {
    expect(documents).toContain(`docs/providers/${name}.md`);
    const row = table.split('\n').find((line) => line.startsWith(`| [\`${name}\`](${name}.md) |`)) ?? '';
    const provider = providers.get(name);
    if (!provider) throw new Error(`there is no provider ${name}`);
    for (const secret of secretNames(provider)) expect(row).toContain(`\`${secret}\``);
    expect(read('README.md')).toContain(`docs/providers/${name}.md`);
  });
});

describe('the check itself', () => {
  test('finds what is gone', () => {
    const text = `
# A page
See \`src/gone.ts\`, \`handlers/<kind>.txt\`, \`lost.ts\`, \`attic/\`, \`src/routing/{decide,forget}.mjs\` and [it](gone.md).
[there](#a-page) and [nowhere](#b-page), [not here](README.md#nowhere). Set \`GONE_KEY\` and \`STALE=1\`.
Call \`POST /api/v1/attics\`, \`DELETE /api/v1/events/{id}\`, or \`npm run nothing\`.
<!-- \`src/in-a-comment.ts\` is not looked at -->
<!-- file: docs/examples/handlers/workflow_trigger.ts as handlers/workflow_trigger.ts -->
\`\`\`ts
// not the file
\`\`\`
\`\`\`bash
LOST_KEY=1 PORT=80 npm start
SHELL_VARIABLE=$(npm ls)
node src/entry/gone.ts && npm run never
\`\`\`
`;
    expect(findProblems('PAGE.md', text, api)).toEqual([
      'path src/gone.ts',
      'path handlers/<kind>.txt',
      'path lost.ts',
      'path attic/',
      'path src/routing/{decide,forget}.mjs',
      'path src/entry/gone.ts',
      'command nothing',
      'command ls',
      'command never',
      'key GONE_KEY',
      'key STALE',
      'key LOST_KEY',
      'API POST /api/v1/attics',
      'API DELETE /api/v1/events/{}',
      'link gone.md',
      'link #b-page',
      'link README.md#nowhere',
      'copy of docs/examples/handlers/workflow_trigger.ts',
    ]);
  });

  test('lets pass what is there, and what is no path', () => {
    const text = `
# A page
\`src/http/\`, \`src/routing/{decide,match}.ts\`, \`src/providers/<name>/index.ts\`, \`routing/decide.ts\`, \`decide.ts\`,
\`package.json\`, \`test/**/*.test.ts\`, \`image/png\`, \`127.0.0.0/8\`, \`/docs/\`, \`https://example.com/a.ts\`,
\`PORT\`, \`ROLE=worker\`, \`GET /api/v1/deliveries/{id}\`, \`npm run lint\`, \`npm ci && npm start\`, [page](#a-page),
[web](https://example.com/gone.md), \`SIGTERM\`.
\`\`\`text
src/
  entry/   node.ts · secret-key.ts
\`\`\`
`;
    expect(findProblems('PAGE.md', text, api)).toEqual([]);
  });
});

describe("README's configuration table", () => {
  const section = /^## Configuration\n([\s\S]*?)^## /m.exec(read('README.md'))?.[1] ?? '';
  const rows = [...section.matchAll(/^\| `([A-Z_]+)` \| (.+) \| (.+) \|$/gm)];

  const fields: Record<string, keyof Config> = {
    PORT: 'port',
    HOST: 'host',
    DATABASE_URL: 'databaseUrl',
    DATA_DIR: 'dataDir',
    POSTROOM_ADMIN_TOKEN: 'adminToken',
    POSTROOM_SECRET_KEY: 'secretKey',
    PUBLIC_URL: 'publicUrl',
    ROLE: 'role',
    ALLOW_PRIVATE_TARGETS: 'allowPrivateTargets',
    TRUSTED_PROXIES: 'trustedProxies',
    INBOUND_DOMAIN: 'inboundDomain',
    LOG_LEVEL: 'logLevel',
    DATABASE_POOL_SIZE: 'databasePoolSize',
    WORKER_CONCURRENCY: 'workerConcurrency',
    LEASE_SECONDS: 'leaseSeconds',
    RETENTION_EVENTS_DAYS: 'retentionEventsDays',
    RETENTION_PAYLOADS_DAYS: 'retentionPayloadsDays',
    RETENTION_LEDGER_DAYS: 'retentionLedgerDays',
    RETENTION_DELIVERIES_DAYS: 'retentionDeliveriesDays',
    METRICS_TOKEN: 'metricsToken',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'otlpEndpoint',
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'otlpTracesEndpoint',
    OTEL_TRACES_SAMPLER: 'tracesSampler',
    OTEL_TRACES_SAMPLER_ARG: 'tracesSamplerArg',
  };

  test('has every variable, in the order of src/config.ts', () => {
    expect(rows.map((row) => row[1])).toEqual(environmentKeys);
  });

  test.each(environmentKeys)('says the default of %s', (key) => {
    const field = fields[key];
    if (field === undefined) throw new Error(`test/unit/docs.test.ts does not know the field of ${key}`);
    const value = parseConfig({})[field];
    const isNone = value === undefined || (Array.isArray(value) && value.length === 0);
    expect(rows.find((row) => row[1] === key)?.[3]).toBe(isNone ? 'none' : `\`${String(value)}\``);
  });
});

test('every match that the README shows can be used as it stands', () => {
  const { fences } = parsePage(read('README.md'));
  const expressions = fences
    .filter(({ language }) => language === 'cel')
    .flatMap(({ text }) => text.trim().split('\n'));
  expect(expressions.length).toBeGreaterThan(4);
  const scope = new MatchScope(
    {
      channel: 'email',
      externalIdentity: 'ada@example.com',
      displayName: 'Ada',
      recipient: 'support@in.example.com',
      text: 'The invoice for March',
      channelMessageId: 'm1',
      channelThreadId: null,
      attachments: [{ name: 'scan.png', contentType: 'image/png', size: 5, url: null, providerId: null }],
      channelMetadata: {},
      vouched: true,
    },
    'verified',
    'user-1',
  );
  for (const expression of expressions) {
    expect({ expression, ...checkMatch(expression) }).toEqual({ expression, ok: true });
    expect({ expression, ...evaluateMatch(expression, scope) }).toMatchObject({ expression, ok: true });
  }
  const holds = expressions
    .map((expression) => evaluateMatch(expression, scope))
    .map((result) => result.ok && result.matched);
  expect(holds.filter(Boolean).length).toBeGreaterThan(2);
});

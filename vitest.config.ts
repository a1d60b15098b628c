import { defineConfig } from 'vitest/config';

/** Where `.ci/run` wants the results as JSON, beside what people read. */
const results = process.env['POSTROOM_TEST_RESULTS'];

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    // Each file with a database holds an embedded one of its own in memory.
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // Wrangler, which runs tests in workerd, would otherwise send metrics and ask Cloudflare for `Request.cf`.
    env: { WRANGLER_SEND_METRICS: 'false', CLOUDFLARE_CF_FETCH_ENABLED: 'false', WRANGLER_LOG: 'error' },
    reporters: results ? ['default', 'json'] : ['default'],
    ...(results ? { outputFile: { json: results } } : {}),
  },
});

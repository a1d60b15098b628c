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
    reporters: results ? ['default', 'json'] : ['default'],
    ...(results ? { outputFile: { json: results } } : {}),
  },
});

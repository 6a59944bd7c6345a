import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/global-setup.ts'],
    setupFiles: ['test/fixed-properties.ts'],
    // Real recorders on a busy machine of two cores: a second and a third look, in CI only.
    retry: process.env['CI'] ? 2 : 0,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores: more files at once only make the story tests fight for them.
    maxWorkers: 2,
    coverage: { include: ['src/**'], reporter: ['text-summary', 'json-summary'] },
  },
});

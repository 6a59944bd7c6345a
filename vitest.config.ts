import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/global-setup.ts'],
    setupFiles: ['test/fixed-properties.ts'],
    // Real recorders on a busy machine of two cores: one second look, never two.
    retry: process.env['CI'] ? 1 : 0,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores: more files at once only make the story tests fight for them.
    maxWorkers: 2,
    coverage: { include: ['src/**'], reporter: ['text-summary', 'json-summary'] },
  },
});

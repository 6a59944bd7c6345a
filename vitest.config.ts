import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores: more files at once only make the story tests fight for them.
    maxWorkers: 2,
    coverage: { include: ['src/**'], reporter: ['text-summary', 'json-summary'] },
  },
});

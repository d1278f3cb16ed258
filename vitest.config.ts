import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Bounds in tests are steps and bytes. This limit only ends a test that hangs.
    testTimeout: 120_000,
    hookTimeout: 300_000,
    pool: 'forks',
  },
});

import { defineConfig } from 'vitest/config';

const shared = {
  testTimeout: 60_000,
  hookTimeout: 60_000,
  env: { NO_COLOR: '1' },
};

/**
 * `fast` needs nothing but Node. `oracle` needs foreign tools, which it names when they are missing. `e2e` drives
 * the built program.
 */
export default defineConfig({
  test: {
    // Much of a test is waiting for another program.
    maxWorkers: '100%',
    projects: [
      {
        test: {
          ...shared,
          name: 'fast',
          include: ['test/**/*.test.{ts,tsx}'],
          exclude: ['test/**/*.oracle.test.*', 'test/**/*.e2e.test.*'],
        },
      },
      {
        test: {
          ...shared,
          name: 'oracle',
          include: ['test/**/*.oracle.test.{ts,tsx}'],
          testTimeout: 300_000,
        },
      },
      {
        test: {
          ...shared,
          name: 'e2e',
          include: ['test/**/*.e2e.test.{ts,tsx}'],
          globalSetup: 'test/e2e/build.ts',
          // A real terminal on a machine that is busy with something else; what is broken fails twice.
          retry: process.env.CI === undefined ? 0 : 1,
          testTimeout: 300_000,
        },
      },
    ],
  },
});

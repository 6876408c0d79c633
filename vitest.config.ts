import { defineConfig } from 'vitest/config';

/** `fast` needs nothing but Node; `oracle` needs foreign tools; `e2e` needs the built program and tmux. */
export default defineConfig({
  test: {
    include: ['test/**/*.test.{ts,tsx}'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    env: { NO_COLOR: '1' },
  },
});

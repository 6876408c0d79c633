/** The process that shows that a run lives: there as long as the run is. */
import { expect, it, vi } from 'vitest';
import { isAlive, showAlive } from '../../src/env-plugins/hold-mark.ts';
import type { Host, Running } from '../../src/io/host/host.ts';
import { localHost } from '../../src/io/host/local-host.ts';

const { signal } = new AbortController();

it('comes back when its connection was lost and made again, and ends with the run', async () => {
  const local = localHost();
  const started: Running[] = [];
  const host: Host = {
    ...local,
    async spawn(args) {
      const running = await local.spawn(args);
      started.push(running);
      return running;
    },
  };
  const run = `r${process.pid}`;
  const mark = await showAlive(host, 'test', run);
  expect(await isAlive(host, 'test', run, signal)).toBe(true);
  started[0]!.kill();
  await vi.waitFor(() => expect(started).toHaveLength(2), { timeout: 5000 });
  await vi.waitFor(async () => expect(await isAlive(host, 'test', run, signal)).toBe(true));
  expect(await isAlive(host, 'other', run, signal)).toBe(false);
  mark.end();
  await vi.waitFor(async () => expect(await isAlive(host, 'test', run, signal)).toBe(false));
  expect(started).toHaveLength(2);
});

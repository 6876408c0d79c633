/** A run that is ended from outside: by a signal it can hear, and by one it can't. */
import { createWriteStream } from 'node:fs';
import { open, readdir, readFile, stat } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { type Place, place, values } from './program.ts';

/** Enough that a conversion which compresses hard is still at it when a signal comes. */
async function slowRun(): Promise<{ here: Place; args: string[] }> {
  const here = await place();
  const file = createWriteStream(here.path('disk.raw'));
  let state = 1;
  const block = Buffer.alloc(2 ** 20);
  for (let i = 0; i < 192; i++) {
    // Half random, half text: what deflate at its best level takes longest for.
    for (let at = 0; at < block.length; at += 4) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      block.writeUInt32LE(state & 0x0f0f_0f0f, at);
    }
    await new Promise((done) => file.write(Buffer.from(block), done));
  }
  await new Promise((done) => file.end(done));
  const set = ['--set', 'subformat=streamOptimized', '--set', 'compressionLevel=9'];
  return { here, args: ['convert', 'disk.raw', '--to', 'new/out.vmdk', ...set, '--json'] };
}

const underWay = (event: Record<string, unknown>) =>
  event.type === 'progress' && (event.disks as { bytesDone: number }[])[0]!.bytesDone > 0;

async function history({ run }: Place): Promise<Record<string, unknown>[]> {
  return values((await run(['history', '--json'])).stdout);
}

it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s: cancelled, nothing is left', async (signal) => {
  const { here, args } = await slowRun();
  const running = here.start(args);
  await running.line(underWay);
  running.child.kill(signal);
  const { code, stdout, stderr } = await running.ended;
  expect(code, stderr).toBe(130);
  expect(values(stdout).at(-1)).toMatchObject({ type: 'error', kind: 'cancelled' });
  expect(await readdir(here.folder)).toEqual(['disk.raw']);
  const [entry] = await history(here);
  expect(entry).toMatchObject({ outcome: 'cancelled' });
  const whole = await here.run(['history', String(entry!.id)]);
  expect(whole.stdout).toMatch(/nothing is left behind/);
});

it('an OVA that is being checked and unpacked at once is cancelled too', async () => {
  const { here } = await slowRun();
  expect((await here.run(['convert', 'disk.raw', '--to', 'big.ova', '-q'])).code).toBe(0);
  const running = here.start([
    'convert',
    'big.ova',
    '--to',
    'out.qcow2',
    '--set',
    'compression=zlib',
    '--json',
  ]);
  await running.line(underWay);
  running.child.kill('SIGTERM');
  expect(await running.ended).toMatchObject({ code: 130 });
  expect((await readdir(here.folder)).sort()).toEqual(['big.ova', 'disk.raw']);
});

it('SIGKILL: the history says interrupted, what is left can be told', async () => {
  const { here, args } = await slowRun();
  const running = here.start(args);
  await running.line(underWay);
  expect((await history(here))[0]).toMatchObject({ outcome: 'running' });
  running.child.kill('SIGKILL');
  await running.ended;
  const [entry] = await history(here);
  expect(entry).toMatchObject({ outcome: 'interrupted' });
  expect(await readdir(here.path('new'))).toEqual([`.out.vmdk.vmferry-${entry!.id}.part`]);
  // It is in nobody's way.
  const again = await here.run(['history', String(entry!.id), '--rerun', '--json']);
  expect(again.code, again.stderr).toBe(0);
  expect((await stat(here.path('new/out.vmdk'))).size).toBeGreaterThan(0);
});

it('who reads the events leaves: the conversion goes on', async () => {
  const { here } = await slowRun();
  const running = here.start(['convert', 'disk.raw', '--to', 'out.raw', '--json']);
  await running.line((event) => event.type === 'run-started');
  running.child.stdout!.destroy();
  const { code, stderr } = await running.ended;
  expect(stderr).toBe('');
  expect(code).toBe(0);
  expect((await readFile(here.path('out.raw'))).equals(await readFile(here.path('disk.raw')))).toBe(true);
});

it('the source is only ever opened for reading', async () => {
  const { here } = await slowRun();
  const handle = await open(here.path('disk.raw'));
  const before = await handle.stat();
  await handle.close();
  expect((await here.run(['convert', 'disk.raw', '--to', 'out.qcow2', '-q'])).code).toBe(0);
  const after = await stat(here.path('disk.raw'));
  expect([after.mtimeMs, after.ctimeMs, after.size]).toEqual([before.mtimeMs, before.ctimeMs, before.size]);
});

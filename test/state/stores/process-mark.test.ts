import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { expect, it, onTestFinished } from 'vitest';
import { isAlive, ownMark } from '../../../src/state/stores/process-mark.ts';

it('a process is alive by its number and its start', async () => {
  const mark = await ownMark();
  expect(await isAlive(mark)).toBe(true);
  expect(await isAlive({ ...mark, born: '1' })).toBe(false);
  expect(await isAlive({ ...mark, host: 'another' })).toBe(false);
});

it.skipIf(process.platform !== 'linux')('one that is dead and was not asked after is not', async () => {
  // The shell becomes a program that does not ask after the child that it has got.
  const parent = spawn('sh', ['-c', 'sh -c "sleep 0.2" & echo $!; exec sleep 60']);
  onTestFinished(() => void parent.kill('SIGKILL'));
  const pid = Number(await new Promise((told) => parent.stdout.once('data', told)));
  const stat = async () => (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]!.split(' ');
  const born = (await stat())[19];
  await expect.poll(async () => (await stat())[0]).toBe('Z');
  expect(await isAlive({ ...(await ownMark()), pid, born })).toBe(false);
});

import { appendFile, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { diskDigest } from '../../../src/io/digest.ts';
import type { AppError } from '../../../src/model/errors.ts';
import { DigestFile, readDigests } from '../../../src/state/stores/digests.ts';
import { History } from '../../../src/state/stores/history.ts';
import { tempFolder } from '../../temp.ts';

const size = 5 * 2 ** 40 + 512;
const first = Buffer.alloc(32, 1);
const second = Buffer.alloc(32, 2);

/** Block 7 holds something, block 8 was read and is zeros, and so does one behind 4 TiB. */
async function written(path: string, failures: AppError[] = []) {
  const file = new DigestFile(path, {
    onFailure: (error) => failures.push(error),
    redact: (text) => text.replaceAll('secret', '***'),
  });
  const disk = file.begin({ id: 'd "1"', name: 'my secret', size, algorithm: 'sha256' });
  disk.block({ block: 7, digest: first }, false);
  disk.block({ block: 8, digest: first }, true);
  disk.block({ block: 1_200_000, digest: second }, false);
  const digest = await diskDigest(size, { algorithm: 'sha256' });
  digest.preload([
    { block: 7, digest: first },
    { block: 1_200_000, digest: second },
  ]);
  disk.whole(digest.whole());
  await file.close();
  return digest;
}

test('what was written is read back', async () => {
  const path = join(await tempFolder(), 'a.digests');
  const digest = await written(path);
  const [disk, ...more] = (await readDigests(path))!;
  expect(more).toEqual([]);
  expect(disk).toMatchObject({ id: 'd "1"', name: 'my ***', complete: true });
  expect(disk!.digest.whole()).toBe(digest.whole());
  expect([...disk!.digest.known()].map(({ block }) => block)).toEqual([7, 8, 1_200_000]);
  expect([...disk!.digest.blocks()].map(({ block }) => block)).toEqual([7, 1_200_000]);
});

test('a file that was cut anywhere is read as far as its lines are whole', async () => {
  const path = join(await tempFolder(), 'a.digests');
  await written(path);
  const whole = await readFile(path, 'latin1');
  for (let end = whole.length - 1; end > 20; end -= 7) {
    await truncate(path, end);
    const disks = (await readDigests(path))!;
    const lines = whole.slice(0, end).split('\n').slice(0, -1);
    expect(disks.length).toBe(lines.length > 1 ? 1 : 0);
    const blocks = disks.flatMap(({ digest }) => [...digest.known()].map(({ block }) => block));
    expect(blocks).toEqual([7, 8, 1_200_000].slice(0, Math.max(0, lines.length - 2)));
    expect(disks.every(({ complete }) => !complete)).toBe(true);
  }
});

test('what is not understood counts for nothing', async () => {
  const path = join(await tempFolder(), 'a.digests');
  await written(path);
  const hex = 'ab'.repeat(32);
  await appendFile(
    path,
    `0 9 abc\n0 999999999 ${hex}\n3 1 ${hex}\ndisk 7 sha256 5 {}\ndisk 1 md5 5 {}\nwhat\n`,
  );
  const [disk] = (await readDigests(path))!;
  expect([...disk!.digest.known()].length).toBe(3);
  expect(disk!.complete).toBe(true);
  await appendFile(path, `0 9 ${hex}\n`);
  expect((await readDigests(path))![0]!.complete).toBe(false);
  await writeFile(path, 'hello\n');
  await expect(readDigests(path)).rejects.toMatchObject({ kind: 'corrupt' });
  expect(await readDigests(`${path}.no`)).toBeUndefined();
});

test('without a place for it nothing stops, and it is told once', async () => {
  const failures: AppError[] = [];
  await written(join(await tempFolder(), 'no', 'a.digests'), failures);
  expect(failures.map(({ kind }) => kind)).toEqual(['not-found']);
});

test('it goes with its run', async () => {
  const folder = join(await tempFolder(), 'runs');
  const history = new History(folder, { onFailure: () => undefined, redact: (text) => text });
  const run = await history.open('a', {});
  const file = history.digestFile(run.id);
  file.begin({ id: 'a', name: 'a', size: 5, algorithm: 'sha256' });
  await file.close();
  await run.close({ outcome: 'done' });
  expect(await readdir(folder)).toContain(`${run.id}.digests`);
  expect((await history.digestsOf(run.id))!.map(({ complete }) => complete)).toEqual([false]);
  await history.remove(run.id);
  expect(await readdir(folder)).toEqual([]);
});

import { expect, it } from 'vitest';
import type { Upload } from '../../../../src/guest/change/edit.ts';
import { openExt } from '../../../../src/guest/filesystems/ext/open.ts';
import { fixture, lookingAt } from '../../disks.ts';
import { changed, writable } from './volumes.ts';

const upload = (size: number, ...chunks: readonly Buffer[]): Upload => ({
  ...{ from: '/here', size },
  async *chunks() {
    yield* chunks;
  },
});

it('a file goes into the guest in pieces, a folder with its owner', async () => {
  const disk = writable(fixture('ext4.img'));
  const owner = { uid: 1000, gid: 1001 };
  const after = await changed(disk, [
    { kind: 'folder', path: '/ssh', mode: 0o700, ...owner },
    {
      kind: 'upload',
      path: '/ssh/large',
      ...upload(5000, Buffer.alloc(4000, 1), Buffer.alloc(1000, 2)),
      ...owner,
    },
    { kind: 'upload', path: '/ssh/empty', ...upload(0), mode: 0o600 },
  ]);
  const files = await openExt(lookingAt(after));
  expect(await files.stat('/ssh')).toMatchObject({ kind: 'folder', mode: 0o700, ...owner });
  expect(await files.stat('/ssh/large')).toMatchObject({ size: 5000, mode: 0o644, ...owner });
  expect((await files.read('/ssh/large', 5000))!.subarray(3998, 4002)).toEqual(Buffer.from([1, 1, 2, 2]));
  expect(await files.stat('/ssh/empty')).toMatchObject({ size: 0, mode: 0o600 });
});

it.each([4, 6])('what is no longer as long as it was ends the work (%i)', async (length) => {
  const edit = { kind: 'upload' as const, path: '/x', ...upload(5, Buffer.alloc(length)) };
  await expect(changed(writable(fixture('ext4.img')), [edit])).rejects.toMatchObject({ kind: 'conflict' });
});

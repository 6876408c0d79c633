/** What is said to be free is overwritten: the filesystem's own checker and every file must not notice. */
import { execFileSync } from 'node:child_process';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { freeExtents } from '../../../src/guest/filesystems/free-extents.ts';
import { openFiles } from '../../../src/guest/filesystems/open-files.ts';
import { describeWith } from '../../oracles/requires.ts';
import { tempFolder } from '../../temp.ts';
import { canMount, emptyImage, fillSample, lookingInto, mounted, treeIn } from './whole-tree.ts';

async function overwriteFree(image: string, kind: string): Promise<number> {
  const looking = await lookingInto(image);
  const handle = await open(image, 'r+');
  const noise = Buffer.alloc(2 ** 20, 0xa5);
  let sum = 0;
  let end = 0;
  for await (const { offset, length } of (await freeExtents(looking, kind))!) {
    expect(offset).toBeGreaterThanOrEqual(end);
    end = offset + length;
    sum += length;
    for (let at = offset; at < end; at += noise.length)
      await handle.write(noise, 0, Math.min(noise.length, end - at), at);
  }
  await handle.close();
  return sum;
}

const filesIn = async (image: string, kind: string) => openFiles(await lookingInto(image), kind);

describeWith(['mke2fs', 'e2fsck', 'debugfs'], 'free blocks of ext2/3/4', () => {
  it.each([
    ['ext4', ['-t', 'ext4']],
    ['ext4', ['-t', 'ext4', '-b', '1024', '-O', '^flex_bg']],
    ['ext4', ['-t', 'ext4', '-b', '1024', '-g', '1024', '-O', 'meta_bg,^resize_inode,^64bit']],
    ['ext2', ['-t', 'ext2', '-b', '1024']],
  ])('%s %j', async (kind, args) => {
    const folder = await tempFolder();
    await mkdir(join(folder, 'root'));
    await fillSample(join(folder, 'root'), 100);
    const image = await emptyImage(folder, 40);
    execFileSync('mke2fs', ['-q', '-F', ...args, '-d', join(folder, 'root'), image], { stdio: 'ignore' });
    const before = await filesIn(image, kind);
    const tree = await treeIn(before);
    const sum = await overwriteFree(image, kind);
    expect(sum).toBeLessThanOrEqual(before.facts.freeBytes!);
    expect(sum).toBeGreaterThan(before.facts.freeBytes! * 0.9);
    execFileSync('e2fsck', ['-fn', image], { stdio: 'ignore' });
    expect(await treeIn(await filesIn(image, kind))).toEqual(tree);
  });

  it('says nothing of one that is not clean', async () => {
    const image = await emptyImage(await tempFolder(), 4);
    execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', image], { stdio: 'ignore' });
    execFileSync('debugfs', ['-w', '-R', 'feature needs_recovery', image], { stdio: 'ignore' });
    expect(await freeExtents(await lookingInto(image), 'ext4')).toBeUndefined();
  });
});

describeWith(
  ['mkfs.xfs', 'xfs_repair', 'mkntfs', 'ntfs-3g', 'ntfsfix'],
  'free blocks of XFS and NTFS',
  () => {
    it.skipIf(!canMount)('XFS', async () => {
      const folder = await tempFolder();
      const image = await emptyImage(folder, 320);
      execFileSync('mkfs.xfs', ['-q', image]);
      await mounted(image, folder, (root) => fillSample(root, 100));
      const before = await filesIn(image, 'xfs');
      const tree = await treeIn(before);
      const sum = await overwriteFree(image, 'xfs');
      expect(sum).toBeGreaterThan(before.facts.freeBytes! * 0.9);
      execFileSync('xfs_repair', ['-n', image], { stdio: 'ignore' });
      expect(await treeIn(await filesIn(image, 'xfs'))).toEqual(tree);
    });

    it.skipIf(!canMount)('NTFS', async () => {
      const folder = await tempFolder();
      const image = await emptyImage(folder, 32);
      execFileSync('mkntfs', ['-F', '-q', image], { stdio: 'ignore' });
      await mounted(image, folder, (root) => fillSample(root, 100), ['ntfs-3g']);
      const before = await filesIn(image, 'ntfs');
      const tree = await treeIn(before);
      expect(await overwriteFree(image, 'ntfs')).toBe(before.facts.freeBytes);
      execFileSync('ntfsfix', ['-n', image], { stdio: 'ignore' });
      expect(await treeIn(await filesIn(image, 'ntfs'))).toEqual(tree);
    });
  },
);

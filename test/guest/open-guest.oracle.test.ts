/** Filesystems that the kernel fills, seen as guests: what only their logs and trees of subvolumes tell. */
import { execFileSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { inspectDisk } from '../../src/guest/inspect.ts';
import { describeWith } from '../oracles/requires.ts';
import { tempFolder } from '../temp.ts';
import { canMount, emptyImage, lookingInto, mounted } from './filesystems/whole-tree.ts';

async function putSystem(root: string): Promise<void> {
  await mkdir(join(root, 'etc'), { recursive: true });
  await writeFile(join(root, 'etc/os-release'), 'ID=test\nPRETTY_NAME="Test 1"\n');
}

const inspected = async (image: string) => inspectDisk((await lookingInto(image)).disk);

describeWith(['mkfs.xfs', 'mkfs.btrfs', 'btrfs'], 'a guest that the kernel made', () => {
  it.skipIf(!canMount)('XFS that was not unmounted is told, and what it uses', async () => {
    const folder = await tempFolder();
    const image = await emptyImage(folder, 320);
    const torn = join(folder, 'torn');
    execFileSync('mkfs.xfs', ['-q', image]);
    await mounted(image, folder, async (root) => {
      await putSystem(root);
      execFileSync('sync', ['-f', root]);
      await writeFile(join(root, 'later'), 'x');
      execFileSync('sync', ['-f', root]);
      copyFileSync(image, torn);
    });
    const clean = await inspected(image);
    expect(clean.partitions[0]!.volume).toMatchObject({ kind: 'xfs', state: 'clean', readable: true });
    expect(clean.partitions[0]!.volume!.usedBytes).toBeGreaterThan(0);
    expect(clean.findings).toEqual([]);
    const dirty = await inspected(torn);
    expect(dirty.partitions[0]!.volume).toMatchObject({ state: 'dirty', readable: true });
    expect(dirty.findings.map(({ rule }) => rule)).toEqual(['guest.volume-dirty', 'guest.volume-read']);
  });

  it.skipIf(!canMount)('btrfs with its root in a subvolume of any name, not in a snapshot', async () => {
    const folder = await tempFolder();
    const image = await emptyImage(folder, 220);
    execFileSync('mkfs.btrfs', ['-q', image], { stdio: 'ignore' });
    const btrfs = (...args: string[]) => execFileSync('btrfs', args, { stdio: 'ignore' });
    await mounted(image, folder, async (root) => {
      btrfs('subvolume', 'create', join(root, 'old'));
      await putSystem(join(root, 'old'));
      btrfs('subvolume', 'snapshot', '-r', join(root, 'old'), join(root, 'kept'));
      btrfs('subvolume', 'snapshot', join(root, 'old'), join(root, 'system-a'));
      await writeFile(join(root, 'system-a/etc/hostname'), 'a\n');
      btrfs('subvolume', 'delete', join(root, 'old'));
    });
    const { systems, findings } = await inspected(image);
    expect(systems).toMatchObject([{ name: 'Test 1', hostname: 'a' }]);
    expect(findings).toEqual([]);
  });
});

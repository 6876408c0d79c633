/** mkfs.btrfs makes the filesystems, the kernel fills them and is the second reader. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openBtrfs } from '../../../src/guest/filesystems/btrfs/open.ts';
import { describeWith } from '../../oracles/requires.ts';
import { tempFolder } from '../../temp.ts';
import {
  canMount,
  emptyImage,
  fillSample,
  fragment,
  lookingInto,
  mounted,
  treeIn,
  treeOf,
} from './whole-tree.ts';

const variants: Record<string, { make: string[]; mount: string }> = {
  'as it comes, packed by zlib': { make: [], mount: 'compress-force=zlib' },
  'single copies, LZO': { make: ['-m', 'single', '--csum', 'xxhash'], mount: 'compress-force=lzo' },
  'mixed groups, holes as items, zstd': { make: ['-M', '-O', '^no-holes'], mount: 'compress-force=zstd' },
  'nodes of 4K, SHA-256, plain': { make: ['-n', '4096', '--csum', 'sha256'], mount: 'compress=no' },
};

describeWith(['mkfs.btrfs', 'btrfs'], 'btrfs read as the kernel does', () => {
  it.skipIf(!canMount).each(Object.keys(variants))('%s', async (name) => {
    const folder = await tempFolder();
    const image = await emptyImage(folder, 220);
    const { make, mount } = variants[name]!;
    execFileSync('mkfs.btrfs', ['-q', '-L', 'a label', ...make, image], { stdio: 'ignore' });
    const btrfs = (...args: string[]) => execFileSync('btrfs', args, { encoding: 'utf8' });
    const expected = await mounted(
      image,
      folder,
      async (root) => {
        await fillSample(root, 400);
        await fragment(root, 4096, 200);
        const text = readFileSync(new URL(import.meta.url));
        await writeFile(join(root, 'text'), Buffer.concat(Array.from({ length: 90 }, () => text)));
        await writeFile(join(root, 'short text'), text.subarray(0, 1500));
        await writeFile(
          Buffer.concat([Buffer.from(`${root}/not utf-8: `), Buffer.from([0xff, 0xc3, 0x20])]),
          'x',
        );
        btrfs('subvolume', 'create', join(root, 'below'));
        await mkdir(join(root, 'below', 'inner'));
        await writeFile(join(root, 'below', 'inner', 'file'), 'in a subvolume');
        btrfs('subvolume', 'create', join(root, 'below', 'inner', 'nested'));
        await writeFile(join(root, 'below/inner/nested/file'), 'nested');
        btrfs('subvolume', 'snapshot', join(root, 'below'), join(root, 'snapshot'));
        await writeFile(join(root, 'below', 'inner', 'file'), 'changed since');
        return treeOf(root, false);
      },
      ['mount', '-o', `loop,${mount}`],
    );
    const files = await openBtrfs(await lookingInto(image));
    expect(await treeIn(files, false)).toEqual(expected);
    expect(files.facts).toMatchObject({ label: 'a label', state: 'clean' });
    expect(files.facts.sizeBytes).toBe(220 * 2 ** 20);

    const below = await openBtrfs(await lookingInto(image), '/below');
    expect((await below.read('inner/nested/file', 99))?.toString()).toBe('nested');
    const snapshot = await openBtrfs(await lookingInto(image), 'snapshot');
    expect((await snapshot.read('inner/file', 99))?.toString()).toBe('in a subvolume');
    expect(await snapshot.list('inner/nested')).toEqual([]);
    await expect(openBtrfs(await lookingInto(image), 'none')).rejects.toMatchObject({ kind: 'not-found' });
  });

  it.skipIf(!canMount)('the default subvolume; one device of a mirror; not one of a stripe set', async () => {
    const folder = await tempFolder();
    const image = await emptyImage(folder, 220);
    const second = join(folder, 'second');
    execFileSync('truncate', ['-s', '220M', second]);
    execFileSync('mkfs.btrfs', ['-q', '-d', 'raid1', '-m', 'raid1', image, second], { stdio: 'ignore' });
    const devices = [image, second].map((file) =>
      execFileSync('losetup', ['-f', '--show', file], { encoding: 'utf8' }).trim(),
    );
    try {
      execFileSync('btrfs', ['device', 'scan', ...devices], { stdio: 'ignore' });
      await mounted(
        devices[0]!,
        folder,
        async (root) => {
          execFileSync('btrfs', ['subvolume', 'create', join(root, 'other')], { stdio: 'ignore' });
          await writeFile(join(root, 'other', 'file'), Buffer.alloc(100_000, 'x'));
          execFileSync('btrfs', ['subvolume', 'set-default', join(root, 'other')], { stdio: 'ignore' });
        },
        ['mount'],
      );
    } finally {
      for (const device of devices) execFileSync('losetup', ['-d', device]);
    }
    for (const path of [image, second]) {
      const files = await openBtrfs(await lookingInto(path));
      expect(await files.list('/')).toEqual(['file']);
      expect((await files.read('file', 200_000))?.equals(Buffer.alloc(100_000, 'x'))).toBe(true);
      expect(await (await openBtrfs(await lookingInto(path), '/')).list('/')).toEqual(['other']);
    }
    execFileSync('mkfs.btrfs', ['-q', '-f', '-d', 'raid0', '-m', 'raid0', image, second], {
      stdio: 'ignore',
    });
    await expect(openBtrfs(await lookingInto(image))).rejects.toMatchObject({ kind: 'unsupported' });
  });
});

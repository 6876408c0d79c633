/** mkfs.xfs makes the filesystems, the kernel fills them and is the second reader. */
import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, readdir, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openXfs } from '../../../src/guest/filesystems/xfs/open.ts';
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

const variants: Record<string, string[]> = {
  'as it comes': [],
  '1K blocks, no reflink, no bigtime': ['-b', 'size=1024', '-n', 'size=4096', '-m', 'reflink=0,bigtime=0'],
  'inodes of 2K, many counts of extents': ['-i', 'size=2048,nrext64=1'],
};

describeWith(['mkfs.xfs', 'xfs_db'], 'XFS read as the kernel does', () => {
  it.skipIf(!canMount).each(Object.keys(variants))('%s', async (name) => {
    const folder = await tempFolder();
    const image = await emptyImage(folder, 320);
    execFileSync('mkfs.xfs', ['-q', '-L', 'a label', ...variants[name]!, image]);
    const running = join(folder, 'running');
    const expected = await mounted(image, folder, async (root) => {
      await fillSample(root);
      await fragment(root, 4096, 400);
      await writeFile(
        Buffer.concat([Buffer.from(`${root}/not utf-8: `), Buffer.from([0xff, 0xc3, 0x20])]),
        'x',
      );
      execFileSync('sync', ['-f', root]);
      await copyFile(image, running);
      return treeOf(root);
    });
    const files = await openXfs(await lookingInto(image));
    expect(await treeIn(files)).toEqual(expected);
    const value = (field: string) =>
      Number(
        /= (\d+)/.exec(
          execFileSync('xfs_db', ['-r', '-c', 'sb 0', '-c', `print ${field}`, image]).toString(),
        )![1],
      );
    expect(files.facts).toMatchObject({
      label: 'a label',
      state: 'clean',
      freeBytes: value('fdblocks') * value('blocksize'),
    });
    const made = value('icount') - value('ifree');
    expect(files.facts.inodes! - files.facts.freeInodes!).toBe(made);
    // As many as a quarter of the blocks holds.
    expect(files.facts.inodes).toBe(
      Math.floor((value('dblocks') * value('imax_pct')) / 100) * value('inopblock'),
    );
    expect((await openXfs(await lookingInto(running))).facts.state).toBe('dirty');
  });

  // The kernel may no longer know this version; mkfs fills it by a list of its own.
  it.each(['ftype=0', 'ftype=1'])('version 4, %s', async (ftype) => {
    const folder = await tempFolder();
    const root = join(folder, 'root');
    await mkdir(root);
    await fillSample(root);
    const list = join(folder, 'list');
    await writeFile(list, `/none\n0 0\nd--755 0 0\n${await protoOf(root)}$\n`);
    const image = await emptyImage(folder, 320);
    execFileSync('mkfs.xfs', ['-q', '-m', 'crc=0', '-n', ftype, '-p', list, image]);
    const files = await openXfs(await lookingInto(image));
    const expected = Object.entries(await treeOf(root, false)).filter(([path]) => !path.includes(' '));
    expect(await treeIn(files, false)).toEqual(Object.fromEntries(expected));
    expect(files.facts.state).toBe('clean');
  });
});

/** What `mkfs.xfs -p` reads; names with blanks can't be told to it. */
async function protoOf(folder: string): Promise<string> {
  let out = '';
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.name.includes(' ')) continue;
    if (entry.isDirectory()) out += `${entry.name} d--755 0 0\n${await protoOf(path)}$\n`;
    else if (entry.isSymbolicLink()) out += `${entry.name} l--777 0 0 ${await readlink(path)}\n`;
    else out += `${entry.name} ---644 0 0 ${path}\n`;
  }
  return out;
}

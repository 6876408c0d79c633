/** genisoimage and xorriso make the images; what they were made of is what must come out. */
import { execFileSync } from 'node:child_process';
import { mkdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openIso9660 } from '../../../src/guest/filesystems/iso9660/open.ts';
import { describeWith } from '../../oracles/requires.ts';
import { tempFolder } from '../../temp.ts';
import { fillSample, lookingInto, patterned, treeIn, treeOf } from './whole-tree.ts';

const deep = 'a/b/c/d/e/f/g/h/i/j/k';

async function sample(): Promise<{ folder: string; root: string }> {
  const folder = await tempFolder();
  const root = join(folder, 'root');
  await mkdir(join(root, deep), { recursive: true });
  await fillSample(root, 200);
  await writeFile(join(root, deep, 'far down'), 'here');
  return { folder, root };
}

describeWith(['genisoimage', 'xorriso'], 'ISO 9660 comes out as it went in', () => {
  it('Rock Ridge by xorriso: names, modes, owners, times, links', async () => {
    const { folder, root } = await sample();
    await utimes(join(root, 'etc'), 1e9, 1e9);
    const image = join(folder, 'image');
    execFileSync('xorriso', ['-as', 'mkisofs', '-R', '-V', 'A_LABEL', '-o', image, root], {
      stdio: 'ignore',
    });
    const files = await openIso9660(await lookingInto(image));
    expect(await treeIn(files)).toEqual(await treeOf(root));
    expect(files.facts).toMatchObject({ label: 'A_LABEL', state: 'clean' });
    const blkid = execFileSync('blkid', ['-p', '-o', 'export', image], { encoding: 'utf8' });
    expect(files.facts.uuid).toBe(/^UUID=(.*)$/m.exec(blkid)![1]);
  });

  // Without links of many components: genisoimage comes to no end on them.
  it('Rock Ridge by genisoimage, folders moved up that lay too deep', async () => {
    const folder = await tempFolder();
    const root = join(folder, 'root');
    await mkdir(join(root, deep), { recursive: true });
    await writeFile(join(root, deep, 'far down'), 'here');
    await symlink('../../b', join(root, 'a/b/link'));
    const image = join(folder, 'image');
    execFileSync('genisoimage', ['-quiet', '-R', '-o', image, root], {
      timeout: 20_000,
      stdio: 'ignore',
    });
    const tree = await treeIn(await openIso9660(await lookingInto(image)));
    // The folder that the moved ones lie in.
    delete tree['/rr_moved'];
    expect(tree).toEqual(await treeOf(root));
  });

  it('Joliet, and the plain names', async () => {
    const folder = await tempFolder();
    const root = join(folder, 'root');
    await mkdir(join(root, 'drivers/Ärger w10'), { recursive: true });
    await writeFile(join(root, 'drivers/Ärger w10/viostor long name.inf'), patterned(5000));
    await writeFile(join(root, 'Autorun'), 'run');
    const image = join(folder, 'image');
    execFileSync('genisoimage', ['-quiet', '-J', '-V', 'virtio-win-0.1', '-o', image, root], {
      stdio: 'ignore',
    });
    const files = await openIso9660(await lookingInto(image));
    expect(await treeIn(files, false)).toEqual(await treeOf(root, false));
    expect((await files.read('DRIVERS/ÄRGER W10/VIOSTOR LONG NAME.INF', 9999))?.equals(patterned(5000))).toBe(
      true,
    );
    expect(files.facts.label).toBe('virtio-win-0.1');
    execFileSync('genisoimage', ['-quiet', '-o', image, root], { stdio: 'ignore' });
    const plain = await openIso9660(await lookingInto(image));
    expect((await plain.list('/')).sort()).toEqual(['AUTORUN', 'DRIVERS']);
    expect((await plain.read('autorun', 99))?.toString()).toBe('run');
    expect(plain.facts.notes).toEqual([]);
    execFileSync('genisoimage', ['-quiet', '-udf', '-o', image, root], { stdio: 'ignore' });
    expect((await openIso9660(await lookingInto(image))).facts.notes.join()).toContain('UDF');
  });
});

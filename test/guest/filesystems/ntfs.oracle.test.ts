/** mkntfs makes the filesystems, ntfs-3g fills them and is the second reader. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openNtfs } from '../../../src/guest/filesystems/ntfs/open.ts';
import { describeWith } from '../../oracles/requires.ts';
import { tempFolder } from '../../temp.ts';
import {
  canMount,
  emptyImage,
  fillSample,
  fragment,
  lookingInto,
  mounted,
  patterned,
  treeIn,
  treeOf,
} from './whole-tree.ts';

const variants: Record<string, { make: string[]; mount: string[] }> = {
  'as it comes': { make: [], mount: [] },
  'clusters of 512': { make: ['-c', '512'], mount: [] },
  'clusters of 64K': { make: ['-c', '65536'], mount: [] },
  compressed: { make: ['-C'], mount: ['-o', 'compression'] },
};

describeWith(['mkntfs', 'ntfs-3g', 'ntfsinfo'], 'NTFS read as ntfs-3g does', () => {
  it.skipIf(!canMount).each(Object.keys(variants))('%s', async (name) => {
    const folder = await tempFolder();
    const image = await emptyImage(folder, 64);
    const { make, mount } = variants[name]!;
    execFileSync('mkntfs', ['-F', '-q', '-L', 'a label', ...make, image], { stdio: 'ignore' });
    const expected = await mounted(
      image,
      folder,
      async (root) => {
        await fillSample(root, 400);
        await fragment(root, 4096, 900);
        // Texts that shrink, beside some that don't.
        const text = readFileSync(new URL(import.meta.url));
        const noise = Buffer.from(
          Array.from({ length: 70_000 }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 24),
        );
        await writeFile(
          join(root, 'text'),
          Buffer.concat([text, noise, Buffer.alloc(200_000), text, patterned(99)]),
        );
        await mkdir(join(root, 'Case'));
        await writeFile(join(root, 'Case', 'Ünïcode.TXT'), 'upper');
        return treeOf(root, false);
      },
      ['ntfs-3g', ...mount],
    );
    const files = await openNtfs(await lookingInto(image));
    expect(await treeIn(files, false)).toEqual(expected);
    expect((await files.read('/cASE/üNÏCODE.txt', 99))?.toString()).toBe('upper');
    expect(await files.stat('/case/ünicode.txt')).toBeUndefined();
    const info = execFileSync('ntfsinfo', ['-m', image]).toString();
    const value = (field: string) => Number(new RegExp(`${field}: (\\d+)`).exec(info)![1]);
    expect(files.facts).toMatchObject({
      label: 'a label',
      state: 'clean',
      freeBytes: value('Free Clusters') * value('Cluster Size'),
    });
  });
});

/** A filesystem copied while it was in use: with its journal replayed it is what the kernel makes of it. */
import { execFileSync } from 'node:child_process';
import { copyFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openExt } from '../../../src/guest/filesystems/ext/open.ts';
import { describeWith } from '../../oracles/requires.ts';
import { tempFolder } from '../../temp.ts';
import { canMount, emptyImage, fillSample, lookingInto, mounted, treeIn, treeOf } from './whole-tree.ts';

describeWith(['mke2fs', 'dumpe2fs'], 'the journal of ext3/4', () => {
  it.skipIf(!canMount).each([
    ['ext4', ['-t', 'ext4']],
    ['ext4 without 64bit and checksums', ['-t', 'ext4', '-b', '1024', '-O', '^64bit,^metadata_csum']],
    ['ext3', ['-t', 'ext3']],
  ])('%s', async (_name, args) => {
    const folder = await tempFolder();
    const image = await emptyImage(folder, 64);
    execFileSync('mke2fs', ['-q', '-F', ...args, image], { stdio: 'ignore' });
    const running = join(folder, 'running');
    await mounted(image, folder, async (root) => {
      await fillSample(root, 100);
      execFileSync('sync', ['-f', root]);
      await rm(join(root, 'many'), { recursive: true });
      await writeFile(join(root, 'etc', 'new file'), 'new');
      execFileSync('sync', ['-f', root]);
      await copyFile(image, running);
    });
    expect(
      execFileSync('dumpe2fs', ['-h', running], { stdio: ['ignore', 'pipe', 'ignore'] }).toString(),
    ).toContain('needs_recovery');
    const files = await openExt(await lookingInto(running));
    expect(files.facts.state).toBe('dirty');
    expect(files.facts.notes.join()).toMatch(/[1-9]\d* transactions/);
    const tree = await treeIn(files);
    expect((await files.read('/etc/new file', 9))?.toString()).toBe('new');
    expect(tree).toEqual(await mounted(running, folder, (root) => treeOf(root)));
  });
});

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { shrink } from '../../src/convert/shrink.ts';
import { sourceDisk } from '../../src/io/disk.ts';
import { fileSource } from '../../src/io/file-source.ts';
import { copyOnWrite, memoryStore } from '../../src/io/writable-disk.ts';
import { describeWith } from '../oracles/requires.ts';
import { tempFolder } from '../temp.ts';

const run = promisify(execFile);

describeWith(['mke2fs', 'e2fsck', 'debugfs', 'mkswap'], 'what filesystems do not use', () => {
  it('is left out: what was deleted and what was swapped; the files stay', async () => {
    const folder = await tempFolder();
    await mkdir(join(folder, 'root'));
    await writeFile(join(folder, 'root', 'kept'), randomBytes(300_000));
    await writeFile(join(folder, 'root', 'deleted'), randomBytes(4_000_000));
    const image = join(folder, 'fs.img');
    await run('mke2fs', ['-q', '-t', 'ext4', '-d', join(folder, 'root'), image, '16M']);
    await run('debugfs', ['-w', '-R', 'rm /deleted', image]);
    const overlay = copyOnWrite(sourceDisk(await fileSource(image)), memoryStore(1 << 20));
    const { bytes, findings } = await shrink([overlay], new AbortController().signal);
    expect(findings).toEqual([]);
    expect(bytes).toBeGreaterThan(3_500_000);
    const out = join(folder, 'out.img');
    const file = await open(out, 'w');
    const buffer = Buffer.alloc(overlay.size);
    await overlay.read(buffer, 0);
    await file.write(buffer);
    await file.close();
    await run('e2fsck', ['-fn', out]);
    await run('debugfs', ['-R', `dump /kept ${join(folder, 'kept')}`, out]);
    expect((await readFile(join(folder, 'kept'))).equals(await readFile(join(folder, 'root', 'kept')))).toBe(
      true,
    );
    await overlay.close();

    const swap = join(folder, 'swap.img');
    await writeFile(swap, randomBytes(4 << 20));
    await run('mkswap', ['-q', swap]);
    const space = copyOnWrite(sourceDisk(await fileSource(swap)), memoryStore(1 << 20));
    expect((await shrink([space], new AbortController().signal)).bytes).toBe((4 << 20) - 65_536);
    await space.close();
  });
});

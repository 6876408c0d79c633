/** mkfs.vfat and mtools make the filesystems, mtools is the second reader. */
import { execFileSync } from 'node:child_process';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openFat } from '../../../src/guest/filesystems/fat/open.ts';
import type { Looking } from '../../../src/guest/looking.ts';
import { recognise } from '../../../src/guest/volumes/recognise.ts';
import { cached } from '../../../src/io/cached.ts';
import { sourceDisk } from '../../../src/io/disk.ts';
import { fileSource } from '../../../src/io/file-source.ts';
import { describeWith } from '../../oracles/requires.ts';
import { tempFolder } from '../../temp.ts';

const variants: Record<string, { bits: number; mebibytes: number; args: string[] }> = {
  FAT12: { bits: 12, mebibytes: 2, args: [] },
  'FAT12, large clusters': { bits: 12, mebibytes: 16, args: ['-s', '16'] },
  FAT16: { bits: 16, mebibytes: 20, args: [] },
  'FAT16, sectors of 4096': { bits: 16, mebibytes: 64, args: ['-S', '4096', '-s', '1'] },
  FAT32: { bits: 32, mebibytes: 64, args: ['-s', '1'] },
  'FAT32, one table': { bits: 32, mebibytes: 64, args: ['-s', '1', '-f', '1'] },
};

describeWith(['mkfs.vfat', 'mcopy', 'mmd', 'mdir', 'blkid'], 'FAT read as mtools does', () => {
  it.each(Object.keys(variants))('%s', async (name) => {
    const { bits, mebibytes, args } = variants[name]!;
    const folder = await tempFolder();
    const image = join(folder, 'image');
    const handle = await open(image, 'wx');
    await handle.truncate(mebibytes * 2 ** 20);
    await handle.close();
    execFileSync('mkfs.vfat', ['-F', String(bits), '-n', 'SOME LABEL', ...args, image], { stdio: 'ignore' });
    const tool = (program: string, ...rest: string[]) =>
      execFileSync(program, ['-i', image, ...rest], { env: { ...process.env, MTOOLS_SKIP_CHECK: '1' } });
    const large = Buffer.from(Array.from({ length: 300_001 }, (_, i) => (i * 31 + (i >> 8)) & 0xff));
    await writeFile(join(folder, 'large'), large);
    await writeFile(join(folder, 'hole'), 'short');
    tool('mmd', '::EFI', '::EFI/many names');
    // A file written after another was deleted lies in pieces.
    tool('mcopy', join(folder, 'hole'), '::EFI/hole');
    tool('mcopy', join(folder, 'hole'), '::EFI/after');
    tool('mdel', '::EFI/hole');
    tool('mcopy', join(folder, 'large'), '::EFI/large file with a name of more than 26 letters.bin');
    for (let i = 0; i < 40; i++)
      tool('mcopy', join(folder, 'hole'), `::EFI/many names/Nr ${i} of umlauts äöü.txt`);

    const looking: Looking = {
      disk: cached(sourceDisk(await fileSource(image))),
      signal: undefined,
      findings: [],
    };
    onTestFinished(() => looking.disk.close());
    const files = await openFat(looking);
    expect(
      (await files.read('EFI/LARGE FILE with a name of more than 26 letters.bin', 2 ** 20))?.equals(large),
    ).toBe(true);
    const file = (await files.open('EFI/large file with a name of more than 26 letters.bin'))!;
    for (const at of [0, 70_001, 140_000, 3, 299_999, 512])
      expect((await file.readAt(at, 70_001)).equals(large.subarray(at, at + 70_001)), `at ${at}`).toBe(true);
    expect((await files.read('EFI/after', 99))?.toString()).toBe('short');
    expect(await files.read('EFI/hole', 99)).toBeUndefined();
    const names = await files.list('EFI/many names');
    expect(names).toHaveLength(40);
    expect(names.every((n) => n.startsWith('Nr '))).toBe(true);

    const volume = (await recognise(looking))!;
    const blkid = execFileSync('blkid', ['-p', '-o', 'export', image], { encoding: 'utf8' });
    const fact = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(blkid)?.[1]?.replace(/\\ /g, ' ');
    expect([volume.kind, volume.label, volume.uuid]).toEqual([`fat${bits}`, fact('LABEL'), fact('UUID')]);
    expect(fact('VERSION')).toBe(`FAT${bits}`);
    expect(volume).toMatchObject({ state: 'clean', sizeBytes: mebibytes * 2 ** 20 });
  });
});

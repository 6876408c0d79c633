/** mke2fs makes the filesystems, debugfs is the second reader. */
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openExt } from '../../../src/guest/filesystems/ext/open.ts';
import type { Looking } from '../../../src/guest/looking.ts';
import { recognise } from '../../../src/guest/volumes/recognise.ts';
import { cached } from '../../../src/io/cached.ts';
import { sourceDisk } from '../../../src/io/disk.ts';
import { fileSource } from '../../../src/io/file-source.ts';
import { describeWith } from '../../oracles/requires.ts';
import { tempFolder } from '../../temp.ts';

const variants: Record<string, string[]> = {
  'ext2, 1K': ['-t', 'ext2', '-b', '1024'],
  'ext2, 4K': ['-t', 'ext2', '-b', '4096'],
  'ext2, 128-byte inodes': ['-t', 'ext2', '-I', '128'],
  'ext3, 1K': ['-t', 'ext3', '-b', '1024'],
  'ext4, 1K, 64bit': ['-t', 'ext4', '-b', '1024', '-O', '64bit'],
  'ext4, 2K, no 64bit': ['-t', 'ext4', '-b', '2048', '-O', '^64bit,^metadata_csum'],
  'ext4, 4K': ['-t', 'ext4', '-b', '4096'],
  'ext4, 64K': ['-t', 'ext4', '-b', '65536'],
  'ext4, no extents': ['-t', 'ext4', '-O', '^extents,^64bit'],
  'ext4, inline_data': ['-t', 'ext4', '-O', 'inline_data', '-I', '512'],
  'ext4, meta_bg': ['-t', 'ext4', '-b', '1024', '-O', 'meta_bg,^resize_inode'],
  'ext4, meta_bg, not sparse': [
    '-t',
    'ext4',
    '-b',
    '1024',
    '-g',
    '1024',
    '-O',
    'meta_bg,^resize_inode,^sparse_super,^64bit',
  ],
  'ext4, sparse_super2': ['-t', 'ext4', '-b', '1024', '-O', 'sparse_super2,meta_bg,^resize_inode'],
  'ext4, bigalloc': ['-t', 'ext4', '-b', '4096', '-O', 'bigalloc', '-C', '16384'],
  'ext4, few blocks per group': ['-t', 'ext4', '-b', '1024', '-g', '512'],
};

async function rootFolder(): Promise<string> {
  const root = join(await tempFolder(), 'root');
  await mkdir(join(root, 'etc/deep/er'), { recursive: true });
  await mkdir(join(root, 'many'));
  const pattern = Buffer.from(Array.from({ length: 300_001 }, (_, i) => (i * 31 + (i >> 8)) & 0xff));
  await writeFile(join(root, 'etc/large'), pattern);
  await writeFile(join(root, 'etc/deep/er/empty'), '');
  await writeFile(join(root, 'etc/small'), 'x'.repeat(59));
  await writeFile(join(root, 'etc/inline'), 'y'.repeat(130));
  for (const length of [1, 59, 60, 61, 200])
    await symlink(`${`${'./'.repeat(length)}`.slice(0, length - 1)}s`, join(root, `link${length}`));
  await symlink('../large', join(root, 'etc/deep/up'));
  for (let i = 0; i < 600; i++)
    await writeFile(join(root, 'many', `number-${i}-${'z'.repeat(i % 50)}`), String(i));
  return root;
}

const debugfs = (image: string, command: string): Buffer =>
  execFileSync('debugfs', ['-R', command, image], {
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 2 ** 24,
  });

describeWith(['mke2fs', 'debugfs', 'e2fsck', 'blkid'], 'ext2/3/4 read as debugfs does', () => {
  it.each(Object.keys(variants))('%s', async (name) => {
    const image = join(await tempFolder(), 'image');
    const root = await rootFolder();
    const args = ['-q', '-F', '-L', 'a label', ...variants[name]!, '-d', root, image, '40M'];
    execFileSync('mke2fs', args, { stdio: 'ignore' });
    // Makes hashed folders, which mke2fs -d does not; and proves the image sound.
    execFileSync('e2fsck', ['-fyD', image], { stdio: 'ignore' });
    const looking: Looking = {
      disk: cached(sourceDisk(await fileSource(image))),
      signal: undefined,
      findings: [],
    };
    onTestFinished(() => looking.disk.close());
    const files = await openExt(looking);
    for (const path of [
      '/etc/large',
      '/etc/small',
      '/etc/inline',
      '/etc/deep/er/empty',
      `/many/number-599-${'z'.repeat(49)}`,
    ]) {
      const content = (await files.read(path, 2 ** 20))!;
      expect(content.equals(await readFile(join(root, path))), path).toBe(true);
      // Of a short inline file debugfs prints all 60 bytes of the field that it lies in.
      expect(content.equals(debugfs(image, `cat ${path}`).subarray(0, content.length)), path).toBe(true);
    }
    expect((await files.read('/etc/deep/up', 10))?.length).toBe(10);
    const listed = debugfs(image, 'ls -p /many')
      .toString()
      .trim()
      .split('\n')
      .map((line) => line.split('/')[5]!);
    expect((await files.list('/many')).sort()).toEqual(listed.filter((n) => n !== '.' && n !== '..').sort());

    const volume = (await recognise(looking))!;
    const blkid = execFileSync('blkid', ['-p', '-o', 'export', image], { encoding: 'utf8' });
    const fact = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(blkid)?.[1]?.replace(/\\ /g, ' ');
    expect([volume.kind, volume.label, volume.uuid]).toEqual([fact('TYPE'), fact('LABEL'), fact('UUID')]);
    expect(volume.state).toBe('clean');
    const stats = debugfs(image, 'stats -h').toString();
    const count = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(stats)![1]);
    const bytes = count('Block size') * count('Block count');
    expect(volume.sizeBytes).toBe(bytes);
    expect(volume.usedBytes).toBe(bytes - count('Block size') * count('Free blocks'));
  });
});

import { execFileSync, spawnSync } from 'node:child_process';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Edit } from '../../../../src/guest/change/edit.ts';
import { describeWith } from '../../../oracles/requires.ts';
import { tempFolder } from '../../../temp.ts';
import { change, fileDisk } from './volumes.ts';

const run = (command: string, args: readonly string[], input?: string) =>
  execFileSync(command, args, {
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(input === undefined ? {} : { input }),
  });
const debugfs = (image: string, command: string) => run('debugfs', ['-R', command, image]);
const checked = (command: string, args: readonly string[]) => {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8' });
  return status === 0 ? '0' : `${status}: ${stdout}`;
};
const filler = (length: number) => Buffer.from(Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 0xff));

describeWith(
  ['mke2fs', 'e2fsck', 'debugfs', 'setfattr'],
  'what the built-in engine writes to ext, judged by e2fsprogs',
  () => {
    it.each([
      ['ext2', '-b 1024'],
      ['ext4', '-O ^metadata_csum,^64bit'],
      [
        'ext4',
        '-O metadata_csum,64bit,metadata_csum_seed,large_dir,ea_inode,encrypt,stable_inodes,fast_commit',
      ],
      ['ext4', '-b 2048 -O orphan_file,meta_bg,^resize_inode -I 128'],
    ])('%s %s', async (kind, features) => {
      const folder = await tempFolder();
      const image = join(folder, 'image');
      await writeFile(image, '');
      await truncate(image, 48 * 2 ** 20);
      run('mke2fs', ['-q', '-F', '-t', kind, ...features.split(' ').filter((word) => word !== ''), image]);
      // A folder with an index, a file with attributes, mode and owner, a name that is no UTF-8.
      const names = Array.from({ length: 200 }, (_, i) => `write /dev/null many/a-name-of-some-length-${i}`);
      await writeFile(join(folder, 'kept'), 'before');
      const script = [
        ...['mkdir many', ...names, `write ${join(folder, 'kept')} kept`],
        ...['sif kept mode 0104751', 'sif kept uid 70000', 'sif kept gid 12'],
        ...['ea_set kept user.note hello', 'ea_set kept security.capability abc'],
      ];
      run('debugfs', ['-w', '-f', '-', image], `${script.join('\n')}\n`);
      spawnSync('e2fsck', ['-fyD', image]);
      const large = filler(5 * 2 ** 20 + 17);
      const edits: Edit[] = [
        { kind: 'write', path: '/kept', content: filler(70_000), before: Buffer.from('before') },
        { kind: 'folder', path: '/new folder', mode: 0o2750 },
        { kind: 'write', path: '/new folder/n\udce4me "odd"', content: large, mode: 0o600, uid: 5, gid: 6 },
        { kind: 'append', path: '/new folder/n\udce4me "odd"', content: filler(2 ** 20), size: large.length },
        { kind: 'copy', path: '/copied', from: '/new folder/n\udce4me "odd"', size: large.length + 2 ** 20 },
        ...Array.from(
          { length: 30 },
          (_, i): Edit => ({ kind: 'folder', path: `/many/a-folder-of-some-length-${i}` }),
        ),
        ...Array.from(
          { length: 30 },
          (_, i): Edit => ({ kind: 'write', path: `/many/a-new-name-${i}`, content: filler(i) }),
        ),
        ...Array.from(
          { length: 30 },
          (_, i): Edit => ({ kind: 'remove', path: `/many/a-name-of-some-length-${i * 3}` }),
        ),
        { kind: 'link', path: '/short', target: '../x y' },
        { kind: 'link', path: '/long', target: 'y'.repeat(200) },
        { kind: 'link', path: '/long', target: 'replaced', before: 'y'.repeat(200) },
        { kind: 'folder', path: '/gone' },
        { kind: 'remove-folder', path: '/gone' },
      ];
      await change(await fileDisk(image), edits);
      expect(checked('e2fsck', ['-fn', image])).toBe('0');
      const out = join(folder, 'out');
      debugfs(image, `dump /copied ${out}`);
      expect((await readFile(out)).equals(Buffer.concat([large, filler(2 ** 20)]))).toBe(true);
      const kept = debugfs(image, 'stat /kept');
      expect(kept).toMatch(/Mode: +04751/);
      expect(kept).toMatch(/User: 70000 +Group: +12 .*Size: 70000/);
      expect(debugfs(image, 'ea_list /kept')).toMatch(
        /user\.note \(5\) = "hello"[\s\S]*security\.capability|security\.capability[\s\S]*user\.note/,
      );
      expect(debugfs(image, 'stat "/new folder"')).toMatch(/Type: directory +Mode: +02750/);
      expect(debugfs(image, 'stat /copied')).toMatch(/Mode: +0600[\s\S]*User: +5 +Group: +6/);
      expect(debugfs(image, 'ls -p /')).not.toContain('/gone/');
      expect(debugfs(image, 'stat /long')).toMatch(/Fast link dest: "replaced"/);
    });

    it('a filesystem of a terabyte', async () => {
      const image = join(await tempFolder(), 'image');
      await writeFile(image, '');
      await truncate(image, 2 ** 40);
      run('mke2fs', ['-q', '-F', '-t', 'ext4', '-J', 'size=4', '-E', 'lazy_itable_init=1,nodiscard', image]);
      await change(await fileDisk(image), [
        { kind: 'write', path: '/file', content: Buffer.alloc(9000, 'a') },
      ]);
      expect(debugfs(image, 'cat /file')).toHaveLength(9000);
    });
  },
);

describeWith(
  ['mkfs.vfat', 'fsck.vfat', 'mtype'],
  'what the built-in engine writes to FAT, judged by dosfstools and mtools',
  () => {
    it.each([
      ['12', 2, []],
      ['16', 40, []],
      ['32', 80, ['-s', '1']],
      ['32', 300, ['-S', '4096']],
    ] as const)('FAT%s of %i MiB %j', async (bits, mebibytes, more) => {
      const image = join(await tempFolder(), 'image');
      await writeFile(image, '');
      await truncate(image, mebibytes * 2 ** 20);
      run('mkfs.vfat', ['-F', bits, ...more, image]);
      const large = filler(900_000);
      await change(
        await fileDisk(image),
        [
          { kind: 'folder', path: '/EFI' },
          { kind: 'folder', path: '/EFI/A vendor of söme kind' },
          { kind: 'write', path: '/EFI/A vendor of söme kind/shimx64.efi', content: large },
          {
            kind: 'append',
            path: '/EFI/A vendor of söme kind/shimx64.efi',
            content: filler(100_001),
            size: 900_000,
          },
          ...Array.from(
            { length: 40 },
            (_, i): Edit => ({
              kind: 'write',
              path: `/EFI/a file with a long name ${i}`,
              content: filler(i * 99),
            }),
          ),
          { kind: 'write', path: '/EFI/a file with a long name 7', content: Buffer.from('short') },
          { kind: 'remove', path: '/EFI/a file with a long name 8' },
          { kind: 'copy', path: '/EFI/bootx64.efi', from: '/EFI/a file with a long name 39', size: 39 * 99 },
        ],
        { kind: 'vfat' },
      );
      expect(checked('fsck.vfat', ['-n', image])).toBe('0');
      const type = (path: string) =>
        execFileSync('mtype', ['-i', image, `::${path}`], {
          env: { ...process.env, LC_ALL: 'C.UTF-8', MTOOLS_SKIP_CHECK: '1' },
        });
      expect(
        type('/EFI/A vendor of söme kind/shimx64.efi').equals(Buffer.concat([large, filler(100_001)])),
      ).toBe(true);
      expect(type('/EFI/a file with a long name 7').toString()).toBe('short');
      expect(type('/EFI/BOOTX64.EFI').equals(filler(39 * 99))).toBe(true);
    });
  },
);

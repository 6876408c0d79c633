import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { addedSegment, buildCpio, withFolders } from '../../../src/guest/formats/initramfs/build-cpio.ts';
import { fileKind } from '../../../src/guest/formats/initramfs/cpio.ts';
import { summariseInitramfs } from '../../../src/guest/formats/initramfs/summary.ts';
import { describeWith } from '../../oracles/requires.ts';
import { tempFolder } from '../../temp.ts';

const packers: Record<string, string[]> = {
  gzip: ['gzip', '-9nc'],
  xz: ['xz', '--check=crc32', '--lzma2=dict=1MiB', '-c'],
  zstd: ['zstd', '-q', '-19', '-c'],
  lz4: ['lz4', '-q', '-l', '-c'],
  bzip2: ['bzip2', '-c'],
  lzma: ['lzma', '-c'],
};

const added = buildCpio(
  withFolders([
    { name: 'lib/modules/6.1.0/extra/virtio-scsi.ko', content: Buffer.alloc(777, 3), mtime: 1_600_000_000 },
    { name: 'lib/link', mode: fileKind.link | 0o777, content: Buffer.from('modules') },
    { name: 'bin/run', mode: fileKind.file | 0o755, content: Buffer.from('#!/bin/sh\n') },
  ]),
);

describeWith(
  ['cpio', 'xz', 'zstd', 'lz4', 'lzop', 'bzip2', 'lsinitramfs'],
  'initramfs and foreign tools',
  () => {
    it('reads what cpio wrote, packed in each way, with another archive behind it', async () => {
      const folder = await tempFolder();
      const modules = join(folder, 'tree/lib/modules/6.1.0/kernel');
      await mkdir(modules, { recursive: true });
      await mkdir(join(folder, 'tree/conf'));
      await writeFile(join(folder, 'tree/conf/initramfs.conf'), 'MODULES=most\n');
      for (const name of ['ahci.ko', 'dm-mod.ko.zst', 'e1000.ko.xz']) {
        await writeFile(
          join(modules, name),
          Buffer.from(Array.from({ length: 90_000 }, (_, i) => (i * i * 7) >> 3)),
        );
      }
      const cpio = execFileSync('sh', ['-c', 'find . | cpio -o -H newc --quiet'], {
        cwd: join(folder, 'tree'),
        maxBuffer: 2 ** 28,
      });
      const endless = ['bzip2', 'lzma'];
      for (const [packing, [tool, ...args]] of Object.entries(packers)) {
        const packed = execFileSync(tool!, args, { input: cpio, maxBuffer: 2 ** 28 });
        const whole = endless.includes(packing)
          ? packed
          : Buffer.concat([packed, addedSegment(packed.length, added)]);
        const summary = await summariseInitramfs(whole);
        expect(summary.segments.map((s) => s.packing)).toEqual(
          endless.includes(packing) ? [packing] : [packing, 'none'],
        );
        expect(summary.generator).toBe('initramfs-tools');
        expect(summary.drivers).toEqual([
          'ahci',
          'dm_mod',
          'e1000',
          ...(endless.includes(packing) ? [] : ['virtio_scsi']),
        ]);
      }
      const lzo = execFileSync('lzop', ['-c'], { input: cpio, maxBuffer: 2 ** 28 });
      expect((await summariseInitramfs(lzo)).segments).toMatchObject([{ packing: 'lzo' }]);
    });

    it('writes what cpio and lsinitramfs read', async () => {
      const folder = await tempFolder();
      const listing = execFileSync('cpio', ['-itv', '--quiet'], { input: added, encoding: 'utf8' });
      expect(listing).toMatch(
        /-rw-r--r-- .* 777 Sep 13 {2}2020 lib\/modules\/6\.1\.0\/extra\/virtio-scsi\.ko/,
      );
      expect(listing).toMatch(/lib\/link -> modules/);
      expect(listing).toMatch(/-rwxr-xr-x .*bin\/run/);
      const path = join(folder, 'initrd');
      const early = buildCpio(withFolders([{ name: 'kernel/x86/microcode/x', content: Buffer.alloc(100) }]));
      await writeFile(path, Buffer.concat([early, addedSegment(early.length, added, 'gzip')]));
      const names = execFileSync('lsinitramfs', [path], { encoding: 'utf8' }).trim().split('\n');
      expect(names).toContain('lib/modules/6.1.0/extra/virtio-scsi.ko');
      expect(names).toContain('kernel/x86/microcode/x');
    });
  },
);

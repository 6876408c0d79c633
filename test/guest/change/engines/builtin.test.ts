import { describe, expect, it } from 'vitest';
import type { Edit } from '../../../../src/guest/change/edit.ts';
import { builtin } from '../../../../src/guest/change/engines/builtin/engine.ts';
import { openExt } from '../../../../src/guest/filesystems/ext/open.ts';
import { openFat } from '../../../../src/guest/filesystems/fat/open.ts';
import { fixture, lookingAt } from '../../disks.ts';
import { change, changed, volumeOn, writable } from './volumes.ts';

const bytes = (text: string) => Buffer.from(text);
const refusal = (image: Buffer, kind: string, edits: readonly Edit[] = []) =>
  builtin.refuses(volumeOn(writable(image), { kind }), edits, new AbortController().signal);

describe('the built-in engine on ext', () => {
  it.each(['ext2.img', 'ext4.img'])('makes every kind of edit in %s', async (name) => {
    const large = Buffer.alloc(40_000, 'abc');
    const image = await changed(writable(fixture(name)), [
      { kind: 'write', path: '/etc/fstab', content: large, before: bytes('old') },
      { kind: 'folder', path: '/etc/new', mode: 0o700 },
      { kind: 'write', path: '/etc/new/key', content: bytes('x'), mode: 0o600, uid: 7, gid: 8 },
      { kind: 'write', path: '/etc/new/plain', content: Buffer.alloc(0) },
      { kind: 'append', path: '/etc/hostname', content: bytes('more\n'), size: 5 },
      { kind: 'copy', path: '/etc/copy', from: '/etc/fstab', size: large.length },
      { kind: 'remove', path: '/many/a-rather-long-name-number-7' },
      { kind: 'link', path: '/etc/os-release', target: '/somewhere/else' },
      { kind: 'link', path: '/etc/long', target: 'x/y'.repeat(40) },
    ]);
    const files = await openExt(lookingAt(image));
    expect((await files.read('/etc/fstab', 1 << 20))?.equals(large)).toBe(true);
    expect((await files.read('/etc/copy', 1 << 20))?.equals(large)).toBe(true);
    expect((await files.read('/etc/hostname', 100))?.toString()).toBe('tiny\nmore\n');
    expect(await files.stat('/etc/new')).toMatchObject({ kind: 'folder', mode: 0o700, uid: 0 });
    expect(await files.stat('/etc/new/key')).toMatchObject({ mode: 0o600, uid: 7, gid: 8, size: 1 });
    expect(await files.stat('/etc/new/plain')).toMatchObject({ mode: 0o644, uid: 0, gid: 0, size: 0 });
    expect(await files.readlink('/etc/os-release')).toBe('/somewhere/else');
    expect(await files.readlink('/etc/long')).toBe('x/y'.repeat(40));
    expect(await files.list('/many')).toHaveLength(99);
  });

  it('keeps the mode and owner of a file that is replaced', async () => {
    const before = await openExt(lookingAt(fixture('ext4.img')));
    const { mode, uid, gid } = (await before.stat('/usr/bin/sh'))!;
    const image = await changed(writable(fixture('ext4.img')), [
      { kind: 'write', path: '/usr/bin/sh', content: bytes('#!/bin/true\n'), before: bytes('x') },
    ]);
    const files = await openExt(lookingAt(image));
    expect(await files.stat('/usr/bin/sh')).toMatchObject({ mode, uid, gid, size: 12 });
  });

  it('puts the edits of a mounted volume below its mount point', async () => {
    const edits: Edit[] = [{ kind: 'write', path: '/boot/grub.cfg', content: bytes('set') }];
    const image = await changed(writable(fixture('ext4.img')), edits, { mountPoint: '/boot' });
    expect((await (await openExt(lookingAt(image))).read('/grub.cfg', 9))?.toString()).toBe('set');
  });

  it('says before it writes that there is no room', async () => {
    const disk = writable(fixture('ext4.img'));
    const content = Buffer.alloc(1 << 20);
    await expect(changed(disk, [{ kind: 'write', path: '/big', content }])).rejects.toMatchObject({
      kind: 'no-space',
      where: 'disk 1',
      message: expect.stringMatching(/1024 blocks of 1024 bytes are needed/),
    });
    expect(disk.writtenBytes).toBe(0);
  });

  it.each<[string, Edit]>([
    [
      'appended file of another size',
      { kind: 'append', path: '/etc/hostname', content: bytes('x'), size: 4 },
    ],
    ['folder where a file is', { kind: 'folder', path: '/etc/hostname' }],
    ['file where a folder is', { kind: 'write', path: '/etc', content: bytes('x') }],
    ['removed folder', { kind: 'remove', path: '/etc' }],
    ['copy over a file', { kind: 'copy', path: '/etc/hostname', from: '/etc/fstab', size: 1 }],
  ])('refuses what was not planned for: %s', async (_what, edit) => {
    await expect(changed(writable(fixture('ext4.img')), [edit])).rejects.toMatchObject({ kind: 'conflict' });
  });

  it('refuses what it can not write rightly', async () => {
    const withField = (at: number, value: number) => {
      const image = fixture('ext4.img');
      image.writeUInt32LE((image.readUInt32LE(1024 + at) | value) >>> 0, 1024 + at);
      return image;
    };
    expect(await refusal(fixture('ext4.img'), 'ext4')).toBeUndefined();
    expect(await refusal(withField(96, 0x4), 'ext4')).toBe('its journal must be replayed first');
    expect(await refusal(withField(96, 0x20000), 'ext4')).toBe('it is not written with casefold');
    expect(await refusal(withField(100, 0x100), 'ext4')).toBe('it is not written with quota');
    expect(await refusal(withField(100, 0x40000), 'ext4')).toMatch(/not known here \(roCompat 0x40000\)/);
    expect(await refusal(withField(58, 2), 'ext4')).toMatch(/has errors/);
    expect(await refusal(fixture('ext4-inline.img'), 'ext4')).toBe('it is not written with inline_data');
    expect(await refusal(fixture('ext4.img'), 'ext4', [{ kind: 'link', path: '/a', target: 'b/' }])).toMatch(
      /slash/,
    );
    expect(await refusal(Buffer.alloc(4096), 'ext4')).toBe('no ext superblock');
    expect(await refusal(fixture('ext4.img'), 'xfs')).toBe('it does not write xfs');
  });

  it('ends at once when it is cancelled', async () => {
    const ending = new AbortController();
    const disk = writable(fixture('ext4.img'));
    const endless = { ...disk, read: () => new Promise<never>(() => ending.abort()) };
    const looked = { ...endless, read: disk.read };
    let reads = 0;
    const half = {
      ...looked,
      // The superblock is looked at twice; then the library reads.
      read: (target: Uint8Array, at: number) => (++reads > 2 ? endless.read() : disk.read(target, at)),
    };
    await expect(change(half as typeof disk, [], {}, ending.signal)).rejects.toMatchObject({
      kind: 'cancelled',
    });
  });

  it('comes to an end on a broken volume, with an AppError or success', async () => {
    for (let round = 0; round < 5; round++) {
      const image = fixture('ext4.img');
      for (let i = 0; i < 200; i++)
        image[2048 + ((round * 7919 + i * 104_729) % 120_000)]! ^= 0xff >> (i % 8);
      const edits: Edit[] = [
        { kind: 'write', path: '/etc/fstab', content: Buffer.alloc(9000) },
        { kind: 'write', path: '/many/new', content: bytes('x') },
      ];
      const failed = await changed(writable(image), edits).then(
        () => undefined,
        (error) => error,
      );
      if (failed !== undefined) expect(failed).toMatchObject({ name: 'AppError' });
    }
  });
});

describe('the built-in engine on FAT', () => {
  it.each(['fat12.img', 'fat16.img'])('makes every kind of edit in %s', async (name) => {
    const large = Buffer.alloc(20_000, 'loader');
    const image = await changed(
      writable(fixture(name)),
      [
        { kind: 'folder', path: '/boot/efi/EFI/new vendor' },
        { kind: 'write', path: '/boot/efi/EFI/new vendor/shimx64.efi', content: large },
        { kind: 'write', path: '/boot/efi/EFI/BOOT/BOOTX64.EFI', content: bytes('short') },
        { kind: 'append', path: '/boot/efi/EFI/BOOT/lower.txt', content: bytes('more'), size: 5 },
        {
          kind: 'copy',
          path: '/boot/efi/copy.efi',
          from: '/boot/efi/EFI/new vendor/shimx64.efi',
          size: 20_000,
        },
        { kind: 'remove', path: '/boot/efi/EFI/A Long Vendor/a loader with a long name.efi' },
      ],
      { kind: 'vfat', mountPoint: '/boot/efi' },
    );
    const files = await openFat(lookingAt(image));
    expect((await files.read('/EFI/new vendor/shimx64.efi', 1 << 20))?.equals(large)).toBe(true);
    expect((await files.read('/copy.efi', 1 << 20))?.equals(large)).toBe(true);
    expect((await files.read('/EFI/BOOT/BOOTX64.EFI', 100))?.toString()).toBe('short');
    expect((await files.read('/EFI/BOOT/lower.txt', 100))?.toString()).toBe('tiny\nmore');
    expect(await files.list('/EFI/A Long Vendor')).toEqual([]);
  });

  it('refuses links, and a file that does not fit', async () => {
    const link: Edit = { kind: 'link', path: '/a', target: 'b' };
    expect(await refusal(fixture('fat16.img'), 'vfat', [link])).toBe('FAT has no links');
    const content = Buffer.alloc(300_000);
    await expect(
      changed(writable(fixture('fat12.img')), [{ kind: 'write', path: '/big', content }], { kind: 'vfat' }),
    ).rejects.toMatchObject({ kind: 'no-space' });
  });
});

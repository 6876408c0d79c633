import { describe, expect, it } from 'vitest';
import { openExt } from '../../../src/guest/filesystems/ext/open.ts';
import { openFat } from '../../../src/guest/filesystems/fat/open.ts';
import { bytesAt } from '../../../src/guest/looking.ts';
import { fixture, lookingAt } from '../disks.ts';

const osRelease = 'PRETTY_NAME="Test Linux 7 (\\"small\\")"\nNAME=\'Test Linux\'\nVERSION_ID=7\n';

describe.each(['ext2.img', 'ext4.img', 'ext4-inline.img'])('files of %s', (name) => {
  const open = () => openExt(lookingAt(fixture(name)));

  it('reads a file and no more than is asked for', async () => {
    const files = await open();
    expect((await files.read('/usr/lib/os-release', 4096))?.toString()).toBe(osRelease);
    expect((await files.read('/usr/lib/os-release', 6))?.toString()).toBe('PRETTY');
    expect(await files.stat('/etc/hostname')).toMatchObject({ kind: 'file', size: 5 });
    expect(await files.stat('/etc')).toMatchObject({ kind: 'folder' });
  });

  it('follows links, short and long, and stays inside the root', async () => {
    const files = await open();
    expect((await files.read('/etc/os-release', 4096))?.toString()).toBe(osRelease);
    expect((await files.read('/long-link', 4096))?.toString()).toBe(osRelease);
    expect((await files.read('/boot/escape', 99))?.toString()).toBe('tiny\n');
    expect((await files.read('/bin/sh', 99))?.subarray(1, 4).toString()).toBe('ELF');
    await expect(files.read('/loop-a', 99)).rejects.toMatchObject({ kind: 'corrupt' });
  });

  it('has nothing where nothing is', async () => {
    const files = await open();
    expect(await files.read('/etc/nothing', 99)).toBeUndefined();
    expect(await files.read('/etc', 99)).toBeUndefined();
    expect(await files.read('/etc/hostname/below', 99)).toBeUndefined();
    expect(await files.list('/etc/hostname')).toEqual([]);
    expect(await files.stat('/nothing/at/all')).toBeUndefined();
  });

  it('lists folders, large ones too', async () => {
    const files = await open();
    expect((await files.list('/etc')).sort()).toEqual(['fstab', 'hostname', 'os-release']);
    const many = await files.list('/many');
    expect(many).toHaveLength(100);
    expect(new Set(many).size).toBe(100);
    expect(many).toContain('a-rather-long-name-number-100');
  });

  it('reads holes as zeros, and what is behind many blocks', async () => {
    const holes = (await (await open()).read('/holes', 2 ** 20))!;
    expect(holes.length).toBe(300004);
    expect(holes.toString('latin1', 0, 5)).toBe('first');
    expect(holes.subarray(5, 300000).every((b) => b === 0)).toBe(true);
    expect(holes.toString('latin1', 300000)).toBe('last');
  });
});

describe('ext refuses', () => {
  it('an unknown incompatible feature', async () => {
    const bytes = fixture('ext4.img');
    bytes.writeUInt32LE(bytes.readUInt32LE(1024 + 96) | 0x40000000, 1024 + 96);
    await expect(openExt(lookingAt(bytes))).rejects.toMatchObject({ kind: 'unsupported' });
  });

  it('a superblock whose checksum is wrong', async () => {
    const bytes = fixture('ext4-inline.img');
    bytes[1024 + 16]! ^= 1;
    await expect(openExt(lookingAt(bytes))).rejects.toMatchObject({ kind: 'corrupt' });
  });
});

describe.each(['fat12.img', 'fat16.img'])('files of %s', (name) => {
  const open = () => openFat(lookingAt(fixture(name)));

  it('reads by short and long names, whatever their case', async () => {
    const files = await open();
    expect((await files.read('efi/boot/bootx64.efi', 4096))?.toString()).toBe(osRelease);
    const loader = await files.read('EFI/a long VENDOR/A Loader with a long name.efi', 9);
    expect(loader?.toString()).toBe('# comment');
    expect((await files.read('EFI/ALONGV~1/ALOADE~1.EFI', 9))?.toString()).toBe('# comment');
  });

  it('lists names as they were given', async () => {
    const files = await open();
    expect((await files.list('EFI')).sort()).toEqual(['A Long Vendor', 'BOOT']);
    expect((await files.list('EFI/BOOT')).sort()).toEqual(['BOOTX64.EFI', 'lower.txt']);
    expect(await files.list('EFI/none')).toEqual([]);
    expect(await files.stat('EFI/BOOT/lower.txt')).toMatchObject({ kind: 'file', size: 5 });
  });

  it('refuses a chain that leaves the volume', async () => {
    const looking = lookingAt(fixture(name));
    const boot = await bytesAt(looking, 0, 512);
    const bytes = fixture(name);
    // Every link of the table leads to the last but one number before the reserved ones.
    bytes.fill(0xef, 512 * boot.readUInt16LE(14) + 3, 512 * (boot.readUInt16LE(14) + boot.readUInt16LE(22)));
    const files = await openFat(lookingAt(bytes));
    await expect(files.list('EFI')).rejects.toMatchObject({ kind: 'corrupt' });
  });
});

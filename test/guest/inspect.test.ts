import { describe, expect, it } from 'vitest';
import { inspectDisk } from '../../src/guest/inspect.ts';
import { AppError } from '../../src/model/errors.ts';
import { diskOf, fixture, linuxData, putGpt, putMbr, rules } from './disks.ts';

const esp = 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b';
const MiB = 2 ** 20;

function mbrGuest(): Buffer {
  const bytes = Buffer.alloc(3 * MiB);
  putMbr(bytes, [
    { status: 0x80, id: 0x83, start: 2048, length: 1024 },
    { id: 0x83, start: 4096, length: 1024 },
  ]);
  bytes.write('GRUB', 0x180);
  fixture('ext4.img').copy(bytes, MiB);
  return bytes;
}

describe('inspectDisk', () => {
  it('reads a BIOS guest', async () => {
    const report = await inspectDisk(diskOf(mbrGuest()));
    expect(report.systems).toEqual([
      {
        name: 'Test Linux 7 ("small")',
        family: 'linux',
        version: '7',
        architecture: 'aarch64',
        hostname: 'tiny',
        rootPartition: 1,
        bootKernels: [
          { version: '6.1.0-9-arm64', image: '/boot/vmlinuz-6.1.0-9-arm64', isDefault: false },
          { version: '6.1.0-10-arm64', image: '/boot/vmlinuz-6.1.0-10-arm64', isDefault: true },
        ],
        space: [{ mountPoint: '/', kind: 'ext4', freeBytes: 448512, freeInodes: 30 }],
        confidence: 'high',
        evidence: ['/etc/os-release', '/bin/sh', '/etc/fstab'],
        kernels: ['6.1.0-9-arm64', '6.1.0-10-arm64'],
        mounts: [
          {
            device: 'UUID=11111111-2222-3333-4444-555555555555',
            mountPoint: '/',
            kind: 'ext4',
            options: 'defaults',
          },
          { device: 'LABEL=with blank', mountPoint: '/srv/a b', kind: 'xfs', options: 'ro' },
        ],
      },
    ]);
    expect(report.firmware).toBe('bios');
    expect(report.partitions[0]!.volume).toMatchObject({
      kind: 'ext4',
      label: 'small',
      uuid: '01234567-89ab-cdef-0123-456789abcdef',
      sizeBytes: 512 * 1024,
      state: 'clean',
    });
    expect(report.partitions[1]).not.toHaveProperty('volume');
    expect(report.findings).toEqual([]);
    expect(report.bytesRead).toBeLessThan(MiB);
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });

  it('reads a UEFI guest with its loaders', async () => {
    const bytes = Buffer.alloc(8 * MiB);
    putGpt(bytes, [
      { type: esp, start: 2048, end: 2048 + 8191 },
      { type: linuxData, start: 12288, end: 12288 + 1023 },
    ]);
    fixture('fat16.img').copy(bytes, MiB);
    fixture('ext2.img').copy(bytes, 6 * MiB);
    const report = await inspectDisk(diskOf(bytes));
    expect(report.firmware).toBe('uefi');
    expect(report.efiLoaders).toEqual([
      'EFI/A Long Vendor/a loader with a long name.efi',
      'EFI/BOOT/BOOTX64.EFI',
    ]);
    expect(report.partitions.map((p) => p.volume)).toMatchObject([
      { kind: 'fat16', label: 'SMALL', uuid: '1234-ABCD', sizeBytes: 4 * MiB, state: 'clean' },
      { kind: 'ext2', label: 'small' },
    ]);
    expect(report.systems[0]).toMatchObject({ name: 'Test Linux 7 ("small")', rootPartition: 2 });
    expect(report.findings).toEqual([]);
  });

  it.each(['ext4.img', 'fat12.img'])('finds %s on the whole disk', async (name) => {
    const report = await inspectDisk(diskOf(fixture(name)));
    expect(report.partitionTable.kind).toBe('none');
    expect(report.partitions).toMatchObject([{ number: 0, startBytes: 0, volume: { readable: true } }]);
    expect(report.systems).toHaveLength(name === 'ext4.img' ? 1 : 0);
  });

  it('has nothing to say of an empty disk, of any size', async () => {
    for (const size of [0, 1, 511, 512, 1024, MiB, MiB + 7]) {
      const report = await inspectDisk(diskOf(Buffer.alloc(size)));
      expect(report).toMatchObject({
        partitionTable: { kind: 'none' },
        partitions: [],
        systems: [],
        findings: [],
      });
    }
  });

  it('turns a broken partition into a finding and reads the others', async () => {
    const bytes = mbrGuest();
    fixture('ext2.img').copy(bytes, 2 * MiB);
    bytes.writeUInt32LE(99, MiB + 1024 + 24); // block size 2^109
    const report = await inspectDisk(diskOf(bytes));
    expect(report.findings).toMatchObject([{ rule: 'guest.unreadable', evidence: 'partition 1' }]);
    expect(report.systems).toMatchObject([{ hostname: 'tiny', rootPartition: 2 }]);
  });

  it('turns a disk that fails to read into findings', async () => {
    const disk = {
      ...diskOf(mbrGuest()),
      read: async () => {
        throw new AppError('io', 'the cable is out');
      },
    };
    const report = await inspectDisk(disk);
    expect(report.systems).toEqual([]);
    expect(report.findings[0]).toMatchObject({ rule: 'guest.unreadable' });
    expect(report.findings[0]!.message).toContain('the cable is out');
  });

  it('says that a volume is dirty', async () => {
    const bytes = fixture('ext4.img');
    bytes.writeUInt16LE(0, 1024 + 58);
    const report = await inspectDisk(diskOf(bytes));
    expect(rules(report.findings)).toEqual(['guest.volume-dirty']);
  });

  it('says when the firmware would find no loader', async () => {
    const bytes = Buffer.alloc(8 * MiB);
    putGpt(bytes, [{ type: esp, start: 2048, end: 2048 + 8191 }]);
    const fat = fixture('fat16.img');
    fat.write('BOOTX65 EFI', fat.indexOf('BOOTX64 EFI'), 'latin1');
    fat.copy(bytes, MiB);
    expect(rules((await inspectDisk(diskOf(bytes))).findings)).toEqual(['guest.no-fallback-loader']);
  });

  it('concludes Windows from its partitions', async () => {
    const bytes = Buffer.alloc(3 * MiB);
    putMbr(bytes, [
      { status: 0x80, id: 0x07, start: 2048, length: 2048 },
      { id: 0x27, start: 4096, length: 2048 },
    ]);
    bytes.write('Invalid partition table\0Error loading operating system', 0x100);
    bytes.write('\xebR\x90NTFS    ', MiB, 'latin1');
    const report = await inspectDisk(diskOf(bytes));
    expect(report.systems).toMatchObject([{ name: 'Windows', family: 'windows', rootPartition: 1 }]);
    expect(report.firmware).toBe('bios');
    expect(rules(report.findings)).toContain('guest.system-not-readable');
  });

  it('stops when it is told to', async () => {
    const stop = AbortSignal.abort();
    await expect(inspectDisk(diskOf(mbrGuest()), stop)).rejects.toMatchObject({ kind: 'cancelled' });
  });
});

/** Volumes that no tool here makes on a plain file: the marks as their specifications place them. */
import { describe, expect, it } from 'vitest';
import { recognise, volumeFindings } from '../../../src/guest/volumes/recognise.ts';
import { lookingAt, rules } from '../disks.ts';

const disk = (...puts: [offset: number, content: string | number[]][]) => {
  const bytes = Buffer.alloc(2 * 2 ** 20);
  for (const [offset, content] of puts) bytes.set(Buffer.from(content as string, 'latin1'), offset);
  return bytes;
};
const le32 = (value: number) => {
  const b = Buffer.alloc(4);
  b.writeUInt32LE(value);
  return [...b];
};
const be32 = (value: number) => le32(value).reverse();
const md = le32(0xa92b4efc);
const size = 2 * 2 ** 20;

const lvmLabel: [number, string | number[]][] = [
  [512, 'LABELONE'],
  [532, le32(32)],
  [536, 'LVM2 001'],
  [544, 'abcdef1111222233334444555566uvwxyz'.slice(0, 32)],
  [576, le32(size)],
];

describe('volumes by their marks', () => {
  it.each([
    [
      'LVM2',
      disk(...lvmLabel),
      { kind: 'lvm2-pv', uuid: 'abcdef-1111-2222-3333-4444-5555-66uvwx', sizeBytes: size },
    ],
    ['MD 1.2', disk([4096, md], [4100, le32(1)], [4128, 'host:0']), { kind: 'md-raid', label: 'host:0' }],
    ['MD 1.1', disk([0, md], [4, le32(1)]), { kind: 'md-raid' }],
    ['MD 1.0', disk([size - 8192, md], [size - 8188, le32(1)]), { kind: 'md-raid' }],
    ['MD 0.90', disk([size - 65536, md]), { kind: 'md-raid' }],
    ['BitLocker', disk([3, '-FVE-FS-']), { kind: 'bitlocker', encrypted: true }],
    [
      'BitLocker of Windows 7 and later',
      disk([3, '-FVE-FS-'], [176, le32(65536)], [65536, '-FVE-FS-'], [65546, [2, 0]]),
      { kind: 'bitlocker', detail: 'version 2' },
    ],
    [
      "Vista's BitLocker",
      disk(
        [0, [0xeb, 0x52]],
        [3, '-FVE-FS-'],
        [11, [0, 2, 8]],
        [0x38, le32(16)],
        [65536, '-FVE-FS-'],
        [65546, [1, 0]],
      ),
      { kind: 'bitlocker', detail: 'version 1' },
    ],
    ['ReFS', disk([3, 'ReFS'], [16, 'FSRS']), { kind: 'refs' }],
    [
      'HFS+',
      disk(
        [1024, 'H+'],
        [1026, [0, 4]],
        [1028, be32(0x100)],
        [1064, be32(4096)],
        [1068, be32(100)],
        [1072, be32(40)],
      ),
      { kind: 'hfs+', state: 'clean', sizeBytes: 409600, usedBytes: 245760 },
    ],
    ['APFS', disk([32, 'NXSB'], [36, le32(4096)], [40, le32(512)]), { kind: 'apfs', sizeBytes: size }],
    [
      'UFS2',
      disk([65536 + 1372, le32(0x19540119)], [65536 + 680, 'rootfs']),
      { kind: 'ufs2', label: 'rootfs' },
    ],
    ['UFS1', disk([8192 + 1372, le32(0x00011954)]), { kind: 'ufs1' }],
    [
      'ISO 9660',
      disk([32769, 'CD001'], [32808, 'LABEL   '], [32848, le32(50)], [32896, [0, 8]]),
      { kind: 'iso9660', label: 'LABEL', sizeBytes: 102400 },
    ],
    ['ZFS, little endian', disk([128 * 1024 + 5 * 1024, le32(0x00bab10c)]), { kind: 'zfs' }],
    ['ZFS, big endian', disk([128 * 1024 + 4, be32(0x00bab10c)]), { kind: 'zfs' }],
    ['hibernated swap', disk([4086, 'S1SUSPEND']), { kind: 'swap', state: 'hibernated' }],
    ['VMFS', disk([2 ** 20, [0x0d, 0xd0, 0x01, 0xc0]]), { kind: 'vmfs' }],
  ])('%s', async (_name, bytes, expected) => {
    expect(await recognise(lookingAt(bytes))).toMatchObject(expected);
  });

  it('nothing, in zeros and in what is too small', async () => {
    expect(await recognise(lookingAt(disk()))).toBeUndefined();
    expect(await recognise(lookingAt(Buffer.alloc(100)))).toBeUndefined();
  });

  it('what is encrypted, hibernated or larger than its place is a finding', () => {
    const looking = lookingAt(Buffer.alloc(512));
    volumeFindings(
      looking,
      { kind: 'luks2', state: 'unknown', encrypted: true, readable: false },
      'partition 1',
    );
    volumeFindings(looking, { kind: 'swap', state: 'hibernated', readable: false }, 'partition 2');
    volumeFindings(
      looking,
      { kind: 'xfs', state: 'unknown', sizeBytes: 1024, readable: false },
      'partition 3',
    );
    expect(rules(looking.findings)).toEqual([
      'guest.volume-encrypted',
      'guest.hibernated',
      'guest.volume-cut',
    ]);
  });
});

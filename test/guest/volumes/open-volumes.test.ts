import { describe, expect, it } from 'vitest';
import { openVolumes, type Volume, type VolumePiece } from '../../../src/guest/volumes/open-volumes.ts';
import { cached } from '../../../src/io/cached.ts';
import { counted, type Disk } from '../../../src/io/disk.ts';
import { randomNumbers } from '../../conformance/random.ts';
import { diskOf, fixture, putMbr, rules } from '../disks.ts';
import { all, pattern, volumeFixture } from '../volume-fixtures.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const open = (disks: readonly Buffer[], passphrase?: string) =>
  openVolumes(
    disks.map((bytes) => diskOf(bytes)),
    passphrase === undefined ? {} : { passphrase },
  );
const named = (volumes: readonly Volume[], name: string) => volumes.find((v) => v.name === name)!;

/** What the pieces say, read from the disks themselves. */
const fromPieces = (disks: readonly Buffer[], pieces: readonly VolumePiece[]) =>
  Buffer.concat(pieces.map(({ disk, offset, length }) => disks[disk]!.subarray(offset, offset + length)));

/** The volume as partition 1 of a disk with an MBR. */
function inPartition(volume: Buffer, id: number): Buffer {
  const bytes = Buffer.alloc(volume.length + MiB);
  putMbr(bytes, [{ id, start: 2048, length: volume.length / 512 }]);
  volume.copy(bytes, MiB);
  return bytes;
}

describe('volumes of several disks', () => {
  const disks = [
    inPartition(volumeFixture('lvm-gone-1'), 0x8e),
    volumeFixture('lvm-gone-2'),
    inPartition(fixture('ext4.img'), 0x83),
  ];

  it('a group over a partition and a whole disk, beside a filesystem', async () => {
    const { disks: layouts, volumes, findings } = await open(disks);
    expect(findings).toEqual([]);
    expect(layouts.map((d) => [d.table.kind, d.partitions.length])).toEqual([
      ['mbr', 1],
      ['none', 0],
      ['mbr', 1],
    ]);
    expect(volumes.map((v) => [v.name, v.made, v.volume?.kind])).toEqual([
      ['disk 1 partition 1', 'partition', 'lvm2-pv'],
      ['disk 2', 'disk', 'lvm2-pv'],
      ['disk 3 partition 1', 'partition', 'ext4'],
      ['half/here', 'linear', undefined],
      ['half/gone', 'linear', undefined],
      ['half/both', 'linear', undefined],
      ['half/leg', 'mirror', undefined],
    ]);
    expect(named(volumes, 'half/both').inside.map((v) => v.name)).toEqual(['disk 1 partition 1', 'disk 2']);
    expect(named(volumes, 'half/both').deviceNames).toEqual(['/dev/mapper/half-both', '/dev/half/both']);
  });

  it('where bytes lie on the disks, where they lie there as they are', async () => {
    const { volumes } = await open(disks);
    for (const name of ['half/both', 'half/gone', 'disk 3 partition 1']) {
      const { disk, pieces } = named(volumes, name);
      expect(fromPieces(disks, pieces!).equals(await all(disk!))).toBe(true);
    }
    expect(named(volumes, 'half/leg').pieces).toBeUndefined();
  });

  it('one disk alone tells what is missing', async () => {
    const { volumes, findings } = await open([disks[0]!]);
    expect(rules(findings)).toEqual(['guest.lvm-volume-missing']);
    expect(volumes.map((v) => [v.name, v.disk !== undefined])).toEqual([
      ['partition 1', true],
      ['half/here', true],
      ['half/gone', false],
      ['half/both', false],
      ['half/leg', true],
    ]);
  });

  it('a snapshot depends on its origin: the pieces of that are not told', async () => {
    const { volumes } = await open(['lvm-1', 'lvm-2', 'lvm-3'].map(volumeFixture));
    const { sizeBytes, pieces } = named(volumes, 'plain/lin');
    expect([sizeBytes, pieces]).toEqual([576 * KiB, undefined]);
    expect(named(volumes, 'plain/a-b')).toMatchObject({
      deviceNames: ['/dev/mapper/plain-a--b', '/dev/plain/a-b'],
    });
    expect(named(volumes, 'plain/a-b').pieces).toHaveLength(1);
  });
});

describe('volumes in each other', () => {
  const nested = volumeFixture('nested');

  it('a partition, LUKS by dm-crypt in sectors of 4096, a group, a volume', async () => {
    const { volumes, findings } = await open([nested], 'opensesame');
    expect(findings).toEqual([]);
    expect(volumes.map((v) => [v.name, v.made, v.volume?.kind])).toEqual([
      ['partition 1', 'partition', 'luks2'],
      ['partition 1 (decrypted)', 'luks', 'lvm2-pv'],
      ['inner/root', 'linear', undefined],
    ]);
    const root = named(volumes, 'inner/root');
    expect((await all(root.disk!)).equals(pattern('root', 16 * KiB))).toBe(true);
    expect([root.disk!.sectorSize, root.pieces]).toEqual([4096, undefined]);
    expect(named(volumes, 'partition 1 (decrypted)').deviceNames[0]).toMatch(
      /^\/dev\/mapper\/luks-[0-9a-f-]{36}$/,
    );
  });

  it.each([
    [undefined, ['guest.volume-encrypted']],
    ['wrong', ['guest.unreadable', 'guest.volume-encrypted']],
  ])('with the passphrase %s', async (passphrase, expected) => {
    const { volumes, findings } = await open([nested], passphrase);
    expect(rules(findings)).toEqual(expected);
    expect(volumes.map((v) => v.name)).toEqual(['partition 1']);
  });

  it('an array of two disks that holds a table of nothing, and one that can not be read', async () => {
    const names = ['md-12-a', 'md-12-b', 'md-5-a', 'md-5-b', 'md-5-c'];
    const { volumes, findings } = await open(names.map(volumeFixture));
    expect(findings).toEqual([]);
    expect(volumes.map((v) => v.volume?.detail)).toEqual([
      'device 0 of RAID1 of 2, metadata 1.2',
      'device 1 of RAID1 of 2, metadata 1.2',
      ...[0, 1, 2].map((i) => `device ${i} of RAID5 of 3, metadata 1.2`),
      undefined,
      undefined,
    ]);
    expect(named(volumes, 'MD array usual')).toMatchObject({ made: 'md', deviceNames: ['/dev/md/usual'] });
    expect(named(volumes, 'MD array five').why).toBe('RAID5 is not read, RAID1 is');
  });

  it('reads little of the disks', async () => {
    let read = 0;
    const watched = (bytes: Buffer): Disk => cached(counted(diskOf(bytes), (n) => (read += n)));
    await openVolumes(['lvm-1', 'lvm-2', 'lvm-3', 'lvm-thin'].map((name) => watched(volumeFixture(name))));
    expect(read).toBeLessThan(3 * MiB);
  });
});

describe('tables', () => {
  const bsd = (disk: Buffer, sliceStart: number, parts: readonly (readonly [number, number, number])[]) => {
    const label = disk.subarray(sliceStart + 512, sliceStart + 1024);
    label.writeUInt32LE(0x82564557, 0);
    label.writeUInt32LE(0x82564557, 132);
    label.writeUInt32LE(512, 40);
    label.writeUInt16LE(parts.length, 138);
    for (const [i, [length, start, type]] of parts.entries()) {
      label.writeUInt32LE(length, 148 + i * 16);
      label.writeUInt32LE(start, 152 + i * 16);
      label[160 + i * 16] = type;
    }
    let sum = 0;
    for (let at = 0; at < 148 + parts.length * 16; at += 2) sum ^= label.readUInt16LE(at);
    label.writeUInt16LE(sum, 136);
  };

  it.each([
    ['from the start of the slice', 0],
    ['from the start of the disk', 64],
  ])('a BSD label in an MBR partition, counted %s', async (_name, base) => {
    const disk = Buffer.alloc(MiB);
    putMbr(disk, [{ id: 0xa5, start: 64, length: 1984 }]);
    bsd(disk, 64 * 512, [
      [1000, base + 16, 7],
      [500, base + 1016, 1],
      [1984, base, 0],
      [5000, base, 7],
    ]);
    const { volumes, findings } = await open([disk]);
    expect(findings).toEqual([]);
    expect(volumes.map((v) => [v.name, v.pieces?.[0]])).toEqual([
      ['partition 1', { disk: 0, offset: 32768, length: 1984 * 512 }],
      ['partition 1 slice a', { disk: 0, offset: 80 * 512, length: 1000 * 512 }],
      ['partition 1 slice b', { disk: 0, offset: 1080 * 512, length: 500 * 512 }],
    ]);
  });

  it('what is of Windows or Apple alone is told', async () => {
    const dynamic = Buffer.alloc(MiB);
    putMbr(dynamic, [{ id: 0x42, start: 63, length: 1000 }]);
    const apple = Buffer.alloc(MiB);
    apple.write('ER', 0);
    apple.write('PM', 512);
    const { findings } = await open([dynamic, apple]);
    expect(findings.map((f) => [f.rule, f.evidence])).toEqual([
      ['guest.dynamic-disk', 'disk 1'],
      ['guest.apple-partition-map', 'disk 2'],
    ]);
  });
});

it('damaged disks give findings, never an error of another kind', async () => {
  const random = randomNumbers(11);
  const names = ['lvm-gone-1', 'lvm-gone-2', 'md-12-a', 'nested'];
  const whole = names.map(volumeFixture);
  for (let round = 0; round < 5; round++) {
    const disks = whole.map((bytes) => {
      const damaged = Buffer.from(bytes);
      // Where labels and metadata are.
      for (let i = 0; i < 12; i++) damaged[Math.floor(random() * 16 * KiB)] = Math.floor(random() * 256);
      return damaged;
    });
    await open(disks, round === 0 ? 'opensesame' : undefined);
  }
});

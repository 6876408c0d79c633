import { describe, expect, it } from 'vitest';
import { type LvmGroup, openLvm } from '../../../src/guest/lvm/open-lvm.ts';
import { lvmChecksum } from '../../../src/guest/lvm/physical-volume.ts';
import { readBytes } from '../../../src/io/byte-source.ts';
import { allocatedBytes } from '../../../src/io/disk.ts';
import { randomNumbers } from '../../conformance/random.ts';
import { diskOf, rules } from '../disks.ts';
import { all, pattern, volumeFixture } from '../volume-fixtures.ts';

const open = (...bytes: Buffer[]) => openLvm(bytes.map((b) => diskOf(b)));
const fixtures = (...names: string[]) => names.map(volumeFixture);
const volume = (group: LvmGroup, name: string) => group.volumes.find((v) => v.name === name)!;

const plain = fixtures('lvm-1', 'lvm-2', 'lvm-3');
const slim = volumeFixture('lvm-thin');
const KiB = 1024;

describe('LVM2, three physical volumes', () => {
  it.each([
    ['lin', 'linear', 288],
    ['a-b', 'linear', 64],
    ['str', 'striped', 384],
    ['rd0', 'raid0', 256],
    ['rd1', 'raid1', 256],
    ['mir', 'mirror', 192],
  ])('%s, %s', async (name, kind, kib) => {
    const { groups, findings } = await open(...plain);
    expect(findings).toEqual([]);
    const found = volume(groups[0]!, name);
    const sizeBytes = found.sizeBytes;
    expect(found).toMatchObject({ kind, disk: { size: sizeBytes } });
    const expected = Buffer.concat([pattern(name, kib * KiB)], sizeBytes);
    expect((await readBytes(found.disk!, 0, expected.length)).equals(expected)).toBe(true);
    for (const [at, length] of [
      [511, 2],
      [4095, 4098],
      [65535, 12 * KiB + 3],
      [sizeBytes - 513, 513],
    ] as const) {
      expect((await readBytes(found.disk!, at, length)).equals(expected.subarray(at, at + length))).toBe(
        true,
      );
    }
    await expect(readBytes(found.disk!, sizeBytes - 1, 2)).rejects.toMatchObject({ kind: 'corrupt' });
  });

  it('what can not be read says why', async () => {
    const [group] = (await open(...plain)).groups;
    expect(group!.volumes.map((v) => [v.name, v.kind, v.disk === undefined]).toSorted()).toEqual([
      ['a-b', 'linear', false],
      ['lin', 'linear', false],
      ['mir', 'mirror', false],
      ['rd0', 'raid0', false],
      ['rd1', 'raid1', false],
      ['rd5', 'raid5', true],
      ['snap', 'snapshot', true],
      ['sparse', 'snapshot', true],
      ['str', 'striped', false],
    ]);
    expect(volume(group!, 'snap').why).toMatch(/differences/);
    expect(volume(group!, 'rd5').why).toMatch(/raid5/);
  });

  it('one is missing: what is whole is there, a mirror by its other leg', async () => {
    const { groups, findings } = await open(plain[1]!, plain[2]!);
    expect(rules(findings)).toEqual(['guest.lvm-volume-missing']);
    for (const name of ['rd1', 'mir']) {
      const { disk } = volume(groups[0]!, name);
      expect((await all(disk!)).equals(pattern(name, disk!.size))).toBe(true);
    }
    for (const name of ['lin', 'str', 'a-b']) {
      expect(volume(groups[0]!, name)).toMatchObject({ why: expect.stringMatching(/missing/) });
    }
  });

  it('one is there twice, or has an older state of the group', async () => {
    expect(rules((await open(...plain, plain[0]!)).findings)).toEqual(['guest.lvm-volume-twice']);
    const old = editedText(plain[2]!, (text) =>
      text.replace(/seqno = \d+/, 'seqno = 2').replace('"lin"', '"nil"'),
    );
    const { groups, findings } = await open(old, plain[0]!, plain[1]!);
    expect(rules(findings)).toContain('guest.lvm-metadata-old');
    expect(volume(groups[0]!, 'lin').disk).toBeDefined();
  });

  it('a leg that the others call failed is not read', async () => {
    // The superblocks of dm-raid: the first leg has seen fewer events.
    const bytes = Buffer.from(plain[0]!);
    const at = bytes.indexOf('DmRd');
    expect(at).toBeGreaterThan(0);
    bytes.writeBigUInt64LE(0n, at + 16);
    for (const [i, disks] of [
      [bytes, plain[1]!, plain[2]!],
      [bytes, plain[2]!],
    ].entries()) {
      const { groups } = await open(...disks);
      const { disk, why } = volume(groups[0]!, 'rd1');
      if (i === 0) expect((await all(disk!)).equals(pattern('rd1', disk!.size))).toBe(true);
      else expect([disk === undefined, why]).toEqual([false, undefined]);
    }
    bytes.writeBigUInt64LE(1n, at + 24 + 8); // it was being rebuilt
    expect(volume((await open(bytes, plain[2]!)).groups[0]!, 'rd1').why).toMatch(/current/);
  });
});

describe('LVM2, thin', () => {
  const t = (name: string, from: number, bytes: number) => pattern(name, from + bytes).subarray(from);

  it('volumes and a snapshot of one', async () => {
    const [group] = (await open(slim)).groups;
    const t1 = await all(volume(group!, 't1').disk!);
    const t2 = await all(volume(group!, 't2').disk!);
    const expected = Buffer.alloc(8 * KiB * KiB);
    t('t1-a', 0, 256 * KiB).copy(expected, 0);
    t('t1-b', 0, 128 * KiB).copy(expected, 80 * 64 * KiB);
    expect(t2.equals(expected)).toBe(true);
    t('t1-c', 0, 64 * KiB).copy(expected, 64 * KiB);
    expect(t1.equals(expected)).toBe(true);
  });

  it('only what is there counts as data', async () => {
    const [group] = (await open(slim)).groups;
    const { disk } = volume(group!, 't1');
    expect(await disk!.extents(0, disk!.size)).toEqual([
      { kind: 'data', offset: 0, length: 256 * KiB },
      { kind: 'zero', offset: 256 * KiB, length: 76 * 64 * KiB },
      { kind: 'data', offset: 80 * 64 * KiB, length: 128 * KiB },
      { kind: 'zero', offset: 82 * 64 * KiB, length: 46 * 64 * KiB },
    ]);
    expect(await disk!.extents(100, 262145)).toEqual([
      { kind: 'data', offset: 100, length: 256 * KiB - 100 },
      { kind: 'zero', offset: 256 * KiB, length: 1 },
    ]);
    const { disk: empty } = volume(group!, 'empty');
    expect([empty!.size, await allocatedBytes(empty!)]).toEqual([2 ** 30, 0]);
  });

  it('the pool and what is cached are told, not read', async () => {
    const [group] = (await open(slim)).groups;
    expect(volume(group!, 'pool')).toMatchObject({ kind: 'thin-pool', why: expect.any(String) });
    expect(volume(group!, 'cac')).toMatchObject({ kind: 'cache', why: expect.stringMatching(/cache/) });
    expect(volume(group!, 'cac').disk).toBeUndefined();
  });

  it('a damaged tree is refused', async () => {
    const bytes = Buffer.from(slim);
    const metadataAt = 2048 * 512 + 64 * 64 * KiB;
    // Every block behind the superblock.
    for (let block = 1; block < 512; block++) bytes[metadataAt + block * 4096 + 40]! ^= 0xff;
    const found = volume((await open(bytes)).groups[0]!, 't1');
    expect(found.why).toMatch(/checksum/);
  });
});

describe('LVM2, damaged', () => {
  it('the second metadata area serves where the first is broken', async () => {
    const bytes = Buffer.from(slim);
    bytes.fill(0xff, 4096, 4096 + 512);
    const { groups, findings } = await open(bytes);
    expect(rules(findings)).toEqual(['guest.lvm-metadata-broken']);
    expect(volume(groups[0]!, 't1').disk).toBeDefined();
  });

  it('the text goes on at the start of its ring', async () => {
    const [one, two] = fixtures('lvm-gone-1', 'lvm-gone-2');
    const { groups, findings } = await open(
      editedText(one!, (text) => text, true),
      editedText(two!, (text) => text, true),
    );
    expect(findings).toEqual([]);
    const { disk } = volume(groups[0]!, 'both');
    expect((await all(disk!)).equals(pattern('both', disk!.size))).toBe(true);
  });

  it('any change of the text gives volumes, findings or reasons, never a wrong place', async () => {
    const random = randomNumbers(3);
    const [one, two] = fixtures('lvm-gone-1', 'lvm-gone-2');
    for (let i = 0; i < 60; i++) {
      const edit = (text: string) => {
        const bytes = Buffer.from(text);
        for (let n = 0; n < 3; n++)
          bytes[Math.floor(random() * bytes.length)] = 32 + Math.floor(random() * 94);
        return bytes.toString('latin1');
      };
      const { groups } = await open(editedText(one!, edit), editedText(two!, edit));
      for (const { disk } of groups.flatMap((g) => g.volumes)) {
        if (disk !== undefined && disk.size < 4 * KiB * KiB) await all(disk);
      }
    }
  });

  it.each([
    ['nested deeply', `${'a {'.repeat(100000)}`],
    [
      'a volume inside itself',
      text(
        'v { id = "x" status = ["VISIBLE"] segment1 { start_extent = 0 extent_count = 1 type = "striped" stripes = ["v", 0] } }',
      ),
    ],
    [
      'a volume of 2^52 extents',
      text(
        'v { id = "x" status = ["VISIBLE"] segment1 { start_extent = 0 extent_count = 4503599627370496 type = "zero" } }',
      ),
    ],
    [
      'a place before the disk',
      text(
        'v { id = "x" status = ["VISIBLE"] segment1 { start_extent = 0 extent_count = 1 type = "striped" stripes = ["pv0", -1] } }',
      ),
    ],
    ['no end of a text', 'g { id = "'],
    ['comments alone', '#\n'.repeat(100000)],
  ])('%s', async (_name, replaced) => {
    const [one] = fixtures('lvm-gone-1');
    const { groups, findings } = await open(editedText(one!, () => replaced));
    expect(groups.flatMap((g) => g.volumes).filter((v) => v.disk !== undefined)).toEqual([]);
    expect(findings.length + groups.length).toBeGreaterThan(0);
  });
});

function text(volumes: string): string {
  return `g { id = "g" seqno = 1 extent_size = 128 physical_volumes { pv0 { id = "p" pe_start = 2048 } } logical_volumes { ${volumes} } }`;
}

/** The image with another text in its first metadata area, all checksums right; `wrapped` around the ring's end. */
function editedText(image: Buffer, edit: (text: string) => string, wrapped = false): Buffer {
  const bytes = Buffer.from(image);
  const area = 4096;
  const size = Number(bytes.readBigUInt64LE(area + 32));
  const [offset, length] = [
    Number(bytes.readBigUInt64LE(area + 40)),
    Number(bytes.readBigUInt64LE(area + 48)),
  ];
  const fresh = Buffer.from(edit(bytes.toString('latin1', area + offset, area + offset + length)), 'latin1');
  const at = wrapped ? size - 512 : 1024;
  const straight = Math.min(fresh.length, size - at);
  fresh.copy(bytes, area + at, 0, straight);
  fresh.copy(bytes, area + 512, straight);
  bytes.writeBigUInt64LE(BigInt(at), area + 40);
  bytes.writeBigUInt64LE(BigInt(fresh.length), area + 48);
  bytes.writeUInt32LE(lvmChecksum(fresh), area + 56);
  bytes.writeUInt32LE(lvmChecksum(bytes.subarray(area + 4, area + 512)), area);
  return bytes;
}

import { describe, expect, it } from 'vitest';
import { checkLayout, readTable } from '../../../src/guest/partitions/read-table.ts';
import { diskGuid, linuxData, lookingAt, putGpt, putMbr, rules } from '../disks.ts';

const nothing = async () => false;
const parts = [
  { type: 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b', start: 40, end: 49, name: 'esp' },
  { type: linuxData, start: 50, end: 99, name: 'Wurzel\u{1f331}', attributes: 4 },
];
const disk = (sectorSize = 512) => {
  const bytes = Buffer.alloc(sectorSize * 1024);
  putGpt(bytes, parts, sectorSize);
  return bytes;
};

describe('GPT', () => {
  it.each([512, 4096])('reads sectors of %i bytes', async (sectorSize) => {
    const looking = lookingAt(disk(sectorSize), sectorSize);
    const { table, partitions } = await readTable(looking, nothing);
    expect(table).toEqual({ kind: 'gpt', sectorSize, id: diskGuid, bootCode: 'none' });
    expect(partitions[1]).toEqual({
      number: 2,
      startBytes: 50 * sectorSize,
      lengthBytes: 50 * sectorSize,
      type: linuxData,
      typeName: 'Linux filesystem',
      name: 'Wurzel\u{1f331}',
      uuid: '00000001-0000-0000-0000-000000000001',
      bootable: true,
    });
    expect(looking.findings).toEqual([]);
  });

  it('finds the table of a 4096-byte disk in an image that says 512', async () => {
    const looking = lookingAt(disk(4096));
    const { table, partitions } = await readTable(looking, nothing);
    expect(table.sectorSize).toBe(4096);
    expect(partitions[0]!.startBytes).toBe(40 * 4096);
    expect(rules(looking.findings)).toEqual(['guest.sector-size-differs']);
  });

  it.each([
    ['the signature', 512],
    ['the header', 512 + 60],
    ['an entry', 1024 + 40],
  ])('takes the backup when %s is broken', async (_what, at) => {
    const bytes = disk();
    bytes[at]! ^= 0xff;
    const looking = lookingAt(bytes);
    const { table, partitions } = await readTable(looking, nothing);
    expect(table.fromBackup).toBe(true);
    expect(partitions.map((p) => p.startBytes)).toEqual([40 * 512, 50 * 512]);
    expect(rules(looking.findings)).toEqual(['guest.gpt-primary-broken']);
  });

  it('takes the backup of a 4096-byte disk, too', async () => {
    const bytes = disk(4096);
    bytes.fill(0, 4096, 8192);
    const { table } = await readTable(lookingAt(bytes), nothing);
    expect(table).toMatchObject({ fromBackup: true, sectorSize: 4096 });
  });

  it('says when both are broken, and gives no partitions', async () => {
    const bytes = disk();
    bytes[512 + 60]! ^= 1;
    bytes[bytes.length - 512 + 60]! ^= 1;
    const looking = lookingAt(bytes);
    const { partitions } = await readTable(looking, nothing);
    expect(partitions).toEqual([]);
    expect(looking.findings).toMatchObject([{ rule: 'guest.gpt-broken', severity: 'blocker' }]);
  });

  it('notes a broken backup, a grown disk and a cut one', async () => {
    const broken = disk();
    broken[broken.length - 512]! ^= 1;
    const a = lookingAt(broken);
    await readTable(a, nothing);
    expect(rules(a.findings)).toEqual(['guest.gpt-backup-broken']);

    const b = lookingAt(Buffer.concat([disk(), Buffer.alloc(8192)]));
    await readTable(b, nothing);
    expect(b.findings).toMatchObject([{ rule: 'guest.gpt-backup-misplaced', severity: 'note' }]);

    const c = lookingAt(disk().subarray(0, 64 * 512));
    const { partitions } = await readTable(c, nothing);
    checkLayout(c, partitions);
    expect(rules(c.findings)).toEqual(['guest.gpt-backup-misplaced', 'guest.partition-past-end']);
  });

  it('tells a hybrid, an unprotected one, and one that was left over', async () => {
    const hybrid = disk();
    putMbr(hybrid, [
      { id: 0xee, start: 1, length: 39 },
      { id: 0x83, start: 50, length: 50 },
    ]);
    expect((await readTable(lookingAt(hybrid), nothing)).table).toMatchObject({ kind: 'gpt', hybrid: true });

    const unprotected = disk();
    unprotected.fill(0, 0, 512);
    const looking = lookingAt(unprotected);
    expect((await readTable(looking, nothing)).table.kind).toBe('gpt');
    expect(rules(looking.findings)).toEqual(['guest.gpt-unprotected']);

    const leftOver = disk();
    putMbr(leftOver, [{ id: 0x83, start: 50, length: 50 }]);
    const other = lookingAt(leftOver);
    expect((await readTable(other, nothing)).table.kind).toBe('mbr');
    expect(rules(other.findings)).toEqual(['guest.gpt-left-over']);
  });

  it('finds partitions that overlap', async () => {
    const bytes = Buffer.alloc(512 * 1024);
    putGpt(bytes, [...parts, { type: linuxData, start: 90, end: 120 }]);
    const looking = lookingAt(bytes);
    checkLayout(looking, (await readTable(looking, nothing)).partitions);
    expect(rules(looking.findings)).toEqual(['guest.partitions-overlap']);
  });
});

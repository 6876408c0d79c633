import { describe, expect, it } from 'vitest';
import { bootCodeOf } from '../../../src/guest/partitions/mbr.ts';
import { readTable } from '../../../src/guest/partitions/read-table.ts';
import { lookingAt, putMbr, rules } from '../disks.ts';

const nothing = async () => false;
const disk = () => Buffer.alloc(2 ** 20);

describe('MBR', () => {
  it('reads primary partitions', async () => {
    const bytes = disk();
    putMbr(bytes, [
      { status: 0x80, id: 0x83, start: 64, length: 100 },
      undefined,
      { id: 0x82, start: 200, length: 8 },
    ]);
    bytes.writeUInt32LE(0xcafe1234, 440);
    const { table, partitions } = await readTable(lookingAt(bytes), nothing);
    expect(table).toMatchObject({ kind: 'mbr', id: '0xcafe1234', sectorSize: 512 });
    expect(partitions).toEqual([
      {
        number: 1,
        startBytes: 64 * 512,
        lengthBytes: 100 * 512,
        type: '0x83',
        typeName: 'Linux',
        uuid: 'cafe1234-01',
        bootable: true,
      },
      {
        number: 3,
        startBytes: 200 * 512,
        lengthBytes: 8 * 512,
        type: '0x82',
        typeName: 'Linux swap',
        uuid: 'cafe1234-03',
        bootable: false,
      },
    ]);
  });

  it('follows the chain of logical partitions', async () => {
    const bytes = disk();
    putMbr(bytes, [{ id: 0x05, start: 100, length: 1000 }]);
    putMbr(
      bytes,
      [
        { id: 0x83, start: 2, length: 10 },
        { id: 0x05, start: 50, length: 20 },
      ],
      100 * 512,
    );
    putMbr(bytes, [{ id: 0x8e, start: 2, length: 11 }], 150 * 512);
    const looking = lookingAt(bytes);
    const { partitions } = await readTable(looking, nothing);
    expect(partitions.map((p) => [p.number, p.type, p.startBytes / 512])).toEqual([
      [1, '0x05', 100],
      [5, '0x83', 102],
      [6, '0x8e', 152],
    ]);
    expect(looking.findings).toEqual([]);
  });

  it.each([
    ['goes in circles', 50],
    ['leaves its extended partition', 5000],
  ])('refuses a chain that %s, and keeps what came before', async (_what, next) => {
    const bytes = disk();
    putMbr(bytes, [{ id: 0x0f, start: 100, length: 1000 }]);
    putMbr(
      bytes,
      [
        { id: 0x83, start: 2, length: 10 },
        { id: 0x05, start: 50, length: 20 },
      ],
      100 * 512,
    );
    putMbr(
      bytes,
      [
        { id: 0x83, start: 2, length: 10 },
        { id: 0x05, start: next, length: 20 },
      ],
      150 * 512,
    );
    const looking = lookingAt(bytes);
    const { partitions } = await readTable(looking, nothing);
    expect(partitions.map((p) => p.number)).toEqual([1, 5, 6]);
    expect(rules(looking.findings)).toEqual(['guest.extended-partition-broken']);
  });

  it('counts in the sectors of the disk', async () => {
    const bytes = disk();
    putMbr(bytes, [{ id: 0x83, start: 10, length: 20 }]);
    const { partitions } = await readTable(lookingAt(bytes, 4096), nothing);
    expect(partitions[0]).toMatchObject({ startBytes: 40960, lengthBytes: 81920 });
  });

  it.each([
    ['', 'none'],
    ['\xeb\x63\x90GRUB \0Geom\0', 'grub'],
    ['Invalid partition table\0Error loading operating system\0Missing operating system', 'windows'],
    ['Missing operating system.\r\n\0Operating system load error.', 'syslinux'],
    ['\xfa\xeb\x7clilLILO', 'lilo'],
    ['\xfa\x31\xc0', 'other'],
  ] as const)('tells boot code by its words: %j', (code, expected) => {
    const sector = Buffer.alloc(512);
    sector.write(code, 'latin1');
    expect(bootCodeOf(sector)).toBe(expected);
  });
});

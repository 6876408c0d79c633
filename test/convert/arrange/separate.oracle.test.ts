import { join } from 'node:path';
import { expect, it } from 'vitest';
import { assembled } from '../../../src/convert/arrange/layout.ts';
import { separate } from '../../../src/convert/arrange/separate.ts';
import { parseGroups } from '../../../src/model/partition-groups.ts';
import { describeWith } from '../../oracles/requires.ts';
import { tempFolder } from '../../temp.ts';
import { judged, layoutsOf, memoryDisk, mib, sfdisk, wholeOf } from './disks.ts';

const fill = (bytes: Buffer, fromSector: number, sectors: number, value: number) =>
  bytes.fill(value, fromSector * 512, (fromSector + sectors) * 512);

async function separated(bytes: Buffer, groups: string) {
  const disk = memoryDisk(bytes);
  const { layouts, findings } = await layoutsOf([disk]);
  expect(findings).toEqual([]);
  const made = separate(layouts[0]!, parseGroups(groups), 'disk');
  return { ...made, bytes: await Promise.all(made.disks.map((one) => wholeOf(assembled(one, [disk])))) };
}

const numberOf = (node: string) => Number(/\d+$/.exec(node)![0]);

describeWith(['sfdisk', 'sgdisk'], 'a disk separated', () => {
  it('GPT: numbers, ids and names stay; boot code and places on the first', async () => {
    const folder = await tempFolder();
    const disk = sfdisk(
      folder,
      'a',
      16 * mib,
      'label: gpt\nstart=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649\nstart=4096, size=8192, name=root\nstart=14336, size=4096, name=home, uuid=AAAAAAAA-0000-4000-8000-000000000001',
    );
    disk.write('boot code', 0);
    fill(disk, 40, 100, 0x55);
    fill(disk, 4096, 8192, 2);
    fill(disk, 14336, 4096, 3);
    const { bytes, moves, findings } = await separated(disk, '1+2,3');
    expect(findings).toEqual([]);
    const [first, second] = bytes;
    const boot = judged(join(folder, 'b'), first!);
    expect(boot.partitions.map(({ start, size }) => [start, size])).toEqual([
      [2048, 2048],
      [4096, 8192],
    ]);
    expect(first!.toString('latin1', 0, 9)).toBe('boot code');
    // The array of the GPT ends at sector 34.
    expect(first!.subarray(34 * 512, 12288 * 512).equals(disk.subarray(34 * 512, 12288 * 512))).toBe(true);
    const home = judged(join(folder, 'c'), second!);
    expect(home.id).not.toBe(boot.id);
    expect(home.partitions).toMatchObject([
      { start: 2048, size: 4096, name: 'home', uuid: 'AAAAAAAA-0000-4000-8000-000000000001' },
    ]);
    expect(numberOf(home.partitions[0]!.node)).toBe(3);
    expect(second!.subarray(mib, 3 * mib).equals(Buffer.alloc(2 * mib, 3))).toBe(true);
    expect(moves.at(-1)).toMatchObject({ from: { disk: 0, number: 3 }, to: { disk: 1, number: 3 } });
  });

  it('MBR: logical partitions that stay are chained anew, those that go become primary ones', async () => {
    const folder = await tempFolder();
    const disk = sfdisk(
      folder,
      'a',
      16 * mib,
      'label: dos\nlabel-id: 0x11223344\nstart=2048, size=2048, type=83, bootable\nstart=4096, size=24576, type=5\nstart=6144, size=2048, type=82\nstart=10240, size=2048, type=83\nstart=14336, size=2048, type=8e',
    );
    for (const [i, start] of [2048, 6144, 10240, 14336].entries()) fill(disk, start, 2048, i + 1);
    const { bytes, moves, findings } = await separated(disk, '1+6+7,5');
    expect(findings).toEqual([]);
    const boot = judged(join(folder, 'b'), bytes[0]!);
    expect(boot.id).toBe('0x11223344');
    expect(boot.partitions.map(({ node, start, type }) => [numberOf(node), start, type])).toEqual([
      [1, 2048, '83'],
      [2, 4096, '5'],
      [5, 10240, '83'],
      [6, 14336, '8e'],
    ]);
    expect(bytes[0]!.subarray(14336 * 512, 16384 * 512).equals(Buffer.alloc(mib, 4))).toBe(true);
    // What went away is not carried twice.
    expect(bytes[0]!.subarray(6144 * 512, 8192 * 512).equals(Buffer.alloc(mib))).toBe(true);
    const swap = judged(join(folder, 'c'), bytes[1]!);
    expect(swap.partitions).toMatchObject([{ start: 2048, size: 2048, type: '82' }]);
    expect(moves.map(({ from, to }) => [from.number, to.disk, to.number])).toEqual([
      [1, 0, 1],
      [6, 0, 5],
      [7, 0, 6],
      [5, 1, 1],
    ]);
  });

  it('groups must name every partition once, and what starts the machine is told of', async () => {
    const folder = await tempFolder();
    const script = 'label: dos\nstart=2048, size=2048, bootable\nsize=2048';
    const disk = sfdisk(folder, 'a', 4 * mib, script);
    for (const groups of ['1', '1,3', '1+1,2', '1,2,2'])
      expect((await separated(disk, groups)).findings, groups).toEqual([
        expect.objectContaining({ rule: 'disks.groups-do-not-fit', severity: 'blocker' }),
      ]);
    expect((await separated(disk, '2,1')).findings).toEqual([
      expect.objectContaining({ rule: 'disks.start-moved', severity: 'warning' }),
    ]);
    expect((await separated(Buffer.alloc(mib), '1')).findings).toEqual([
      expect.objectContaining({ rule: 'disks.nothing-to-separate' }),
    ]);
    expect(() => parseGroups('1;2')).toThrow(/no groups/);
  });
});

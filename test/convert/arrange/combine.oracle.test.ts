import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { combine } from '../../../src/convert/arrange/combine.ts';
import { assembled } from '../../../src/convert/arrange/layout.ts';
import type { Disk } from '../../../src/io/disk.ts';
import { describeWith } from '../../oracles/requires.ts';
import { tempFolder } from '../../temp.ts';
import { judged, layoutsOf, memoryDisk, mib, sfdisk, wholeOf } from './disks.ts';

const names = ['disk 1', 'disk 2', 'disk 3'];
const fill = (bytes: Buffer, fromSector: number, sectors: number, value: number) =>
  bytes.fill(value, fromSector * 512, (fromSector + sectors) * 512);

async function combined(bytes: readonly Buffer[], firmware: 'bios' | 'uefi' = 'bios') {
  const disks = bytes.map((b) => memoryDisk(b));
  const { layouts, findings } = await layoutsOf(disks);
  expect(findings).toEqual([]);
  const made = combine(layouts, firmware, names);
  return { ...made, disk: made.disks[0] && assembled(made.disks[0], disks) };
}

describeWith(['sfdisk', 'sgdisk', 'mke2fs', 'e2fsck'], 'disks combined into one', () => {
  it('MBR: the first disk stays, of the others each partition comes behind', async () => {
    const folder = await tempFolder();
    const first = sfdisk(
      folder,
      'a',
      8 * mib,
      'label: dos\nlabel-id: 0x11223344\nstart=2048, size=4096, type=83, bootable\nsize=4096, type=82',
    );
    fill(first, 0, 0, 0);
    first.write('GRUB code', 0);
    fill(first, 1, 100, 0x55);
    fill(first, 2048, 4096, 1);
    const second = sfdisk(
      folder,
      'b',
      6 * mib,
      'label: dos\nlabel-id: 0x55667788\nstart=4096, size=2048, type=8e',
    );
    fill(second, 4096, 2048, 3);
    const { disk, moves, findings } = await combined([first, second]);
    expect(findings).toEqual([]);
    const bytes = await wholeOf(disk!);
    const table = judged(join(folder, 'c'), bytes);
    expect(table).toMatchObject({ label: 'dos', id: '0x11223344' });
    expect(
      table.partitions.map(({ start, size, type, bootable }) => [start, size, type, bootable === true]),
    ).toEqual([
      [2048, 4096, '83', true],
      [6144, 4096, '82', false],
      [16384, 2048, '8e', false],
    ]);
    expect(bytes.subarray(0, 440).equals(first.subarray(0, 440))).toBe(true);
    expect(bytes.subarray(512, 8 * mib).equals(first.subarray(512))).toBe(true);
    expect(bytes.subarray(8 * mib, 9 * mib).equals(Buffer.alloc(mib, 3))).toBe(true);
    expect(moves.at(-1)).toEqual({
      from: { disk: 1, number: 1, partUuid: '55667788-01' },
      to: { disk: 0, number: 3, partUuid: '11223344-03' },
    });
  });

  it('MBR with logical partitions first; and others that become logical ones', async () => {
    const folder = await tempFolder();
    const script =
      'label: dos\nstart=2048, size=2048, type=83\nstart=4096, size=10240, type=5\nstart=6144, size=2048, type=82\nstart=10240, size=2048, type=83';
    const first = sfdisk(folder, 'a', 8 * mib, script);
    fill(first, 10240, 2048, 7);
    const plain = sfdisk(folder, 'b', 8 * mib, 'label: dos\nstart=2048, size=2048\nsize=2048\nsize=2048');
    const some = await combined([
      first,
      sfdisk(
        folder,
        'd',
        4 * mib,
        'label: gpt\nstart=2048, size=2048, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4',
      ),
    ]);
    const bytes = await wholeOf(some.disk!);
    const table = judged(join(folder, 'c'), bytes);
    expect(table.partitions.map(({ node, start }) => [Number(/\d+$/.exec(node)![0]), start])).toEqual([
      [1, 2048],
      [2, 4096],
      [3, 16384],
      [5, 6144],
      [6, 10240],
    ]);
    // Three more do not go into a table that has its extended partition already.
    const refused = await combined([first, plain]);
    expect(refused.findings).toEqual([expect.objectContaining({ rule: 'disks.table-becomes-gpt' })]);
    const grub = Buffer.from(first);
    grub.write('GRUB', 0);
    const blocked = await combined([grub, plain]);
    expect(blocked.disk).toBeUndefined();
    expect(blocked.findings).toEqual([
      expect.objectContaining({
        rule: 'disks.not-combined',
        message: expect.stringMatching(/four places.*BIOS starts/),
      }),
    ]);

    fill(plain, 6144, 2048, 9);
    const logical = await combined([plain, plain]);
    const both = await wholeOf(logical.disk!);
    const made = judged(join(folder, 'e'), both);
    expect(made.partitions.map(({ node }) => Number(/\d+$/.exec(node)![0]))).toEqual([1, 2, 3, 4, 5, 6, 7]);
    const last = made.partitions.at(-1)!;
    expect(both.subarray(last.start * 512, (last.start + last.size) * 512).equals(Buffer.alloc(mib, 9))).toBe(
      true,
    );
  });

  it('GPT: ids, names and attributes stay, a copied disk gets ids of its own', async () => {
    const folder = await tempFolder();
    const script =
      'label: gpt\nlabel-id: 11111111-2222-3333-4444-555555555555\nstart=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649, name=boot, attrs=LegacyBIOSBootable\nstart=4096, size=4096, type=L, name=root, uuid=AAAAAAAA-0000-4000-8000-000000000001';
    const first = sfdisk(folder, 'a', 8 * mib, script);
    const ext = join(folder, 'whole');
    writeFileSync(ext, Buffer.alloc(3 * mib));
    execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', '-O', '^has_journal', ext]);
    const { disk, moves, findings } = await combined([first, first, readFileSync(ext)]);
    expect(findings).toEqual([]);
    const bytes = await wholeOf(disk!);
    const path = join(folder, 'c');
    const table = judged(path, bytes);
    expect(table).toMatchObject({ label: 'gpt', id: '11111111-2222-3333-4444-555555555555' });
    expect(table.partitions).toHaveLength(5);
    const [boot, root, boot2, , whole] = table.partitions;
    expect(boot).toMatchObject({ start: 2048, name: 'boot', attrs: 'LegacyBIOSBootable' });
    expect(root).toMatchObject({ start: 4096, name: 'root', uuid: 'AAAAAAAA-0000-4000-8000-000000000001' });
    expect(boot2).toMatchObject({ name: 'boot' });
    expect(new Set(table.partitions.map(({ uuid }) => uuid)).size).toBe(5);
    expect(moves.find(({ from }) => from.disk === 2)).toMatchObject({
      from: { number: 0 },
      to: { number: 5 },
    });
    writeFileSync(ext, bytes.subarray(whole!.start * 512, (whole!.start + whole!.size) * 512));
    execFileSync('e2fsck', ['-fn', ext]);
  });

  it('sectors of 4096 bytes by themselves, and refused beside others', async () => {
    const folder = await tempFolder();
    const { findings } = await combined([sfdisk(folder, 'a', 4 * mib, 'label: gpt\nstart=2048, size=2048')]);
    expect(findings).toEqual([]);
    const large = memoryDisk(Buffer.alloc(4 * mib), 4096);
    const small = memoryDisk(Buffer.alloc(4 * mib));
    const mixed = await layoutsOf([small, large]);
    expect(combine(mixed.layouts, 'bios', names).findings).toEqual([
      expect.objectContaining({ rule: 'disks.sector-sizes-differ', severity: 'blocker' }),
    ]);
    const same: Disk[] = [large, large];
    const { layouts } = await layoutsOf(same);
    const made = combine(layouts, 'uefi', names);
    expect(made.disks[0]).toMatchObject({ sectorSize: 4096, size: 10 * mib });
    expect((await layoutsOf([assembled(made.disks[0]!, same)])).layouts[0]!.parts).toHaveLength(2);
  });

  it('a dynamic disk of Windows, and one with a broken table, are refused', async () => {
    const folder = await tempFolder();
    const dynamic = sfdisk(folder, 'a', 4 * mib, 'label: dos\nstart=2048, size=2048, type=42');
    const { findings } = await layoutsOf([memoryDisk(dynamic)]);
    expect(findings).toEqual([
      expect.objectContaining({ rule: 'disks.table-not-arranged', severity: 'blocker' }),
    ]);
    const cut = sfdisk(folder, 'b', 8 * mib, 'label: dos\nstart=2048, size=8192').subarray(0, 4 * mib);
    expect((await layoutsOf([memoryDisk(cut)])).findings).toHaveLength(1);
  });
});

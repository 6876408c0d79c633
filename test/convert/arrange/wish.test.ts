import { expect, it } from 'vitest';
import { defaultGroups } from '../../../src/convert/arrange/default-groups.ts';
import { assembled } from '../../../src/convert/arrange/layout.ts';
import { wishedDisks } from '../../../src/convert/arrange/wish.ts';
import { parsePlan } from '../../../src/convert/parse-plan.ts';
import { placeThere } from '../../../src/guest/change/linux/stable-names.ts';
import { memorySource } from '../../../src/io/byte-source.ts';
import { sourceDisk } from '../../../src/io/disk.ts';
import type { GuestPartition, GuestReport } from '../../../src/model/guest-report.ts';

const disk = (id: string) => ({ id, name: `${id}.img`, files: [`/x/${id}.img`], serial: id, unit: 0 });
const partition = (number: number, type: string, uuid?: string): GuestPartition => ({
  ...{ number, type, typeName: '', startBytes: number * 2 ** 20, lengthBytes: 2 ** 20, bootable: false },
  ...(uuid === undefined ? {} : { volume: { kind: 'ext4', state: 'clean' as const, readable: true, uuid } }),
});
const report = (
  partitions: readonly GuestPartition[],
  mounts: readonly [string, string][] = [],
  rootPartition = 1,
) =>
  ({
    partitions,
    systems: [
      {
        rootPartition,
        mounts: mounts.map(([device, mountPoint]) => ({ device, mountPoint, kind: 'ext4', options: '' })),
      },
    ],
  }) as unknown as GuestReport;

const linux = '0fc63daf-8483-4772-8e79-3d69d8477de4';
const esp = 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b';

it('what starts the machine stays together when nobody says', () => {
  const parts = [
    partition(1, esp),
    partition(2, linux, 'b'),
    partition(3, linux, 'r'),
    partition(4, linux, 'h'),
  ];
  expect(defaultGroups(report(parts, [['UUID=b', '/boot']], 3))).toEqual([[1, 2], [3], [4]]);
  expect(defaultGroups(report(parts, [['/dev/sda2', '/boot']], 3))).toEqual([[1, 2], [3], [4]]);
  expect(defaultGroups(report(parts, [['UUID=r', '/']], 3))).toEqual([[1, 3], [2], [4]]);
  const logical = [partition(1, '0x83'), partition(2, '0x05'), partition(5, '0x82')];
  expect(defaultGroups(report(logical))).toEqual([[1], [5]]);
});

it('a wish makes the disks that the machine has then', () => {
  const both = [disk('a'), disk('b')];
  const one = wishedDisks({ kind: 'combine' }, both, {});
  expect(one.disks).toMatchObject([{ id: 'a#1', serial: 'a', files: ['/x/a.img', '/x/b.img'] }]);
  expect(one.arrange).toEqual({ kind: 'combine', disks: both });
  const two = wishedDisks({ kind: 'separate', groups: [[1], [2]] }, [disk('a')], {});
  expect(two.disks.map(({ id, unit, serial }) => [id, unit, serial])).toEqual([
    ['a#1', 0, 'a'],
    ['a#2', 1, undefined],
  ]);
  expect(() => wishedDisks({ kind: 'combine' }, [disk('a')], {})).toThrow(/one disk only/);
  expect(() => wishedDisks({ kind: 'separate' }, both, {})).toThrow(/one disk can be separated/);
  expect(() => wishedDisks({ kind: 'separate' }, [disk('a')], {})).toThrow(/not known yet/);
  expect(wishedDisks(undefined, both, {})).toEqual({ disks: both });
});

it('names of hardware are followed to where the partitions are', () => {
  const moves = [
    { from: { disk: 0, number: 1 }, to: { disk: 0, number: 1 } },
    { from: { disk: 1, number: 1, partUuid: 'AB-01' }, to: { disk: 0, number: 2, partUuid: 'cd-02' } },
    { from: { disk: 2, number: 0 }, to: { disk: 0, number: 3 } },
  ];
  expect(placeThere('/dev/sdb1', 1, moves)).toEqual({ disk: 0, partition: 2 });
  expect(placeThere('/dev/vdc', 1, moves)).toEqual({ disk: 0, partition: 3 });
  expect(placeThere('PARTUUID=ab-01', 1, moves)).toEqual({ disk: 0, partition: 2 });
  expect(placeThere('/dev/sdd1', 1, moves)).toBe('nowhere');
  expect(placeThere('UUID=x', 1, moves)).toBeUndefined();
  expect(placeThere('/dev/sdb1', 1, [])).toEqual({ disk: 1, partition: 1 });
});

it('pieces with zeros between them keep the law of extents', async () => {
  const old = sourceDisk(memorySource(Buffer.from('abcdef')));
  const made = {
    size: 12,
    sectorSize: 512,
    pieces: [
      { at: 0, bytes: Buffer.from('T') },
      { at: 2, disk: 0, from: 1, length: 3 },
      { at: 5, disk: 0, from: 0, length: 1 },
    ],
  };
  const seen = assembled(made, [old]);
  const bytes = Buffer.alloc(12);
  await seen.read(bytes, 0);
  expect(bytes.toString('latin1')).toBe('T\0bcda\0\0\0\0\0\0');
  expect(await seen.extents(0, 12)).toEqual([
    { kind: 'data', offset: 0, length: 1 },
    { kind: 'zero', offset: 1, length: 1 },
    { kind: 'data', offset: 2, length: 4 },
    { kind: 'zero', offset: 6, length: 6 },
  ]);
  expect(await seen.extents(3, 7)).toEqual([
    { kind: 'data', offset: 3, length: 3 },
    { kind: 'zero', offset: 6, length: 1 },
  ]);
});

it('a plan with arranged disks is checked', () => {
  const plan = {
    version: 1,
    source: { environment: 'local', settings: {}, machine: 'a', follow: false },
    machine: { id: 'a', name: 'a', state: 'off', disks: [disk('a#1')], nics: [], findings: [] },
    destination: {
      environment: 'local',
      settings: {},
      product: 'files',
      container: 'disks',
      format: 'raw',
      options: {},
    },
    force: false,
    sync: false,
    arrange: { kind: 'combine', disks: [disk('a'), disk('b')] },
  };
  expect(parsePlan(plan).arrange).toEqual(plan.arrange);
  expect(() => parsePlan({ ...plan, arrange: { kind: 'combine', disks: [disk('a')] } })).toThrow(
    /arrange.disks/,
  );
  expect(() => parsePlan({ ...plan, arrange: { kind: 'separate', disks: [disk('a')] } })).toThrow(
    /arrange.groups/,
  );
});

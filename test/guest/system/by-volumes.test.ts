import { describe, expect, it } from 'vitest';
import { typeName } from '../../../src/guest/partitions/type-names.ts';
import { concludedSystem, type Seen } from '../../../src/guest/system/by-volumes.ts';
import { firmwareHint } from '../../../src/guest/system/firmware.ts';
import type { BootCode, GuestPartition, PartitionTable } from '../../../src/model/guest-report.ts';

const esp = 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b';
const biosBoot = '21686148-6449-6e6f-744e-656564454649';
const msReserved = 'e3c9e316-0b5c-4db8-817d-f92df00215ae';
const msData = 'ebd0a0a2-b9e5-4433-87c0-68b6b72699c7';
const linuxData = '0fc63daf-8483-4772-8e79-3d69d8477de4';
const freebsdUfs = '516e7cb6-6ecf-11d6-8ff8-00022d09712b';

const part = (number: number, type: string, kind?: string, bootable = false): GuestPartition => ({
  number,
  startBytes: number * 1000,
  lengthBytes: number * 1000,
  type,
  typeName: typeName(type),
  bootable,
  ...(kind === undefined ? {} : { volume: { kind, state: 'unknown' as const, readable: false } }),
});
const seen = (partitions: GuestPartition[], more: Partial<Seen> = {}): Seen => ({
  bootCode: 'none',
  partitions,
  kernels: [],
  efiLoaders: [],
  ...more,
});

describe('systems concluded from volumes', () => {
  it('Windows with UEFI', () => {
    const partitions = [part(1, esp, 'fat32'), part(2, msReserved), part(3, msData, 'ntfs')];
    const system = concludedSystem(seen(partitions, { efiLoaders: ['EFI/Microsoft/Boot/bootmgfw.efi'] }));
    expect(system).toMatchObject({ family: 'windows', rootPartition: 3, confidence: 'medium' });
  });

  it('not Windows, when NTFS holds only data', () => {
    expect(concludedSystem(seen([part(1, '0x07', 'ntfs')]))).toBeUndefined();
  });

  it('Linux on LVM, with its architecture from the kernel', () => {
    const partitions = [part(1, '0x83', 'xfs', true), part(2, '0x8e', 'lvm2-pv')];
    const system = concludedSystem(seen(partitions, { bootCode: 'grub', kernels: ['5.14.0-1.el9.x86_64'] }));
    expect(system).toMatchObject({
      family: 'linux',
      rootPartition: 2,
      architecture: 'x86_64',
      kernels: ['5.14.0-1.el9.x86_64'],
    });
  });

  it('not Linux, when nothing starts from the disk', () => {
    expect(concludedSystem(seen([part(1, linuxData, 'xfs')]))).toBeUndefined();
  });

  it('FreeBSD and macOS', () => {
    const bsd = [part(1, '83bd6b9d-7f41-11dc-be0b-001560b84f0f'), part(2, freebsdUfs, 'ufs2')];
    expect(concludedSystem(seen(bsd))).toMatchObject({ name: 'FreeBSD', family: 'bsd', rootPartition: 2 });
    expect(concludedSystem(seen([part(1, '0xa6')]))).toMatchObject({ name: 'OpenBSD', family: 'bsd' });
    expect(concludedSystem(seen([part(1, msData, 'apfs')]))).toMatchObject({
      name: 'macOS',
      family: 'other',
    });
  });
});

describe('firmware', () => {
  const table = (kind: PartitionTable['kind'], bootCode: BootCode): PartitionTable => ({
    kind,
    bootCode,
    sectorSize: 512,
  });
  it.each([
    ['gpt', 'none', [esp], 'uefi'],
    ['gpt', 'none', [esp, biosBoot], 'both'],
    ['gpt', 'grub', [esp], 'both'],
    ['gpt', 'windows', [esp], 'uefi'],
    ['gpt', 'grub', [biosBoot], 'bios'],
    ['mbr', 'grub', ['0x83'], 'bios'],
    ['mbr', 'other', ['0x83'], 'bios'],
    ['mbr', 'other', ['0xef'], 'uefi'],
    ['mbr', 'windows', ['0x07'], 'bios'],
    ['mbr', 'none', ['0x83'], 'unknown'],
    ['none', 'none', [], 'unknown'],
  ] as const)('%s with boot code of %s and %j: %s', (kind, bootCode, types, expected) => {
    const partitions = types.map((type, i) => part(i + 1, type, undefined, true));
    expect(firmwareHint(table(kind, bootCode), partitions)).toBe(expected);
  });
});

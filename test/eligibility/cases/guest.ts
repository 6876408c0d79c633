import { GiB, MiB } from '../../../src/model/units.ts';
import type { PackCases } from '../facts.ts';

const bare = { 'report.partitionTable': { kind: 'none', sectorSize: 512, bootCode: 'none' } };

export const guest: PackCases = {
  base: {},
  rules: {
    'names-by-device': {
      breaks: { 'system.mounts.0.device': '/dev/sda1' },
      keeps: { 'system.mounts.0.device': '/dev/mapper/vg-root' },
      says: '/dev/sda1',
    },
    'interface-names': { breaks: { 'system.interfaces.0.name': 'ens192' }, says: 'ens192' },
    'static-address': {
      breaks: { 'system.interfaces.0.method': 'static', 'system.interfaces.0.addresses': ['192.0.2.7/24'] },
      says: '192.0.2.7/24',
    },
    'foreign-tools': { breaks: { 'system.tools': [{ id: 'open-vm-tools' }] }, says: 'open-vm-tools' },
    hibernated: { breaks: { 'volume.state': 'hibernated' } },
    'fast-startup': { on: 'windows', breaks: { 'system.windows.fastStartup': true } },
    dirty: { breaks: { 'volume.state': 'dirty' }, says: 'partition 1 of a.img' },
    'dynamic-disk': { on: 'windows', breaks: { 'report.partitions.0.type': '0x42' } },
    bitlocker: { on: 'windows', breaks: { 'volume.kind': 'bitlocker' } },
    'no-table': { breaks: bare },
    'no-bootloader': { breaks: { ...bare, 'system.bootloader': undefined, 'report.efiLoaders': [] } },
    'no-kernel': { breaks: { 'system.kernels': [], 'system.bootKernels': [] } },
    'fallback-loader': {
      breaks: { 'machine.firmware.kind': 'uefi', 'report.efiLoaders': ['EFI/debian/grubx64.efi'] },
      keeps: { 'machine.firmware.kind': 'uefi', 'report.efiLoaders': ['EFI/Boot/bootx64.efi'] },
    },
    'little-room': { breaks: { 'system.space.0.freeBytes': 99 * MiB }, says: '99 MiB' },
    'little-room-boot': {
      breaks: {
        'system.space.1': { mountPoint: '/boot', kind: 'ext2', freeBytes: 49 * MiB, freeInodes: 999 },
      },
      keeps: { 'system.space.1': { mountPoint: '/boot', kind: 'ext2', freeBytes: GiB, freeInodes: 999 } },
    },
    'no-inodes': { breaks: { 'system.space.0.freeInodes': 3 }, says: '3 inodes' },
    tpm: { breaks: { 'machine.devices.tpm': { version: '2.0' } } },
    'bound-devices': {
      breaks: { 'machine.devices.bound': ['PCI 0000:03:00.0'] },
      keeps: { 'machine.devices.bound': [] },
      says: 'PCI 0000:03:00.0',
    },
    'shared-disk': { breaks: { 'disk.shared': true }, keeps: { 'disk.shared': false } },
    arm: { breaks: { 'system.architecture': 'aarch64' }, says: 'aarch64' },
  },
};

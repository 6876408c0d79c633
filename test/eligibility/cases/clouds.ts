import { GiB, MiB, TiB } from '../../../src/model/units.ts';
import { driver, type PackCases } from '../facts.ts';

const xenConsole = { breaks: { 'system.bootloader.arguments': 'console=ttyS0 console=hvc0' } };
const tools = { breaks: { 'system.tools': [{ id: 'open-vm-tools' }] } };
const noSsh = { breaks: { 'system.services': ['growpart'] } };
const noConsole = { breaks: { 'system.bootloader.arguments': 'ro quiet' } };
const size = (above: number, limit: number) => ({ breaks: { size: above }, keeps: { size: limit } });
const more = (count: number, element: object) =>
  Object.fromEntries(
    Array.from({ length: count - 1 }, (_, i) => [String(i + 1), { ...element, id: `x${i}` }]),
  );
const disks = (count: number) => {
  const added = Object.entries(more(count, { name: 'more', files: [] }));
  return Object.fromEntries(added.map(([i, disk]) => [`machine.disks.${i}`, disk]));
};
/** The system is on the second disk, the boot loader on the first. */
const rootElsewhere = {
  ...disks(2),
  'report.systems': [],
  'reports.x0': {
    ...{
      partitionTable: { kind: 'gpt', sectorSize: 512, bootCode: 'none' },
      partitions: [],
      firmware: 'unknown',
    },
    systems: [{ name: 'Debian', family: 'linux', rootPartition: 1, mounts: [], kernels: [], evidence: [] }],
    ...{ efiLoaders: [], findings: [], bytesRead: 0, confidence: 'high' },
  },
};
const encrypted = { breaks: { 'volume.encrypted': true } };
const notGrub = { breaks: { 'system.bootloader.kind': 'systemd-boot' } };

export const openstack: PackCases = {
  base: { format: 'qcow2', patch: { 'system.cloudInit.enabled': true } },
  rules: {
    'disk-format': { breaks: { 'disk.format': 'cow' } },
    'cloud-init': { breaks: { 'system.cloudInit': undefined } },
    growpart: { breaks: { 'system.services': ['sshd'] } },
    sshd: noSsh,
    console: noConsole,
    'mac-pinned': { breaks: { 'system.interfaces.0.mac': '00:50:56:00:00:01' }, says: '00:50:56:00:00:01' },
    properties: { breaks: { 'machine.firmware.kind': 'uefi' } },
    'virtio-initramfs': { breaks: driver('virtio_blk', 'module') },
    'virtio-drivers': { breaks: driver('virtio_blk', 'missing') },
  },
};

export const aws: PackCases = {
  base: {},
  rules: {
    'disk-format': { breaks: { 'disk.format': 'qcow2' }, keeps: { 'disk.format': 'vhdx' } },
    'vmdk-kind': {
      breaks: { 'disk.format': 'vmdk', 'image.format': 'vmdk', 'image.variant': 'monolithicSparse' },
      keeps: { 'disk.format': 'vmdk', 'image.format': 'vmdk', 'image.variant': 'streamOptimized' },
    },
    sesparse: {
      breaks: { 'disk.format': 'vmdk', 'image.format': 'vmdk', 'image.variant': 'seSparse' },
      keeps: { 'image.variant': 'plain' },
    },
    'raw-device': {
      breaks: { 'machine.findings': [{ rule: 'vsphere.rdm', severity: 'warning', message: '-' }] },
    },
    'disk-size': size(8 * TiB, 8 * TiB - 512),
    'disk-size-any': size(16 * TiB + 512, 16 * TiB),
    volumes: { breaks: disks(22), keeps: disks(21) },
    encrypted,
    'two-systems': {
      breaks: { 'report.systems.1': { name: 'Windows 10', family: 'windows', mounts: [], rootPartition: 2 } },
      says: 'Windows 10',
    },
    'root-disk': { breaks: rootElsewhere },
    'linux-32': { breaks: { 'system.architecture': 'i686' } },
    'root-filesystem': {
      breaks: { 'system.mounts.0.kind': 'f2fs' },
      keeps: { 'system.mounts.0.kind': 'xfs' },
    },
    'btrfs-subvolume': {
      breaks: { 'system.mounts.0.kind': 'btrfs', 'system.mounts.0.options': 'subvol=@' },
      keeps: { 'system.mounts.0.kind': 'btrfs' },
    },
    grub: notGrub,
    'fallback-loader': {
      breaks: { 'machine.firmware.kind': 'uefi', 'report.efiLoaders': [] },
      keeps: { 'machine.firmware.kind': 'uefi' },
    },
    'several-nics': { breaks: { 'machine.nics.1': { mac: '52:54:00:00:00:02' } } },
    'static-address': { breaks: { 'system.interfaces.0.method': 'static' } },
    'cd-attached': { breaks: { 'machine.devices.cdroms': [{}] }, keeps: { 'machine.devices.cdroms': [] } },
    sshd: noSsh,
    'remote-desktop': { on: 'windows', breaks: { 'system.windows.remoteDesktop': false } },
    'nitro-initramfs': { breaks: driver('nvme', 'module') },
    'nitro-drivers': { breaks: driver('ena', 'missing') },
    'xen-types': { breaks: driver('xen_blkfront', 'module') },
    'hyperv-role': { on: 'windows', breaks: { 'system.windows.hyperVRole': true } },
    'windows-room': {
      on: 'windows',
      breaks: { 'system.space.0.freeBytes': 6 * GiB - 1 },
      keeps: { 'system.space.0.freeBytes': 6 * GiB },
    },
    'pending-updates': { on: 'windows', breaks: { 'system.windows.pendingUpdates': true } },
    'auto-logon': { on: 'windows', breaks: { 'system.windows.autoLogon': true } },
    'windows-11-uefi': {
      on: 'windows',
      breaks: { 'system.name': 'Windows 11 Pro' },
      keeps: { 'system.name': 'Windows 11 Pro', 'machine.firmware.kind': 'uefi' },
    },
    'import-way': { breaks: { 'system.family': 'bsd' } },
    'xen-console': xenConsole,
    'foreign-tools': tools,
  },
};

export const azure: PackCases = {
  base: { format: 'vhd', variant: 'fixed', patch: { 'system.tools': [{ id: 'walinuxagent' }] } },
  rules: {
    'disk-format': { breaks: { 'disk.format': 'vhdx' } },
    'vhd-fixed': { breaks: { 'image.variant': 'dynamic' } },
    'whole-mebibytes': size(10 * GiB + 512, 10 * GiB + MiB),
    'system-disk-size': size(2 * TiB + MiB, 2 * TiB),
    generation: { breaks: { 'report.firmware': 'uefi' }, keeps: { 'report.firmware': 'bios' } },
    'hv-initramfs': { breaks: driver('hv_vmbus', 'module') },
    'hv-drivers': { breaks: driver('hv_storvsc', 'missing') },
    'hv-net': { breaks: driver('hv_netvsc', 'missing') },
    agent: { breaks: { 'system.tools': [] } },
    swap: { breaks: { 'volume.kind': 'swap' } },
    'lvm-root': { breaks: { 'volume.kind': 'lvm2-pv' } },
    console: noConsole,
    numa: {
      breaks: { 'kernel.version': '2.6.32-754.el6.x86_64' },
      keeps: { 'kernel.version': '2.6.37' },
    },
    'xen-console': xenConsole,
    'foreign-tools': tools,
  },
};

export const gcp: PackCases = {
  base: {},
  rules: {
    'disk-format': { breaks: { 'disk.format': 'qcow2' } },
    'root-disk': { breaks: rootElsewhere },
    'windows-mark': { on: 'windows', breaks: { 'report.partitionTable.bootCode': 'none' } },
    encrypted,
    acpi: { breaks: { 'system.bootloader.arguments': 'console=ttyS0 acpi=off' } },
    grub: notGrub,
    'virtio-initramfs': { breaks: driver('virtio_scsi', 'module') },
    'virtio-drivers': { breaks: driver('virtio_scsi', 'missing') },
    'virtio-net': { breaks: driver('virtio_net', 'missing') },
    delivery: { breaks: {}, keeps: disks(2) },
    'xen-console': xenConsole,
    'foreign-tools': tools,
  },
};

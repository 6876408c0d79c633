import { GiB, TiB } from '../../../src/model/units.ts';
import { driver, type PackCases } from '../facts.ts';

const virtio = {
  'virtio-initramfs': { breaks: driver('virtio_blk', 'module'), says: 'virtio_blk' },
  'virtio-drivers': { breaks: driver('virtio_pci', 'missing') },
  'virtio-net': { breaks: driver('virtio_net', 'missing') },
};
const secureBoot = {
  breaks: { 'machine.firmware': { kind: 'uefi', secureBoot: true } },
  keeps: { 'machine.firmware': { kind: 'uefi', secureBoot: false } },
};
const xenConsole = { breaks: { 'system.bootloader.arguments': 'ro console=hvc0' } };
const cloudInit = { breaks: { 'system.cloudInit.enabled': true } };
const tools = (id: string, own: string) => ({
  breaks: { 'system.tools': [{ id }] },
  keeps: { 'system.tools': [{ id: own }] },
});
const size = (above: number, limit: number) => ({ breaks: { size: above }, keeps: { size: limit } });

export const kvm: PackCases = {
  base: {},
  rules: {
    'xen-kernels': {
      breaks: { 'kernel.version': '2.6.18-398.el5xen' },
      keeps: { 'system.bootKernels.1': { version: '2.6.18-398.el5xen', isDefault: false } },
    },
    ...virtio,
    'x86-64-v2': {
      breaks: { 'system.distribution': 'almalinux', 'system.version': '9.4' },
      keeps: { 'system.distribution': 'almalinux', 'system.version': '8.10' },
    },
    'windows-virtio': { on: 'windows', breaks: { 'system.windows.drivers': ['pvscsi'] } },
    'secure-boot': secureBoot,
    'xen-console': xenConsole,
    'cloud-init': cloudInit,
    'foreign-tools': tools('open-vm-tools', 'qemu-guest-agent'),
  },
};

export const vmware: PackCases = {
  base: { format: 'vmdk' },
  rules: {
    'disk-format': { breaks: { 'disk.format': 'qcow2' }, says: 'qcow2' },
    'disk-size': size(62 * TiB + 512, 62 * TiB),
    'disk-size-workstation': size(8 * TiB + 512, 8 * TiB),
    'buslogic-size': {
      breaks: { 'disk.controllerModel': 'BusLogic', size: 3 * TiB },
      keeps: { 'disk.controllerModel': 'lsilogic', size: 3 * TiB },
    },
    'scsi-initramfs': { breaks: driver('mptspi', 'module') },
    'scsi-drivers': { breaks: driver('mptspi', 'missing') },
    vmxnet3: { breaks: driver('vmxnet3', 'missing'), keeps: driver('vmxnet3', 'module') },
    'secure-boot': secureBoot,
    'xen-console': xenConsole,
    'cloud-init': cloudInit,
    'foreign-tools': tools('qemu-guest-agent', 'open-vm-tools'),
  },
};

const remark = (rule: string) => ({
  breaks: { 'machine.findings': [{ rule, severity: 'warning', message: '-' }] },
});

export const xcpNg: PackCases = {
  base: { format: 'vhd', variant: 'dynamic' },
  rules: {
    'disk-format': { breaks: { 'disk.format': 'vdi' } },
    'disk-size': size(2 * TiB, 2 * TiB - 8 * 2 ** 20),
    'raw-device': remark('vsphere.rdm'),
    'independent-disk': remark('vsphere.independent'),
    'encrypted-disk': remark('vmware.encrypted'),
    'xen-initramfs': { breaks: driver('xen_blkfront', 'module') },
    'xen-drivers': { breaks: driver('xen_blkfront', 'missing') },
    'xen-net': { breaks: driver('xen_netfront', 'missing'), keeps: driver('xen_netfront', 'module') },
    'uefi-flag': { breaks: { 'machine.firmware.kind': 'uefi' } },
    'long-task': size(TiB + 1, TiB),
    'cloud-init': cloudInit,
    'foreign-tools': tools('open-vm-tools', 'xe-guest-utilities'),
  },
};

const hyperv = {
  'hv-initramfs': { breaks: driver('hv_storvsc', 'module') },
  'hv-drivers': { breaks: driver('hv_vmbus', 'missing') },
  'hv-net': { breaks: driver('hv_netvsc', 'missing') },
  'xen-console': xenConsole,
  'cloud-init': cloudInit,
  'foreign-tools': tools('open-vm-tools', 'hyperv-daemons'),
};

export const hypervGen1: PackCases = {
  base: { format: 'vhdx', variant: 'dynamic' },
  rules: {
    'disk-format': { breaks: { 'disk.format': 'qcow2' } },
    firmware: { breaks: { 'machine.firmware.kind': 'uefi' }, says: 'UEFI' },
    'starts-by': { breaks: { 'report.firmware': 'uefi' }, keeps: { 'report.firmware': 'bios' } },
    'vhd-size': {
      breaks: { 'disk.format': 'vhd', 'image.format': 'vhd', size: 2041 * GiB },
      keeps: { 'disk.format': 'vhd', 'image.format': 'vhd', size: 2040 * GiB },
    },
    'boot-size': size(2 * TiB + 512, 2 * TiB),
    'windows-11': { on: 'windows', breaks: { 'system.name': 'Windows 11 Pro' } },
    'ide-disks': { breaks: { 'disk.bus': 'scsi' } },
    ...hyperv,
  },
};

export const hypervGen2: PackCases = {
  base: { format: 'vhdx', variant: 'dynamic', firmware: 'uefi', patch: { 'disk.bus': 'scsi' } },
  rules: {
    'disk-format': { breaks: { 'disk.format': 'vhd' } },
    firmware: { breaks: { 'machine.firmware.kind': 'bios' }, says: 'BIOS' },
    'starts-by': { breaks: { 'report.firmware': 'bios' }, keeps: { 'report.firmware': 'uefi' } },
    'disk-size': size(64 * TiB + 512, 64 * TiB),
    '32-bit': { breaks: { 'system.architecture': 'i686' } },
    'secure-boot-template': { breaks: {}, keeps: { 'system.family': 'windows' } },
    'ide-floppy': { breaks: { 'disk.bus': 'ide' } },
    ...hyperv,
  },
};

export const virtualbox: PackCases = {
  base: { format: 'vdi' },
  rules: {
    'disk-format': { breaks: { 'disk.format': 'qcow2' } },
    'parallels-version': { breaks: { 'disk.format': 'parallels' } },
    'secure-boot': secureBoot,
    'xen-console': xenConsole,
    'cloud-init': cloudInit,
    'foreign-tools': tools('open-vm-tools', 'virtualbox-additions'),
  },
};

export const proxmox: PackCases = {
  base: {},
  rules: {
    'ovmf-lsi': {
      breaks: { 'machine.firmware.kind': 'uefi', 'disk.controllerModel': 'lsilogic' },
      keeps: { 'machine.firmware.kind': 'uefi', 'disk.controllerModel': 'pvscsi' },
    },
    nvram: {
      breaks: { 'machine.firmware.kind': 'uefi', 'report.efiLoaders': ['EFI/debian/grubx64.efi'] },
      keeps: { 'machine.firmware.kind': 'uefi' },
    },
    cdrom: { breaks: { 'machine.devices.cdroms': [{ bus: 'ide' }] } },
    vsan: remark('vsphere.no-files'),
    nvme: { breaks: { 'disk.bus': 'nvme' } },
  },
};

export const uml: PackCases = {
  base: { patch: { 'report.partitionTable.kind': 'none' } },
  rules: {
    'disk-format': { breaks: { 'disk.format': 'qcow2' }, keeps: { 'disk.format': 'cow' } },
    'linux-only': { on: 'windows', breaks: {}, keeps: { 'system.family': 'linux' } },
    'names-by-device': {
      breaks: { 'system.mounts.0.device': '/dev/vda1' },
      keeps: { 'system.mounts.0.device': '/dev/ubda' },
    },
    partitions: { breaks: { 'report.partitionTable.kind': 'gpt' } },
    uefi: { breaks: { 'machine.firmware.kind': 'uefi' } },
    'lvm-root': { breaks: { 'volume.kind': 'lvm2-pv' } },
    modules: { breaks: {}, keeps: { 'system.bootKernels': [] } },
    'cloud-init': cloudInit,
  },
};

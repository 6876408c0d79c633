/** What opens the result: the products, the formats and containers that each takes, the default first. */

import { AppError } from '../model/errors.ts';
import type { DiskBus, Firmware } from '../model/machine.ts';
import type { Options } from '../model/options.ts';
import type { Container } from '../model/plan.ts';

export interface Product {
  readonly id: string;
  readonly label: string;
  readonly summary: string;
  readonly containers: readonly Container[];
  readonly formats: readonly string[];
  /** Options of a format that this product wants otherwise than the format's own default. */
  readonly options: Readonly<Record<string, Options>>;
  /** What a machine gets that says nothing itself. */
  readonly hardware: {
    readonly processors: number;
    readonly memoryBytes: number;
    readonly firmware: Firmware;
    readonly diskBus: DiskBus;
    readonly nicModel: string;
  };
}

const hardware = {
  processors: 2,
  memoryBytes: 2 * 2 ** 30,
  firmware: { kind: 'bios' },
  diskBus: 'sata',
  nicModel: 'e1000',
} as const;

export const products: readonly Product[] = [
  {
    id: 'qemu',
    label: 'QEMU / KVM',
    summary: 'qcow2 or raw disks for QEMU, libvirt, Proxmox VE, OpenStack',
    containers: ['disks', 'ova', 'ovf'],
    formats: ['qcow2', 'raw', 'vmdk', 'vhd'],
    options: {},
    hardware,
  },
  {
    id: 'vmware',
    label: 'VMware',
    summary: 'an OVA for ESXi and vCenter, or disks for Workstation',
    containers: ['ova', 'ovf', 'disks'],
    formats: ['vmdk'],
    options: { vmdk: { adapter: 'lsilogic' } },
    hardware: { ...hardware, diskBus: 'scsi', nicModel: 'e1000' },
  },
  {
    id: 'virtualbox',
    label: 'VirtualBox',
    summary: 'an OVA to import, or disks to attach',
    containers: ['ova', 'ovf', 'disks'],
    formats: ['vdi', 'vmdk', 'vhd', 'raw'],
    options: {},
    hardware,
  },
  {
    id: 'hyperv',
    label: 'Hyper-V',
    summary: 'VHDX disks, or VHD for older ones',
    containers: ['disks'],
    formats: ['vhdx', 'vhd'],
    options: {},
    hardware: { ...hardware, diskBus: 'ide', nicModel: 'netvsc' },
  },
  {
    id: 'xen',
    label: 'XenServer / XCP-ng',
    summary: 'VHD or raw disks to import into a storage repository',
    containers: ['disks', 'xva'],
    formats: ['vhd', 'raw'],
    options: {},
    hardware: { ...hardware, diskBus: 'xen', nicModel: 'xen' },
  },
  {
    id: 'uml',
    label: 'User Mode Linux',
    summary: 'a root filesystem, plain or under a COW file',
    containers: ['disks'],
    formats: ['raw', 'cow'],
    options: {},
    hardware: { ...hardware, processors: 1, memoryBytes: 256 * 2 ** 20, diskBus: 'ubd', nicModel: 'uml' },
  },
  {
    id: 'files',
    label: 'Just files',
    summary: 'any format, nothing assumed of what opens it',
    containers: ['disks', 'ova', 'ovf', 'xva'],
    formats: ['raw', 'qcow2', 'vmdk', 'vhdx', 'vhd', 'vdi', 'parallels', 'cow'],
    options: {},
    hardware,
  },
];

/** @throws AppError `usage` listing what there is. */
export function productById(id: string): Product {
  const product = products.find((p) => p.id === id);
  if (product !== undefined) return product;
  throw new AppError('usage', `"${id}" is not a product known here`, {
    hint: `known are: ${products.map((p) => p.id).join(', ')}`,
  });
}

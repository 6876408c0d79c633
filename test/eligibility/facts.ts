/** Made-up machines that no rule has anything against, and changes of them. */
import type { Facts } from '../../src/eligibility/facts.ts';
import { GiB, MiB } from '../../src/model/units.ts';

const driverNames = [
  ...['virtio_pci', 'virtio_blk', 'virtio_scsi', 'virtio_net', 'mptspi', 'vmxnet3', 'xen_blkfront'],
  ...['xen_netfront', 'hv_vmbus', 'hv_storvsc', 'hv_netvsc', 'nvme', 'ena'],
];

const linuxSystem = {
  name: 'Debian GNU/Linux 12 (bookworm)',
  family: 'linux',
  version: '12',
  architecture: 'x86_64',
  distribution: 'debian',
  bootKernels: [
    {
      version: '6.1.0-18-amd64',
      isDefault: true,
      drivers: Object.fromEntries(driverNames.map((name) => [name, 'initramfs'])),
    },
  ],
  bootloader: { kind: 'grub2', arguments: 'ro console=ttyS0' },
  interfaces: [{ name: 'eth0', method: 'dhcp', addresses: [], system: 'interfaces' }],
  tools: [],
  cloudInit: { enabled: false },
  services: ['sshd', 'growpart'],
  space: [{ mountPoint: '/', kind: 'ext4', freeBytes: 9 * GiB, freeInodes: 500_000 }],
  rootPartition: 1,
  confidence: 'high',
  evidence: [],
  kernels: ['6.1.0-18-amd64'],
  mounts: [{ device: 'UUID=1', mountPoint: '/', kind: 'ext4', options: 'defaults' }],
};

const windowsSystem = {
  name: 'Windows Server 2022',
  family: 'windows',
  version: '10.0',
  architecture: 'x86_64',
  interfaces: [],
  tools: [],
  services: [],
  space: [{ mountPoint: 'C:', kind: 'ntfs', freeBytes: 20 * GiB }],
  windows: {
    ...{ fastStartup: false, hibernated: false, pendingUpdates: false, hyperVRole: false },
    ...{ autoLogon: false, remoteDesktop: true, drivers: ['viostor'] },
  },
  rootPartition: 1,
  confidence: 'high',
  evidence: [],
  kernels: [],
  mounts: [],
};

const reportOf = (system: object, kind: string, bootCode: string) => ({
  partitionTable: { kind: 'gpt', sectorSize: 512, bootCode },
  partitions: [
    {
      ...{ number: 1, startBytes: MiB, lengthBytes: 9 * GiB, type: '0fc6', typeName: 'data', bootable: true },
      volume: { kind, state: 'clean', readable: true },
    },
  ],
  systems: [system],
  firmware: 'both',
  efiLoaders: ['EFI/BOOT/BOOTX64.EFI'],
  findings: [],
  bytesRead: 0,
});

const imageOf = (format: string, variant?: string) => ({
  ...{ format, details: {}, virtualSizeBytes: 10 * GiB, files: [], findings: [] },
  ...(variant === undefined ? {} : { variant }),
});

const disk = { id: 'a', name: 'a.img', format: 'raw', bus: 'ide', files: [] };

/** What a destination wants of a machine: format, variant, firmware. */
export interface Base {
  readonly format?: string;
  readonly variant?: string;
  readonly firmware?: 'bios' | 'uefi';
  readonly patch?: Patch;
}

/** Value by path, see `set`; undefined takes it away. */
export type Patch = Readonly<Record<string, unknown>>;

const shortcuts: Readonly<Record<string, string>> = {
  system: 'reports.a.systems.0',
  kernel: 'reports.a.systems.0.bootKernels.0',
  report: 'reports.a',
  volume: 'reports.a.partitions.0.volume',
  disk: 'machine.disks.0',
  size: 'images.a.virtualSizeBytes',
  image: 'images.a',
};

export function factsOf(base: Base, on: 'linux' | 'windows', ...patches: Patch[]): Facts {
  const { format = 'raw', firmware = 'bios' } = base;
  const facts = structuredClone({
    machine: {
      ...{
        id: 'm',
        name: 'm',
        state: 'off',
        nics: [{ mac: '52:54:00:00:00:01' }],
        devices: {},
        findings: [],
      },
      ...{ firmware: { kind: firmware }, disks: [{ ...disk, format }] },
    },
    images: { a: imageOf(format, base.variant) },
    reports: {
      a: on === 'linux' ? reportOf(linuxSystem, 'ext4', 'grub') : reportOf(windowsSystem, 'ntfs', 'windows'),
    },
  });
  for (const patch of [base.patch ?? {}, ...patches])
    for (const [path, value] of Object.entries(patch)) set(facts, path, value);
  return facts as unknown as Facts;
}

function set(facts: object, path: string, value: unknown): void {
  const [first = '', ...rest] = path.split('.');
  const keys = [...(shortcuts[first] ?? first).split('.'), ...rest];
  const last = keys.pop()!;
  let place = facts as Record<string, unknown>;
  for (const key of keys) {
    place[key] ??= {};
    place = place[key] as Record<string, unknown>;
  }
  if (value === undefined) delete place[last];
  else place[last] = value;
}

/** What breaks a rule, and what, beside the sound machine, does not. */
export interface Case {
  readonly on?: 'linux' | 'windows';
  readonly breaks: Patch;
  readonly keeps?: Patch;
  /** Text that the finding's message or evidence holds. */
  readonly says?: string;
}

export interface PackCases {
  readonly base: Base;
  readonly rules: Readonly<Record<string, Case>>;
}

export const driver = (name: string, place: string): Patch => ({ [`kernel.drivers.${name}`]: place });

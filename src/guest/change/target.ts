/** The hardware that a guest will find at its destination, and the drivers that it takes. */
import type { DiskBus } from '../../model/machine.ts';

export interface TargetDisk {
  readonly bus: DiskBus;
  /** Such as `pvscsi`, `lsilogic`, `virtio-scsi`; absent: the bus's usual one. */
  readonly controllerModel?: string;
}

export interface TargetNic {
  readonly mac?: string;
  /** `virtio`, `e1000`, `vmxnet3` … */
  readonly model?: string;
}

export interface GuestTarget {
  /** Id of a product or a cloud: `qemu`, `vmware`, `xen`, `hyperv`, `virtualbox`, `aws` … */
  readonly product: string;
  /** In the order of the machine's disks; the first one is started from. */
  readonly disks: readonly TargetDisk[];
  readonly nics: readonly TargetNic[];
  readonly firmware: 'bios' | 'uefi';
  /** What shows the system while it starts; `serial`: there is nothing else. */
  readonly console: 'screen' | 'serial';
  /** A cloud that configures the guest by cloud-init. */
  readonly cloud: boolean;
}

/** Linux modules, `_` for `-`; all of a list are needed. A module that is built in counts as there. */
const diskModules: Readonly<Record<DiskBus, readonly string[]>> = {
  ide: ['ata_piix', 'sd_mod'],
  sata: ['ahci', 'sd_mod'],
  scsi: ['mptspi', 'sd_mod'],
  virtio: ['virtio_pci', 'virtio_blk'],
  nvme: ['nvme'],
  usb: ['usb_storage', 'sd_mod'],
  sd: ['mmc_block'],
  xen: ['xen_blkfront'],
  ubd: [],
  fdc: ['floppy'],
};

const controllerModules: Readonly<Record<string, readonly string[]>> = {
  pvscsi: ['vmw_pvscsi', 'sd_mod'],
  vmpvscsi: ['vmw_pvscsi', 'sd_mod'],
  lsisas1078: ['megaraid_sas', 'sd_mod'],
  lsilogic: ['mptspi', 'sd_mod'],
  lsisas1068: ['mptsas', 'sd_mod'],
  'lsilogic-sas': ['mptsas', 'sd_mod'],
  lsilogicsas: ['mptsas', 'sd_mod'],
  buslogic: ['BusLogic', 'sd_mod'],
  'virtio-scsi': ['virtio_pci', 'virtio_scsi', 'sd_mod'],
  hyperv: ['hv_vmbus', 'hv_storvsc', 'sd_mod'],
};

const nicModules: Readonly<Record<string, readonly string[]>> = {
  virtio: ['virtio_pci', 'virtio_net'],
  e1000: ['e1000'],
  e1000e: ['e1000e'],
  vmxnet3: ['vmxnet3'],
  vmxnet: ['pcnet32'],
  pcnet32: ['pcnet32'],
  pcnet: ['pcnet32'],
  igb: ['igb'],
  vlance: ['pcnet32'],
  rtl8139: ['8139cp'],
  netvsc: ['hv_vmbus', 'hv_netvsc'],
  xen: ['xen_netfront'],
  netfront: ['xen_netfront'],
  ena: ['ena'],
  gve: ['gve'],
};

/** Without these the root is not found. Of several disks those that hold the system must be reached: all are taken. */
export function bootModules({ disks }: Pick<GuestTarget, 'disks'>): string[] {
  const all = disks.flatMap(
    ({ bus, controllerModel }) => controllerModules[controllerModel?.toLowerCase() ?? ''] ?? diskModules[bus],
  );
  return [...new Set(all)];
}

/** Without these it has no network; they may come from the root. */
export function networkModules({ nics }: Pick<GuestTarget, 'nics'>): string[] {
  return [...new Set(nics.flatMap(({ model }) => nicModules[model?.toLowerCase() ?? ''] ?? []))];
}

/** What the first disk is called by a Linux there; undefined where that can't be foretold. */
export function diskName({ disks }: Pick<GuestTarget, 'disks'>, index: number): string | undefined {
  const disk = disks[index];
  if (disk === undefined) return undefined;
  const before = disks.slice(0, index).filter((other) => family(other.bus) === family(disk.bus)).length;
  const letter = before < 26 ? String.fromCharCode(97 + before) : undefined;
  if (letter === undefined) return undefined;
  const prefix = { virtio: 'vd', xen: 'xvd', ubd: 'ubd', nvme: 'nvme', other: 'sd' }[family(disk.bus)];
  return prefix === 'nvme' ? `/dev/nvme${before}n1` : `/dev/${prefix}${letter}`;
}

type NameFamily = 'virtio' | 'xen' | 'ubd' | 'nvme' | 'other';
const family = (bus: DiskBus): NameFamily =>
  bus === 'virtio' || bus === 'xen' || bus === 'ubd' || bus === 'nvme' ? bus : 'other';

/** Every module that is named here, once. */
export const targetModules: readonly string[] = [
  ...new Set([diskModules, controllerModules, nicModules].flatMap((lists) => Object.values(lists).flat())),
].sort();

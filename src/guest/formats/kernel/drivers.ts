/** Whether a kernel has a driver, whichever of its files tell. */
import type { ModuleFile } from './modules.ts';

/** Symbols of the drivers that destinations need, for a kernel of which only the configuration is known. */
const symbols: Readonly<Record<string, string>> = {
  ahci: 'SATA_AHCI',
  ata_piix: 'ATA_PIIX',
  e1000: 'E1000',
  e1000e: 'E1000E',
  ena: 'ENA_ETHERNET',
  gve: 'GVE',
  hv_netvsc: 'HYPERV_NET',
  hv_storvsc: 'HYPERV_STORAGE',
  hv_vmbus: 'HYPERV',
  mptsas: 'FUSION_SAS',
  mptspi: 'FUSION_SPI',
  nvme: 'BLK_DEV_NVME',
  sd_mod: 'BLK_DEV_SD',
  usb_storage: 'USB_STORAGE',
  virtio_blk: 'VIRTIO_BLK',
  virtio_net: 'VIRTIO_NET',
  virtio_pci: 'VIRTIO_PCI',
  virtio_scsi: 'SCSI_VIRTIO',
  vmw_pvscsi: 'VMWARE_PVSCSI',
  vmxnet3: 'VMXNET3',
  xen_blkfront: 'XEN_BLKDEV_FRONTEND',
  xen_netfront: 'XEN_NETDEV_FRONTEND',
};

export interface KernelFacts {
  readonly builtin?: ReadonlySet<string>;
  readonly modules?: ReadonlyMap<string, ModuleFile>;
  readonly config?: ReadonlyMap<string, string>;
  /** Names in its initramfs. */
  readonly initramfs?: readonly string[];
}

/**
 * `builtin` and `initramfs`: there when the root is looked for; `module`: only below /lib/modules; `configured`: its
 * configuration has it as a module, whose file was not seen; `unknown`: nothing given can tell.
 */
export type DriverPlace = 'builtin' | 'initramfs' | 'module' | 'configured' | 'none' | 'unknown';

export function hasDriver(facts: KernelFacts, driver: string): DriverPlace {
  const name = driver.replaceAll('-', '_');
  if (facts.builtin?.has(name)) return 'builtin';
  const symbol = symbols[name];
  const setting = symbol === undefined ? undefined : facts.config?.get(symbol);
  if (setting === 'y') return 'builtin';
  if (facts.initramfs?.includes(name)) return 'initramfs';
  if (facts.modules?.has(name)) return 'module';
  if (setting === 'm') return facts.modules === undefined ? 'configured' : 'none';
  const told = facts.builtin !== undefined && facts.modules !== undefined;
  return told || (facts.config !== undefined && symbol !== undefined) ? 'none' : 'unknown';
}

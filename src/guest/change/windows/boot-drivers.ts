/** Drivers that Windows needs before it can read its disk: by the destination's controller, as data. */
import type { GuestTarget, TargetDisk } from '../target.ts';
import { atLeast, type WindowsRelease } from './context.ts';

/** One that does not come with Windows. */
export interface BootDriver {
  readonly service: string;
  readonly title: string;
  /** PCI ids, short and with subsystem and revision as the device shows them. */
  readonly devices: readonly string[];
}

const viostor: BootDriver = {
  service: 'viostor',
  title: 'virtio-blk',
  devices: [
    'VEN_1AF4&DEV_1001',
    'VEN_1AF4&DEV_1001&SUBSYS_00021AF4&REV_00',
    'VEN_1AF4&DEV_1042',
    'VEN_1AF4&DEV_1042&SUBSYS_11001AF4&REV_01',
  ],
};
const vioscsi: BootDriver = {
  service: 'vioscsi',
  title: 'virtio-scsi',
  devices: [
    'VEN_1AF4&DEV_1004',
    'VEN_1AF4&DEV_1004&SUBSYS_00081AF4&REV_00',
    'VEN_1AF4&DEV_1048',
    'VEN_1AF4&DEV_1048&SUBSYS_11001AF4&REV_01',
  ],
};
const pvscsi: BootDriver = {
  service: 'pvscsi',
  title: 'VMware PVSCSI',
  devices: ['VEN_15AD&DEV_07C0', 'VEN_15AD&DEV_07C0&SUBSYS_07C015AD&REV_02'],
};

const byController: Readonly<Record<string, BootDriver>> = {
  'virtio-scsi': vioscsi,
  pvscsi,
  vmpvscsi: pvscsi,
};

/** What the disks need that Windows does not bring along. */
export function wantedDrivers({ disks }: GuestTarget): BootDriver[] {
  const all = disks.flatMap(({ bus, controllerModel }) => {
    const found =
      byController[controllerModel?.toLowerCase() ?? ''] ?? (bus === 'virtio' ? viostor : undefined);
    return found === undefined ? [] : [found];
  });
  return [...new Set(all)];
}

/** Services of Windows itself that are to be started by the loader; only those that its hive has are touched. */
export function inboxServices({ disks }: GuestTarget, release: WindowsRelease): string[] {
  return [...new Set(disks.flatMap((disk) => ofDisk(disk, release)))];
}

const byModel: Readonly<Record<string, readonly string[]>> = {
  lsisas1068: ['LSI_SAS'],
  'lsilogic-sas': ['LSI_SAS'],
  lsilogicsas: ['LSI_SAS'],
  lsilogic: ['LSI_SCSI', 'symmpi'],
  lsisas1078: ['megasas'],
  hyperv: ['vmbus', 'storvsc'],
};

function ofDisk({ bus, controllerModel }: TargetDisk, release: WindowsRelease): readonly string[] {
  const found = byModel[controllerModel?.toLowerCase() ?? ''];
  if (found !== undefined) return found;
  if (bus === 'ide') return ['pciide', 'intelide', 'atapi'];
  if (bus === 'nvme') return ['stornvme'];
  if (bus === 'scsi') return controllerModel === undefined ? ['LSI_SAS', 'LSI_SCSI', 'symmpi'] : [];
  if (bus !== 'sata') return [];
  // msahci is Windows 7's, storahci that of 8 and later.
  return atLeast(release, 6, 2) ? ['storahci'] : ['msahci', 'pciide', 'atapi'];
}

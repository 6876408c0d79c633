/** The storage controllers that VirtualBox has. */
import type { DiskBus } from '../../model/machine.ts';

/**
 * As `VBoxManage storagectl --add` calls them. Controllers of one bus share its limits: LSI Logic and BusLogic are both
 * SCSI.
 */
export type StorageBus = 'ide' | 'sata' | 'scsi' | 'sas' | 'virtio' | 'pcie' | 'usb';

export interface ControllerKind {
  /** As the settings name its type. */
  readonly type: string;
  /** What it is called in a machine. */
  readonly name: string;
  readonly storageBus: StorageBus;
  readonly bus: DiskBus;
  readonly model?: string;
  /** Places for disks. */
  readonly slots: number;
  /** Ports that the settings say, where their number can't be chosen. */
  readonly ports?: number;
}

export const controllerKinds = {
  ide: { type: 'PIIX4', name: 'IDE', storageBus: 'ide', bus: 'ide', slots: 4, ports: 2 },
  sata: { type: 'AHCI', name: 'SATA', storageBus: 'sata', bus: 'sata', slots: 30 },
  lsilogic: {
    ...{ type: 'LsiLogic', name: 'SCSI', storageBus: 'scsi', bus: 'scsi', model: 'lsilogic' },
    ...{ slots: 16, ports: 16 },
  },
  buslogic: {
    ...{ type: 'BusLogic', name: 'BusLogic', storageBus: 'scsi', bus: 'scsi', model: 'buslogic' },
    ...{ slots: 16, ports: 16 },
  },
  lsisas1068: {
    ...{ type: 'LsiLogicSas', name: 'SAS', storageBus: 'sas', bus: 'scsi', model: 'lsisas1068' },
    slots: 255,
  },
  'virtio-scsi': {
    ...{ type: 'VirtioSCSI', name: 'VirtIO', storageBus: 'virtio', bus: 'scsi', model: 'virtio-scsi' },
    slots: 256,
  },
  nvme: { type: 'NVMe', name: 'NVMe', storageBus: 'pcie', bus: 'nvme', slots: 255 },
  usb: { type: 'USB', name: 'USB', storageBus: 'usb', bus: 'usb', slots: 8, ports: 8 },
} as const satisfies Readonly<Record<string, ControllerKind>>;

export type KindName = keyof typeof controllerKinds;

/** As other products call them. */
const alsoCalled: Readonly<Record<string, KindName>> = {
  lsilogicsas: 'lsisas1068',
  virtioscsi: 'virtio-scsi',
};

export function scsiKind(model: string): ControllerKind | undefined {
  const name = alsoCalled[model] ?? model;
  const kind = Object.entries(controllerKinds).find(([key]) => key === name)?.[1];
  return kind?.bus === 'scsi' ? kind : undefined;
}

/** How many of a bus a machine can have: more than one only with the chipset ICH9. */
export const mostControllers = (bus: StorageBus, ich9: boolean): number =>
  ich9 && bus !== 'ide' && bus !== 'usb' ? 8 : 1;

/** The order in which its BIOS looks for disks; of NVMe and USB it starts nothing. */
export const biosRank = ({ storageBus }: ControllerKind): number =>
  ({ ide: 0, sata: 1, scsi: 2, sas: 2, virtio: 2, pcie: 3, usb: 3 })[storageBus];

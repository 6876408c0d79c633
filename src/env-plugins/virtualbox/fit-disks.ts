/** Where each disk is attached: its own bus and place where VirtualBox has them, else the nearest. Pure. */
import type { Finding } from '../../model/finding.ts';
import type { DiskBus, MachineDisk } from '../../model/machine.ts';

export interface ControllerKind {
  /** As the settings name its type. */
  readonly type: string;
  readonly name: string;
  readonly bus: DiskBus;
  readonly model?: string;
  readonly ports: number;
}

/** One of each: with the chipset PIIX3 a machine has no more. */
const kinds = {
  ide: { type: 'PIIX4', name: 'IDE', bus: 'ide', ports: 4 },
  sata: { type: 'AHCI', name: 'SATA', bus: 'sata', ports: 30 },
  lsilogic: { type: 'LsiLogic', name: 'SCSI', bus: 'scsi', model: 'lsilogic', ports: 16 },
  buslogic: { type: 'BusLogic', name: 'BusLogic', bus: 'scsi', model: 'buslogic', ports: 16 },
  lsisas1068: { type: 'LsiLogicSas', name: 'SAS', bus: 'scsi', model: 'lsisas1068', ports: 255 },
  'virtio-scsi': { type: 'VirtioSCSI', name: 'VirtIO', bus: 'scsi', model: 'virtio-scsi', ports: 256 },
  nvme: { type: 'NVMe', name: 'NVMe', bus: 'nvme', ports: 255 },
} as const satisfies Readonly<Record<string, ControllerKind>>;
type Kind = keyof typeof kinds;

/** As other products call them. */
const alsoCalled: Readonly<Record<string, Kind>> = { lsilogicsas: 'lsisas1068', virtioscsi: 'virtio-scsi' };

export interface PlacedDisk {
  readonly kind: ControllerKind;
  /** Of IDE: 0 to 3, two on each channel. */
  readonly slot: number;
  readonly disk: MachineDisk;
}

export interface PlacedDisks {
  /** In the order of the disks given. */
  readonly disks: readonly PlacedDisk[];
  /** Where a CD-ROM drive goes, if there is to be one. */
  readonly cdrom?: { readonly kind: ControllerKind; readonly slot: number };
  readonly findings: readonly Finding[];
}

/** Disks that find no place are left out, with a blocker. */
export function fitDisks(disks: readonly MachineDisk[], cdromBus: DiskBus | undefined): PlacedDisks {
  const findings: Finding[] = [];
  const taken = new Set<string>();
  // The second channel's first device is where a CD-ROM drive is.
  if (cdromBus === 'ide') taken.add('ide:2');
  const placed: PlacedDisk[] = [];
  for (const disk of disks) {
    const kind = kindFor(disk, findings);
    const slot = freeSlot(kind, slotOf(disk), taken);
    if (slot === undefined) {
      findings.push(noPlace(disk, kinds[kind].name));
      continue;
    }
    taken.add(`${kind}:${slot}`);
    placed.push({ kind: kinds[kind], slot, disk });
  }
  if (placed.some(({ kind }) => kind === kinds.nvme)) findings.push(nvmeExtension);
  return { disks: placed, ...cdromPlace(cdromBus, taken), findings };
}

function cdromPlace(bus: DiskBus | undefined, taken: Set<string>): Pick<PlacedDisks, 'cdrom'> {
  if (bus === undefined) return {};
  if (bus === 'ide') return { cdrom: { kind: kinds.ide, slot: 2 } };
  const slot = freeSlot('sata', undefined, taken);
  return slot === undefined ? {} : { cdrom: { kind: kinds.sata, slot } };
}

const slotOf = ({ bus, controller, unit }: MachineDisk): number | undefined =>
  bus === 'ide' && controller !== undefined && unit !== undefined ? controller * 2 + unit : unit;

function kindFor(disk: MachineDisk, findings: Finding[]): Kind {
  const model = disk.controllerModel?.toLowerCase() ?? '';
  switch (disk.bus) {
    case undefined:
    case 'sata':
      return 'sata';
    case 'ide':
    case 'nvme':
      return disk.bus;
    case 'scsi': {
      const wanted = model === '' ? 'lsilogic' : (alsoCalled[model] ?? model);
      if (wanted in kinds && kinds[wanted as Kind].bus === 'scsi') return wanted as Kind;
      return changed(disk, `there is no SCSI controller "${model}"`, findings);
    }
    default:
      return changed(disk, `there are no ${disk.bus} disks`, findings);
  }
}

function changed({ name }: MachineDisk, why: string, findings: Finding[]): Kind {
  findings.push({
    rule: 'virtualbox.disk-bus-changed',
    severity: 'warning',
    message: `${name}: in VirtualBox ${why}; it is attached to SATA`,
    evidence: name,
    remedy: 'look whether the guest has a driver for it (AHCI) that it starts with',
  });
  return 'sata';
}

function freeSlot(kind: Kind, own: number | undefined, taken: ReadonlySet<string>): number | undefined {
  const { ports } = kinds[kind];
  const free = (slot: number) => slot < ports && !taken.has(`${kind}:${slot}`);
  if (own !== undefined && free(own)) return own;
  for (let slot = 0; slot < ports; slot++) if (free(slot)) return slot;
  return undefined;
}

const noPlace = ({ name }: MachineDisk, controller: string): Finding => ({
  rule: 'virtualbox.no-place-for-disk',
  severity: 'blocker',
  message: `there is no place left for ${name} on the controller ${controller}`,
  evidence: name,
  remedy: 'leave a disk out',
});

const nvmeExtension: Finding = {
  rule: 'virtualbox.nvme-extension',
  severity: 'note',
  message:
    'some versions of VirtualBox have NVMe only with its Extension Pack: without it the machine does not start',
};

/** Where each disk is attached: its own bus and place where the product has them, else the nearest. Pure. */
import type { Finding } from '../../model/finding.ts';
import type { GuestSystem, MachineDisk } from '../../model/machine.ts';
import { needs } from './needs.ts';

export interface PlacedDisk {
  /** `scsi0:0`. */
  readonly node: string;
  readonly disk: MachineDisk;
}

export interface PlacedDisks {
  readonly disks: readonly PlacedDisk[];
  /** Models of the SCSI controllers, by number. */
  readonly scsi: ReadonlyMap<number, string>;
  readonly findings: readonly Finding[];
}

type Bus = 'ide' | 'scsi' | 'sata' | 'nvme';
const places: Readonly<Record<Bus, { controllers: number; units: number }>> = {
  ide: { controllers: 2, units: 2 },
  scsi: { controllers: 4, units: 16 },
  sata: { controllers: 4, units: 30 },
  nvme: { controllers: 4, units: 15 },
};
const scsiModels = ['lsilogic', 'lsisas1068', 'pvscsi', 'buslogic'];
/** As the API and OVF call it. */
const alsoCalled: Readonly<Record<string, string>> = { lsilogicsas: 'lsisas1068', virtualscsi: 'pvscsi' };
/** The controller's own place on its bus. */
const scsiOwnUnit = 7;

export interface FitDisksOptions {
  readonly hardware: number;
  readonly system?: GuestSystem | undefined;
  /** The second IDE channel's master is for the CD-ROM drive. */
  readonly cdromOnIde: boolean;
}

/** Disks that find no place are left out, with a blocker. */
export function fitDisks(disks: readonly MachineDisk[], options: FitDisksOptions): PlacedDisks {
  const findings: Finding[] = [];
  const scsi = new Map<number, string>();
  const taken = new Set<string>(options.cdromOnIde ? ['ide1:0'] : []);
  const placed: PlacedDisk[] = [];
  for (const disk of disks) {
    const { bus, model } = busFor(disk, options, findings);
    const node = freeNode(bus, model, disk, taken, scsi);
    if (node === undefined) {
      findings.push(noPlace(disk, bus));
      continue;
    }
    taken.add(node);
    placed.push({ node, disk });
  }
  return { disks: placed, scsi, findings };
}

function busFor(
  disk: MachineDisk,
  { hardware, system }: FitDisksOptions,
  findings: Finding[],
): { bus: Bus; model: string } {
  const usual = usualScsi(hardware, system);
  const changed = (why: string, to: string) => {
    findings.push({
      rule: 'vmware.disk-bus-changed',
      severity: 'warning',
      message: `${disk.name}: ${why}; it is attached to ${to}`,
      evidence: disk.name,
      remedy: 'look whether the guest has a driver for it that it starts with',
    });
    return { bus: 'scsi' as const, model: usual };
  };
  switch (disk.bus) {
    case 'ide':
      return { bus: 'ide', model: '' };
    case 'sata':
      if (hardware >= needs.sata) return { bus: 'sata', model: '' };
      return changed(`hardware version ${hardware} has no SATA`, `SCSI (${usual})`);
    case 'nvme':
      if (hardware >= needs.nvme) return { bus: 'nvme', model: '' };
      return changed(`hardware version ${hardware} has no NVMe`, `SCSI (${usual})`);
    case 'scsi': {
      const named = disk.controllerModel?.toLowerCase() ?? usual;
      const model = alsoCalled[named] ?? named;
      const least = { pvscsi: needs.pvscsi, lsisas1068: needs.lsisas1068 }[model] ?? 0;
      if (scsiModels.includes(model) && hardware >= least) return { bus: 'scsi', model };
      return changed(`there is no SCSI controller "${model}"`, `SCSI (${usual})`);
    }
    case undefined:
      return { bus: 'scsi', model: usual };
    default:
      return changed(`VMware has no ${disk.bus} disks`, `SCSI (${usual})`);
  }
}

/** Windows from Vista on has a driver of its own for the SAS one only. */
function usualScsi(hardware: number, system: GuestSystem | undefined): string {
  const old = /\b(xp|2000|2003|nt|95|98)\b/i.test(system?.name ?? '');
  return system?.family === 'windows' && !old && hardware >= needs.lsisas1068 ? 'lsisas1068' : 'lsilogic';
}

function freeNode(
  bus: Bus,
  model: string,
  disk: MachineDisk,
  taken: ReadonlySet<string>,
  scsi: Map<number, string>,
): string | undefined {
  const { controllers, units } = places[bus];
  const fits = (controller: number, unit: number) =>
    controller < controllers &&
    unit < units &&
    !(bus === 'scsi' && unit === scsiOwnUnit) &&
    (bus !== 'scsi' || (scsi.get(controller) ?? model) === model) &&
    !taken.has(`${bus}${controller}:${unit}`);
  const use = (controller: number, unit: number) => {
    if (bus === 'scsi') scsi.set(controller, model);
    return `${bus}${controller}:${unit}`;
  };
  const { controller: own = -1, unit: ownUnit = -1 } = disk;
  if (own >= 0 && ownUnit >= 0 && fits(own, ownUnit)) return use(own, ownUnit);
  for (let controller = 0; controller < controllers; controller++) {
    for (let unit = 0; unit < units; unit++) if (fits(controller, unit)) return use(controller, unit);
  }
  return undefined;
}

const noPlace = (disk: MachineDisk, bus: Bus): Finding => ({
  rule: 'vmware.no-place-for-disk',
  severity: 'blocker',
  message: `there is no place left for ${disk.name} on ${bus.toUpperCase()}`,
  evidence: disk.name,
  remedy: 'leave a disk out',
});

/** Where each disk is attached: its own controller and place where VirtualBox has them, else the nearest. Pure. */
import type { Finding } from '../../model/finding.ts';
import type { DiskBus, MachineDisk } from '../../model/machine.ts';
import { biosRank, type ControllerKind, controllerKinds, mostControllers, scsiKind } from './controllers.ts';

export interface Controller {
  readonly kind: ControllerKind;
  readonly name: string;
  /** Among those of its storage bus. */
  readonly instance: number;
  /** Among those of its disks' bus, as they are read back. */
  readonly number: number;
  /** The BIOS may start from it: of one of each storage bus. */
  readonly bootable: boolean;
  /** Ports in the settings. */
  readonly ports: number;
}

export interface PlacedDisk {
  readonly controller: Controller;
  /** Of IDE: 0 to 3, two on each channel. */
  readonly slot: number;
  readonly disk: MachineDisk;
}

export interface PlacedDisks {
  readonly controllers: readonly Controller[];
  /** In the order of the disks given. */
  readonly disks: readonly PlacedDisk[];
  /** Where a CD-ROM drive goes, if there is to be one. */
  readonly cdrom?: { readonly controller: Controller; readonly slot: number };
  readonly findings: readonly Finding[];
}

interface Building {
  readonly kind: ControllerKind;
  /** The source's number of it. */
  readonly from: number;
  readonly taken: Set<number>;
}

interface Seat {
  readonly on: Building;
  readonly slot: number;
}

/** Disks that find no place are left out, with a blocker. */
export function fitDisks(
  disks: readonly MachineDisk[],
  { cdromBus, ich9 }: { readonly cdromBus: DiskBus | undefined; readonly ich9: boolean },
): PlacedDisks {
  const findings: Finding[] = [];
  const all: Building[] = [];
  const add = (kind: ControllerKind, from: number): Building => {
    const made = { kind, from, taken: new Set<number>() };
    all.push(made);
    return made;
  };
  // The second channel's first device is where a CD-ROM drive is.
  const drive = cdromBus === 'ide' ? add(controllerKinds.ide, 0) : undefined;
  drive?.taken.add(2);
  const seats = disks.flatMap((disk) => {
    const kind = kindFor(disk, findings);
    const on = controllerFor(disk, kind, all, add, { ich9, findings });
    const slot = freeSlot(on, kind === wantedKind(disk) ? slotOf(disk) : disk.unit);
    if (slot === undefined) {
      findings.push(noPlace(disk, on.kind.name));
      return [];
    }
    on.taken.add(slot);
    return [{ on, slot, disk }];
  });
  if (seats.some(({ on }) => on.kind === controllerKinds.nvme)) findings.push(nvmeExtension);
  const cdrom = drive === undefined ? cdromSeat(cdromBus, all, add) : { on: drive, slot: 2 };
  const made = finish(all, seats);
  const seated = ({ on, slot }: Seat) => ({ controller: made.get(on)!, slot });
  return {
    controllers: [...made.values()],
    disks: seats.map((seat) => ({ ...seated(seat), disk: seat.disk })),
    ...(cdrom === undefined ? {} : { cdrom: seated(cdrom) }),
    findings,
  };
}

function cdromSeat(
  bus: DiskBus | undefined,
  all: readonly Building[],
  add: (kind: ControllerKind, from: number) => Building,
): Seat | undefined {
  if (bus === undefined) return undefined;
  const on = all.find(({ kind }) => kind === controllerKinds.sata) ?? add(controllerKinds.sata, 0);
  const slot = freeSlot(on, undefined);
  if (slot === undefined) return undefined;
  on.taken.add(slot);
  return { on, slot };
}

const slotOf = ({ bus, controller, unit }: MachineDisk): number | undefined =>
  bus === 'ide' && controller !== undefined && unit !== undefined ? controller * 2 + unit : unit;

/** What it has now, where VirtualBox has that. */
function wantedKind({ bus, controllerModel }: MachineDisk): ControllerKind | undefined {
  if (bus === undefined) return controllerKinds.sata;
  if (bus === 'scsi') return scsiKind(controllerModel?.toLowerCase() || 'lsilogic');
  return bus === 'ide' || bus === 'sata' || bus === 'nvme' || bus === 'usb'
    ? controllerKinds[bus]
    : undefined;
}

function kindFor(disk: MachineDisk, findings: Finding[]): ControllerKind {
  const wanted = wantedKind(disk);
  if (wanted !== undefined) return wanted;
  const { name, bus, controllerModel = '' } = disk;
  const why =
    bus === 'scsi' ? `there is no SCSI controller "${controllerModel}"` : `there are no ${bus} disks`;
  findings.push({
    rule: 'virtualbox.disk-bus-changed',
    severity: 'warning',
    message: `${name}: in VirtualBox ${why}; it is attached to SATA`,
    evidence: name,
    remedy: 'look whether the guest has a driver for it (AHCI) that it starts with',
  });
  return controllerKinds.sata;
}

/** Its own, or where there can't be so many, one that is there already. */
function controllerFor(
  disk: MachineDisk,
  kind: ControllerKind,
  all: readonly Building[],
  add: (kind: ControllerKind, from: number) => Building,
  { ich9, findings }: { readonly ich9: boolean; readonly findings: Finding[] },
): Building {
  const from = kind === wantedKind(disk) && kind.storageBus !== 'ide' ? (disk.controller ?? 0) : 0;
  const there = all.filter((one) => one.kind.storageBus === kind.storageBus);
  const own = there.find((one) => one.kind === kind && one.from === from);
  if (own !== undefined) return own;
  if (there.length < mostControllers(kind.storageBus, ich9)) return add(kind, from);
  const free = there.filter((one) => freeSlot(one, undefined) !== undefined);
  const other = free.find((one) => one.kind === kind) ?? free[0] ?? there[0]!;
  findings.push(merged(disk, other.kind, kind));
  return other;
}

const merged = ({ name }: MachineDisk, { name: to }: ControllerKind, kind: ControllerKind): Finding => ({
  rule: 'virtualbox.controllers-merged',
  severity: to === kind.name ? 'note' : 'warning',
  message: `${name}: VirtualBox has no further ${kind.name} controller in such a machine; it is attached to the ${to} that is there`,
  evidence: name,
  ...(to === kind.name ? {} : { remedy: `look whether the guest has a driver for ${to}` }),
});

function freeSlot({ kind, taken }: Building, own: number | undefined): number | undefined {
  const free = (slot: number) => slot < kind.slots && !taken.has(slot);
  if (own !== undefined && own >= 0 && Number.isInteger(own) && free(own)) return own;
  for (let slot = 0; slot < kind.slots; slot++) if (free(slot)) return slot;
  return undefined;
}

/** In the order in which they are read back: by bus, and there as at the source. */
function finish(
  all: readonly Building[],
  seats: readonly (Seat & { readonly disk: MachineDisk })[],
): Map<Building, Controller> {
  const boot = (seats.find(({ disk }) => disk.bootable) ?? seats[0])?.on;
  const held = new Set(seats.map(({ on }) => on));
  const order = ['ide', 'sata', 'scsi', 'nvme', 'usb'];
  const sorted = [...all].sort(
    (a, b) => order.indexOf(a.kind.bus) - order.indexOf(b.kind.bus) || a.from - b.from,
  );
  const made = new Map<Building, Controller>();
  for (const one of sorted) {
    const { kind, taken } = one;
    const before = [...made.values()];
    const instance = before.filter((other) => other.kind.storageBus === kind.storageBus).length;
    const number = before.filter((other) => other.kind.bus === kind.bus).length;
    // What the BIOS would find before the disk that the machine starts from is hidden from it.
    const earlier = boot !== undefined && held.has(one) && biosRank(kind) <= biosRank(boot.kind);
    const sameBus = kind.storageBus === boot?.kind.storageBus;
    made.set(one, {
      ...{ kind, instance, number },
      name: instance === 0 ? kind.name : `${kind.name} ${instance + 1}`,
      bootable: one === boot || !(earlier || sameBus || instance > 0),
      ports: kind.ports ?? Math.max(...taken) + 1,
    });
  }
  return made;
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

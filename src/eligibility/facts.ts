/** What rules ask about: a machine with all that was found in it, laid out for short paths. Plain data. */
import type { FirmwareHint, GuestKernel, GuestReport, InstalledSystem } from '../model/guest-report.ts';
import type { ImageInfo } from '../model/image-info.ts';
import type { Firmware, Machine, MachineDisk } from '../model/machine.ts';
import type { MachineEdit } from '../model/plan.ts';

/** As a survey gives it. */
export interface Facts {
  readonly machine: Machine;
  /** By disk id. */
  readonly images: Readonly<Record<string, ImageInfo>>;
  readonly reports: Readonly<Record<string, GuestReport>>;
}

type Element = Readonly<Record<string, unknown>> & { readonly name: string };

/** `docs/rules.md` says what is in it. A fact that is not known is absent. */
export interface FactView {
  readonly machine: Machine;
  /** What the machine is started by: what it says, else what its disks can only be started by. */
  readonly firmware?: Firmware['kind'];
  /** What its disks can be started by. */
  readonly startsBy?: FirmwareHint;
  readonly disks: readonly Element[];
  readonly bootDisk?: Element;
  readonly nics: readonly Element[];
  readonly volumes: readonly Element[];
  readonly efiLoaders?: readonly string[];
  /** Rules of what its environment and its images had to say: `vsphere.rdm`. */
  readonly remarks: readonly string[];
  /** Systems that were found with certainty enough, and their names. */
  readonly systems?: readonly string[];
  readonly system?: InstalledSystem;
  /** Whether the partition that the system was found on is on the disk that is started from. */
  readonly root?: Element;
  readonly mounts?: readonly Element[];
  readonly interfaces?: readonly Element[];
  readonly kernels?: readonly Element[];
  /** The one that is started when nobody chooses. */
  readonly kernel?: GuestKernel;
  readonly tools?: readonly Element[];
  readonly space?: readonly Element[];
}

/** The machine as a plan would have it. */
export function withEdit(facts: Facts, edit: MachineEdit = {}): Facts {
  const { machine, reports } = facts;
  const without = edit.leaveOut ?? [];
  return {
    ...facts,
    machine: {
      ...machine,
      ...(edit.firmware === undefined ? {} : { firmware: edit.firmware }),
      ...(edit.nics === undefined ? {} : { nics: edit.nics }),
      disks: machine.disks.filter((disk) => !without.includes(disk.id)),
    },
    reports:
      edit.table === undefined
        ? reports
        : Object.fromEntries(
            Object.entries(reports).map(([id, report]) => [id, withTable(report, edit.table!)]),
          ),
  };
}

const withTable = (report: GuestReport, kind: 'mbr' | 'gpt'): GuestReport =>
  report.partitionTable.kind === 'none'
    ? { ...report, partitionTable: { ...report.partitionTable, kind } }
    : report;

export function viewOf({ machine, images, reports }: Facts): FactView {
  const seen = machine.disks.flatMap((disk) => reports[disk.id] ?? []);
  const startsBy = startOf(seen);
  const firmware = machine.firmware?.kind ?? (startsBy === 'both' ? 'bios' : plain(startsBy));
  const disks = machine.disks.map((disk) => diskElement(disk, images[disk.id], reports[disk.id]));
  const at = bootDiskOf(machine, seen.length === machine.disks.length ? reports : {});
  const holder = machine.disks.findIndex((disk) => (reports[disk.id]?.systems.length ?? 0) > 0);
  const report = holder < 0 ? undefined : reports[machine.disks[holder]!.id];
  const system = report?.systems[0];
  return {
    machine,
    ...(firmware === undefined ? {} : { firmware }),
    ...(startsBy === undefined ? {} : { startsBy }),
    disks,
    ...(at === undefined ? {} : { bootDisk: disks[at]! }),
    nics: machine.nics.map((nic, i) => ({ ...nic, name: nic.mac ?? `adapter ${i + 1}` })),
    volumes: machine.disks.flatMap((disk, i) => volumesOf(disk, reports[disk.id], i === (at ?? holder))),
    remarks: [...machine.findings, ...Object.values(images).flatMap((i) => i.findings)].map((f) => f.rule),
    ...(seen.length === 0 ? {} : { efiLoaders: seen.flatMap((one) => one.efiLoaders) }),
    ...(seen.length === 0 ? {} : { systems: seen.flatMap((one) => one.systems.map(({ name }) => name)) }),
    ...(system === undefined ? {} : ofSystem(system)),
    ...(report === undefined || system === undefined
      ? {}
      : { root: rootElement(report, system, at === undefined ? undefined : at === holder) }),
  };
}

const plain = (hint: FirmwareHint | undefined) => (hint === 'bios' || hint === 'uefi' ? hint : undefined);

function startOf(reports: readonly GuestReport[]): FirmwareHint | undefined {
  const hints = reports.map((report) => report.firmware).filter((hint) => hint !== 'unknown');
  if (hints.length === 0) return undefined;
  return hints.every((hint) => hint === hints[0]) ? hints[0] : 'both';
}

function diskElement(disk: MachineDisk, image?: ImageInfo, report?: GuestReport): Element {
  const sizeBytes = image?.virtualSizeBytes ?? disk.virtualSizeBytes;
  const { files: _, ...rest } = disk;
  return {
    ...rest,
    ...(sizeBytes === undefined ? {} : { sizeBytes }),
    // A plan's format is in the machine, and comes before that of the image that is there now.
    ...(disk.format === undefined && image !== undefined ? { format: image.format } : {}),
    ...(image?.variant === undefined || (disk.format ?? image.format) !== image.format
      ? {}
      : { variant: image.variant }),
    ...(report === undefined
      ? {}
      : {
          table: report.partitionTable.kind,
          bootCode: report.partitionTable.bootCode,
          startsBy: report.firmware,
        }),
  };
}

/** The index of the disk that is started from. Undefined: no disk tells. */
function bootDiskOf(machine: Machine, reports: Facts['reports']): number | undefined {
  const find = (test: (disk: MachineDisk, report: GuestReport | undefined) => boolean) => {
    const at = machine.disks.findIndex((disk) => test(disk, reports[disk.id]));
    return at < 0 ? undefined : at;
  };
  return (
    find((_, report) => {
      const code = report?.partitionTable.bootCode ?? 'none';
      return (code !== 'none' && code !== 'other') || (report?.efiLoaders.length ?? 0) > 0;
    }) ??
    find((disk) => disk.bootOrder === 1) ??
    (machine.disks.length === 1 ? 0 : undefined)
  );
}

function volumesOf(disk: MachineDisk, report: GuestReport | undefined, isSystemDisk: boolean): Element[] {
  const inside = (report?.volumes ?? []).map(({ name, made, volume }) => ({
    ...volume,
    ...{ name, type: made, typeName: made, bootable: false, onSystemDisk: isSystemDisk },
    ...{
      kind: volume?.kind ?? 'none',
      state: volume?.state ?? 'unknown',
      encrypted: volume?.encrypted ?? false,
    },
  }));
  const partitions = (report?.partitions ?? []).map(({ number, type, typeName, volume, bootable, uuid }) => ({
    ...volume,
    name: number === 0 ? disk.name : `partition ${number} of ${disk.name}`,
    number,
    type,
    typeName,
    bootable,
    ...(uuid === undefined ? {} : { partitionUuid: uuid }),
    kind: volume?.kind ?? 'none',
    state: volume?.state ?? 'unknown',
    encrypted: volume?.encrypted ?? false,
    onSystemDisk: isSystemDisk,
  }));
  return [...partitions, ...inside];
}

function rootElement(report: GuestReport, system: InstalledSystem, onBootDisk: boolean | undefined): Element {
  const partition = report.partitions.find(({ number }) => number === system.rootPartition);
  const mount = system.mounts.find(({ mountPoint }) => mountPoint === '/');
  const below = partition?.volume?.kind;
  const kind = mount !== undefined && mount.kind !== 'auto' ? mount.kind : below;
  return {
    name: mount?.device ?? `partition ${system.rootPartition}`,
    ...(kind === undefined ? {} : { kind }),
    ...(mount === undefined ? {} : { device: mount.device, options: mount.options }),
    /** `lvm2-pv`, where the root lies in a volume group. */
    ...(below === undefined ? {} : { on: below }),
    ...(onBootDisk === undefined ? {} : { onBootDisk }),
  };
}

function ofSystem(system: InstalledSystem): Partial<FactView> {
  // Of a system whose files were read, what is not told is not there.
  const empty = system.family === 'linux' && system.confidence !== 'low' ? [] : undefined;
  const { interfaces = empty, tools = empty, services = empty } = system;
  const { mounts, bootKernels, space } = system;
  const kernel = bootKernels?.find((one) => one.isDefault) ?? bootKernels?.at(-1);
  return {
    system: { ...system, ...(services === undefined ? {} : { services }) },
    mounts: mounts.map((mount) => ({ ...mount, name: `${mount.device} on ${mount.mountPoint}` })),
    ...(interfaces === undefined ? {} : { interfaces: interfaces.map((one) => ({ ...one })) }),
    ...(bootKernels === undefined
      ? {}
      : { kernels: bootKernels.map((one) => ({ ...one, name: one.version })) }),
    ...(kernel === undefined ? {} : { kernel }),
    ...(tools === undefined ? {} : { tools: tools.map((one) => ({ ...one, name: one.id })) }),
    ...(space === undefined ? {} : { space: space.map((one) => ({ ...one, name: one.mountPoint })) }),
  };
}

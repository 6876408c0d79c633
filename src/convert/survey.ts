/** Looking into a machine's disks without converting: formats, layers, sizes, partitions, systems. */
import type { ImageInfo, OpenImage } from '../codecs/codec.ts';
import type { Session } from '../env-plugins/plugin.ts';
import { allocatedBytes } from '../io/disk.ts';
import { AppError, type Failure, toAppError, toFailure } from '../model/errors.ts';
import type { Finding } from '../model/finding.ts';
import type { GuestReport } from '../model/guest-report.ts';
import type { Firmware, Machine, MachineDisk } from '../model/machine.ts';
import type { Opening } from '../model/plan.ts';
import { openGuestWithSecret } from './guest-secret.ts';
import { filesOf } from './open-image.ts';
import { openPackedDisk } from './open-machine.ts';
import { type Glance, packedWith, spoolFolderForLooks } from './unpack.ts';

export interface Survey {
  /** The machine with what its disks told: system, formats, sizes, firmware. */
  readonly machine: Machine;
  readonly images: Readonly<Record<string, ImageInfo>>;
  readonly reports: Readonly<Record<string, GuestReport>>;
  /** The first disk that could not be opened says why. */
  readonly failure?: Failure;
}

/** As in the source of a plan. */
export interface SurveyOptions extends Opening {
  /** What is packed is unpacked into a temporary file; otherwise its beginning is looked at. */
  readonly whole?: boolean;
  /** What is being done, where it takes long, and how much of it is done (0 to 1). */
  readonly report?: (step: string, share?: number) => void;
}

/** @throws AppError `cancelled` and `usage` only; what goes wrong with a disk is in the answer. */
export async function surveyMachine(
  session: Session,
  machine: Machine,
  how: SurveyOptions,
  signal: AbortSignal,
): Promise<Survey> {
  const images: Record<string, ImageInfo> = {};
  const disks: MachineDisk[] = [];
  const findings: Finding[] = [];
  const opened: OpenedForLook[] = [];
  let failure: Failure | undefined;
  let reports: Record<string, GuestReport> = {};
  try {
    for (const disk of machine.disks) {
      if (disk.costly && !how.whole) {
        findings.push(costlyFinding(disk));
        disks.push(disk);
        continue;
      }
      try {
        const found = await openForLook(session, machine, disk, how, signal);
        opened.push(found);
        images[disk.id] = found.image.info;
        disks.push(found.disk);
      } catch (error) {
        if (toAppError(error).kind === 'cancelled') throw error;
        const glance = packedWith(error);
        if (glance === undefined) {
          failure ??= toFailure(error);
          disks.push(disk);
          continue;
        }
        findings.push(packedFinding(disk, glance));
        disks.push(glancedDisk(disk, glance));
      }
    }
    reports = await lookInside(session, opened, signal);
  } finally {
    for (const { image } of opened) await image.close();
  }
  return {
    machine: withSystem(
      { ...machine, disks, findings: [...machine.findings, ...findings] },
      Object.values(reports),
    ),
    images,
    reports,
    ...(failure === undefined ? {} : { failure }),
  };
}

const costlyFinding = (disk: MachineDisk): Finding => ({
  rule: 'disk.costly',
  severity: 'note',
  message: 'it is not looked into: all of it would have to be read',
  evidence: disk.name,
  remedy: 'a conversion reads it by itself; to look into it before, say inspect --whole',
});

function packedFinding(disk: MachineDisk, { wrappers, format }: Glance): Finding {
  const [outer] = wrappers;
  if (outer === undefined) {
    return {
      rule: 'disk.stream',
      severity: 'note',
      message: 'it is not looked into: it comes as a stream, which only a conversion reads',
      evidence: disk.name,
      remedy: 'to look into it choose another way to read it, where the environment offers one',
    };
  }
  const sealed = outer === 'age';
  const how = sealed ? 'the disk is encrypted with age' : `the disk is packed with ${outer}`;
  const told = 'what is known of it is told from its beginning';
  const untold = sealed
    ? 'what it is can only be told with its key'
    : "its beginning doesn't tell what it is";
  return {
    rule: 'disk.packed',
    severity: 'note',
    message: `${how}: ${format === undefined ? untold : told}`,
    evidence: disk.name,
    remedy: 'a conversion unpacks it by itself; to look at all of it, say inspect --whole',
  };
}

function glancedDisk(disk: MachineDisk, { wrappers, format, virtualSizeBytes }: Glance): MachineDisk {
  return {
    ...disk,
    ...(wrappers.length === 0 ? {} : { packed: wrappers }),
    ...(format === undefined ? {} : { format }),
    ...(virtualSizeBytes === undefined ? {} : { virtualSizeBytes }),
  };
}

interface OpenedForLook {
  readonly image: OpenImage;
  /** With what the image told. */
  readonly disk: MachineDisk;
}

async function openForLook(
  session: Session,
  machine: Machine,
  disk: MachineDisk,
  how: SurveyOptions,
  signal: AbortSignal,
): Promise<OpenedForLook> {
  const { whole = false, report, ...opening } = how;
  const source = { machine: machine.id, ...opening };
  const { image, packed } = await openPackedDisk(session, source, machine, disk.id, {
    ...{ signal, runId: 'survey' },
    ...(whole ? { spoolFolder: spoolFolderForLooks() } : {}),
    ...(report === undefined ? {} : { report }),
  });
  try {
    const { info } = image;
    const known: MachineDisk = {
      ...disk,
      format: info.format,
      ...(packed.length === 0 ? {} : { packed }),
      virtualSizeBytes: image.size,
      allocatedSizeBytes: await allocatedBytes(image, signal),
      files:
        info.files.length > 0 && disk.files.length > 0
          ? [...new Set([...disk.files, ...filesOf(info)])]
          : disk.files,
    };
    return { image, disk: known };
  } catch (error) {
    await image.close();
    throw error;
  }
}

/**
 * All disks together: a volume may lie across several. A disk with broken insides can still be carried; what it is
 * stays known.
 */
async function lookInside(
  session: Session,
  opened: readonly OpenedForLook[],
  signal: AbortSignal,
): Promise<Record<string, GuestReport>> {
  try {
    const guest = await openGuestWithSecret(
      opened.map(({ image }) => image),
      session,
      { signal, thorough: false },
    );
    const single = opened.length === 1;
    return Object.fromEntries(
      opened.map(({ disk }, i) => {
        const report = guest.reports[i]!;
        // What is found across disks is told once, with the first of them.
        return [disk.id, single || i > 0 ? report : { ...report, findings: guest.findings }];
      }),
    );
  } catch (error) {
    if (!(error instanceof AppError) || error.kind === 'cancelled' || error.kind === 'usage') throw error;
    return {};
  }
}

function withSystem(machine: Machine, reports: readonly GuestReport[]): Machine {
  const installed = reports.flatMap((report) => report.systems)[0];
  const firmware = machine.firmware ?? firmwareOf(reports);
  const system = installed === undefined ? machine.system : plainSystem(installed);
  return {
    ...machine,
    ...(system === undefined ? {} : { system }),
    ...(firmware === undefined ? {} : { firmware }),
  };
}

function plainSystem(found: GuestReport['systems'][number]): NonNullable<Machine['system']> {
  const { name, family, version, architecture, hostname } = found;
  return {
    name,
    family,
    ...(version === undefined ? {} : { version }),
    ...(architecture === undefined ? {} : { architecture }),
    ...(hostname === undefined ? {} : { hostname }),
  };
}

/** UEFI when the disks can only be started by it; a disk that suits both starts by BIOS everywhere. */
function firmwareOf(reports: readonly GuestReport[]): Firmware | undefined {
  const hints = reports.map((report) => report.firmware).filter((hint) => hint !== 'unknown');
  if (hints.length === 0) return undefined;
  return { kind: hints.every((hint) => hint === 'uefi') ? 'uefi' : 'bios' };
}

/** A machine of an exported folder: its settings, and which of the disks that they name are there. */
import { posix, win32 } from 'node:path';
import type { Host, HostFile } from '../../../io/host/host.ts';
import { AppError, toAppError } from '../../../model/errors.ts';
import type { Finding } from '../../../model/finding.ts';
import type { Machine, MachineDisk, Snapshot } from '../../../model/machine.ts';
import { formatBytes, MiB } from '../../../model/units.ts';
import { mayBePassedOver, wholeFile } from '../../host-folders.ts';
import { readMachine } from '../machine.ts';
import { guessedMachine } from './guess.ts';
import { type Hardware, hardwareOf, plainGuid, type ToldDrive } from './hardware.ts';
import { diskNamed, type ExportFolder } from './places.ts';
import { at, settingsOfXml } from './settings.ts';
import { largestStorage, readStorage } from './storage.ts';

export interface ReadFrom {
  readonly folder: ExportFolder;
  /** Its settings; a folder without any is guessed at. */
  readonly file?: HostFile;
  /** A checkpoint's name or id. */
  readonly checkpoint?: string;
}

interface Settings extends Hardware {
  readonly name: string;
  readonly pending: number;
}

/** More than what is written of a machine that is off. */
const leastMemory = 16 * MiB;
const mostCheckpoints = 200;

/** One whose settings make no sense is guessed at. @throws AppError `not-found` for a checkpoint that is not there. */
export async function readExport(host: Host, from: ReadFrom, signal: AbortSignal): Promise<Machine> {
  const { folder, file, checkpoint } = from;
  if (file === undefined) return guessedMachine(folder, folder.path, 'there are no settings');
  let own: Settings;
  try {
    own = await readSettings(host, file, signal);
  } catch (error) {
    if (!mayBePassedOver(error)) throw error;
    const { kind, message } = toAppError(error);
    if (kind === 'not-found') throw error;
    return guessedMachine(folder, file.path, message);
  }
  const { checkpoints, findings } = await checkpointsOf(host, folder, own, signal);
  const wanted =
    checkpoint === undefined ? undefined : chosen(checkpoints, checkpoint, `${host.name}:${file.path}`);
  const machine = machineOf(wanted?.settings ?? own, file, folder);
  const stay: Finding[] =
    checkpoints.length === 0 || wanted !== undefined
      ? []
      : [
          {
            rule: 'hyperv.checkpoints-stay',
            severity: 'note',
            message: `its ${checkpoints.length} checkpoints stay where they are: the disks are carried as they are now`,
          },
        ];
  const snapshots = checkpoints.map((one) => plainSnapshot(one, checkpoints, file.path));
  return {
    ...machine,
    id: wanted === undefined ? file.path : `${file.path}#${nameOrId(wanted, checkpoints)}`,
    ...(wanted === undefined ? {} : { name: `${own.name} (${wanted.settings.name})` }),
    ...(snapshots.length === 0 ? {} : { snapshots }),
    findings: [
      ...findings,
      ...stay,
      ...(wanted === undefined ? memoryFindings(file, folder) : []),
      ...machine.findings,
    ],
  };
}

/** @throws AppError `corrupt`, `unsupported`, `not-found`. */
async function readSettings(host: Host, { path }: HostFile, signal: AbortSignal): Promise<Settings> {
  const where = `${host.name}:${path}`;
  const bytes = await wholeFile(host, path, signal, largestStorage);
  if (/\.exp$/i.test(path)) {
    throw new AppError(
      'unsupported',
      'an export of Windows Server 2008 (.exp), whose settings are not read',
      {
        where,
      },
    );
  }
  const { root, pending } = /\.xml$/i.test(path)
    ? { root: settingsOfXml(bytes, where), pending: 0 }
    : readStorage(bytes, where);
  const configuration = /\.xml$/i.test(path) ? root : at(root, 'configuration');
  if (configuration === undefined || at(configuration, 'properties') === undefined)
    throw new AppError('corrupt', 'they hold no machine', { where });
  const hardware = hardwareOf(configuration);
  const fallback = posix.basename(path).replace(/\.\w+$/, '');
  return { ...hardware, name: String(hardware.told.name).trim() || fallback, pending };
}

function machineOf(settings: Settings, file: HostFile, folder: ExportFolder): Machine {
  const { told, disks, physical, dvds, name, uuid, bound, pending } = settings;
  const missing: Finding[] = [];
  const placed = disks.map((drive) => {
    const disk = diskNamed(folder, drive.path);
    if (disk === undefined) missing.push(missingFinding(drive, folder));
    return {
      ...drive,
      path: disk?.path ?? expectedAt(drive, folder),
      chain: disk === undefined ? [] : [layer(disk)],
    };
  });
  const { machine } = readMachine({
    ...told,
    name,
    id: plainGuid(posix.basename(file.path).replace(/\.\w+$/, '')),
    path: folder.path,
    disks: [...placed, ...physical.map((drive) => ({ ...drive, path: '', diskNumber: 0, chain: [] }))],
    dvds,
  });
  return {
    ...machine,
    ...(uuid === undefined ? {} : { uuid }),
    ...(bound.length === 0 ? {} : { devices: { ...machine.devices, bound } }),
    disks: machine.disks.map((disk) => (disk.files.length > 0 ? disk : withFile(disk, placed))),
    packaging: `${machine.packaging}, exported`,
    findings: [...(pending > 0 ? [pendingFinding(pending, file)] : []), ...missing, ...machine.findings],
  };
}

/** A disk that is not there has the place where it would be. */
function withFile(disk: MachineDisk, placed: readonly ToldDrive[]): MachineDisk {
  const drive = placed.find(
    ({ bus, controller, unit }) => disk.id === `${bus.toLowerCase()}${controller}:${unit}`,
  );
  return drive === undefined ? disk : { ...disk, files: [drive.path] };
}

const expectedAt = ({ path }: ToldDrive, { path: folder }: ExportFolder): string =>
  posix.join(folder, 'Virtual Hard Disks', win32.basename(path).replaceAll('\0', '\ufffd'));

function layer({ path, size, allocatedBytes }: HostFile) {
  const format = /vhdx$/i.test(path) ? 'VHDX' : /vhds$/i.test(path) ? 'VHDSet' : 'VHD';
  return { path, format, fileSize: allocatedBytes ?? size };
}

const missingFinding = ({ path, ...drive }: ToldDrive, folder: ExportFolder): Finding => ({
  rule: 'hyperv.disk-missing',
  severity: 'warning',
  message: `the file of ${drive.bus.toLowerCase()}${drive.controller}:${drive.unit} is not there: ${path}`,
  evidence: folder.path,
  remedy: 'copy it into "Virtual Hard Disks", or leave this disk out',
});

const pendingFinding = (pending: number, { path }: HostFile): Finding => ({
  rule: 'hyperv.settings-pending',
  severity: 'warning',
  message: `its settings were not closed in order: ${pending} changes in their log are not seen`,
  evidence: path,
  remedy: 'compare the hardware with what the host shows, or export it again',
});

/** In a file beside the settings, of the same id. */
function memoryFindings(file: HostFile, { states }: ExportFolder): Finding[] {
  const id = posix
    .basename(file.path)
    .replace(/\.\w+$/, '')
    .toLowerCase();
  const saved = states.find(
    ({ path, size }) => posix.basename(path).toLowerCase().startsWith(`${id}.`) && size >= leastMemory,
  );
  if (saved === undefined) return [];
  return [
    {
      rule: 'hyperv.saved-memory',
      severity: 'warning',
      message: `it was exported with ${formatBytes(saved.size)} of memory, as it ran or was saved: that is not carried, its disks are as after a power cut`,
      evidence: saved.path,
      remedy: 'shut it down and export it again',
    },
  ];
}

interface ExportedCheckpoint {
  readonly id: string;
  readonly settings: Settings;
}

/** Those of the folder, where there is one machine in it; else those that bear its id. What can't be read is told. */
async function checkpointsOf(host: Host, folder: ExportFolder, own: Settings, signal: AbortSignal) {
  const checkpoints: ExportedCheckpoint[] = [];
  const findings: Finding[] = [];
  for (const file of folder.checkpoints.slice(0, mostCheckpoints)) {
    try {
      const settings = await readSettings(host, file, signal);
      const related = settings.ids.some((id) => own.ids.includes(id));
      if (!related && folder.machines.length > 1) continue;
      checkpoints.push({ id: plainGuid(posix.basename(file.path).replace(/\.\w+$/, '')), settings });
    } catch (error) {
      if (!mayBePassedOver(error)) throw error;
      findings.push({
        rule: 'hyperv.checkpoint-unreadable',
        severity: 'note',
        message: `a checkpoint can't be read: ${toAppError(error).message}`,
        evidence: file.path,
      });
    }
  }
  checkpoints.sort((a, b) => (a.settings.createdAt ?? 0) - (b.settings.createdAt ?? 0));
  return { checkpoints, findings };
}

function chosen(
  checkpoints: readonly ExportedCheckpoint[],
  wanted: string,
  where: string,
): ExportedCheckpoint {
  const named = checkpoints.filter(({ settings }) => settings.name === wanted);
  const found = named.length > 0 ? named : checkpoints.filter(({ id }) => id === plainGuid(wanted));
  if (found.length === 1 && found[0] !== undefined) return found[0];
  const all = checkpoints.map(({ settings, id }) => `${settings.name} (${id})`).slice(0, 20);
  throw new AppError('not-found', `it has ${found.length === 0 ? 'no' : 'several'} checkpoints "${wanted}"`, {
    where,
    hint: all.length === 0 ? 'it has none at all' : `there are: ${all.join(', ')}; the id will do, too`,
  });
}

const nameOrId = ({ id, settings }: ExportedCheckpoint, all: readonly ExportedCheckpoint[]): string =>
  all.filter((other) => other.settings.name === settings.name).length === 1 ? settings.name : id;

function plainSnapshot(one: ExportedCheckpoint, all: readonly ExportedCheckpoint[], path: string): Snapshot {
  const { name, createdAt } = one.settings;
  return {
    name,
    ...(createdAt === undefined ? {} : { createdAt }),
    machine: `${path}#${nameOrId(one, all)}`,
  };
}

/** A machine's files, read: its .vmx, its .vmsd, and which of those that they name are there. */
import { posix } from 'node:path';
import type { Host, HostFile } from '../../io/host/host.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { Machine } from '../../model/machine.ts';
import { mayBePassedOver } from '../host-folders.ts';
import { type Dictionary, isTrue } from './dictionary.ts';
import { type Drive, readDrives } from './drives.ts';
import { readDictionary } from './find-vmx.ts';
import { fallbackName, machineOfVmx } from './machine.ts';
import type { RunningMachines } from './running.ts';
import { readSnapshots, type VmwareSnapshot } from './snapshots.ts';

export interface ReadMachine {
  readonly machine: Machine;
  /** Its firmware's variables, where they are. */
  readonly nvram?: string;
}

/**
 * `snapshot`: a name or a number of its .vmsd. One whose .vmx makes no sense is given with a finding that says so.
 * @throws AppError `not-found` when there is no such file or snapshot.
 */
export async function readMachine(
  host: Host,
  id: string,
  { path, snapshot }: { readonly path: string; readonly snapshot?: string },
  running: RunningMachines,
  signal: AbortSignal,
): Promise<ReadMachine> {
  let vmx: Dictionary;
  try {
    vmx = await readDictionary(host, path, signal);
  } catch (error) {
    if (!mayBePassedOver(error) || toAppError(error).kind === 'not-found') throw error;
    return { machine: unreadable(id, path, toAppError(error)) };
  }
  const folder = posix.dirname(path);
  const beside = await filesIn(host, folder, signal);
  const { snapshots, findings } = await snapshotsOf(host, path, beside, signal);
  const wanted = snapshot === undefined ? undefined : chosen(snapshots, snapshot, `${host.name}:${path}`);
  const drives = readDrives(vmx).disks;
  const names = [...drives.map((drive) => drive.fileName), ...(wanted?.disks.values() ?? [])];
  const files = await located(host, folder, names, beside, signal);
  const nvram = posix.resolve(folder, vmx.get('nvram') || `${fallbackName(path)}.nvram`);
  const hasNvram = beside.get(nvram)?.kind === 'file';
  const state = stateOf(vmx, folder, beside, running.has(path), path);
  const machine = machineOfVmx(id, vmx, {
    path,
    state: wanted !== undefined && holdsAll(wanted, drives) ? 'off' : state.state,
    locate: (name) => files.get(name) ?? { path: name },
    snapshots,
    ...(wanted === undefined ? {} : { snapshot: wanted }),
    hasNvram,
    findings: [...findings, ...state.findings, ...elsewhere(files)],
  });
  return { machine, ...(hasNvram ? { nvram } : {}) };
}

/** Nothing writes to the files of a snapshot, also while the machine runs. */
const holdsAll = (snapshot: VmwareSnapshot, drives: readonly Drive[]): boolean =>
  drives.every((drive) => snapshot.disks.has(drive.node));

function unreadable(id: string, path: string, { message, hint }: AppError): Machine {
  return {
    ...{ id, name: fallbackName(path), state: 'unknown', packaging: 'VMware machine', disks: [], nics: [] },
    findings: [
      {
        rule: 'vmware.unreadable',
        severity: 'blocker',
        message: `its .vmx can't be read: ${message}`,
        evidence: path,
        ...(hint === undefined ? {} : { remedy: hint }),
      },
    ],
  };
}

/** By their full paths; a folder that can't be listed has none. */
async function filesIn(host: Host, folder: string, signal: AbortSignal): Promise<Map<string, HostFile>> {
  const entries = await host.files.list(folder, signal).catch((error) => {
    if (!mayBePassedOver(error)) throw error;
    return [];
  });
  return new Map(entries.map((entry) => [entry.path, entry]));
}

async function snapshotsOf(
  host: Host,
  path: string,
  beside: ReadonlyMap<string, HostFile>,
  signal: AbortSignal,
): Promise<{ snapshots: VmwareSnapshot[]; findings: Finding[] }> {
  const vmsd = path.replace(/\.(vmx|vmtx)$/i, '.vmsd');
  if ((beside.get(vmsd)?.size ?? 0) === 0) return { snapshots: [], findings: [] };
  try {
    return { snapshots: readSnapshots(await readDictionary(host, vmsd, signal)), findings: [] };
  } catch (error) {
    if (!mayBePassedOver(error)) throw error;
    const finding: Finding = {
      rule: 'vmware.snapshots-unreadable',
      severity: 'note',
      message: `its list of snapshots can't be read: ${toAppError(error).message}`,
      evidence: vmsd,
    };
    return { snapshots: [], findings: [finding] };
  }
}

function chosen(snapshots: readonly VmwareSnapshot[], wanted: string, where: string): VmwareSnapshot {
  const named = snapshots.filter(({ name }) => name === wanted);
  const found = named.length > 0 ? named : snapshots.filter(({ uid }) => uid === wanted);
  if (found.length === 1) return found[0]!;
  const all = snapshots.map(({ name, uid }) => `${name} (${uid})`).slice(0, 20);
  throw new AppError('not-found', `it has ${found.length === 0 ? 'no' : 'several'} snapshots "${wanted}"`, {
    where,
    hint: all.length === 0 ? 'it has none at all' : `there are: ${all.join(', ')}; the number will do, too`,
  });
}

interface Located {
  readonly path: string;
  readonly size?: number;
  /** It is not where the .vmx says. */
  readonly moved?: string;
}

/** What each name leads to: by itself, and by the path that it got. */
async function located(
  host: Host,
  folder: string,
  names: readonly string[],
  beside: ReadonlyMap<string, HostFile>,
  signal: AbortSignal,
): Promise<Map<string, Located>> {
  const found = new Map<string, Located>();
  for (const name of new Set(names)) {
    const candidates = candidatesOf(name, folder);
    let at: Located = { path: candidates[0]! };
    for (const [i, path] of candidates.entries()) {
      const file = beside.get(path) ?? (await statOrNothing(host, path, signal));
      if (file === undefined || file.kind === 'folder') continue;
      at = { path, size: file.allocatedBytes ?? file.size, ...(i > 0 ? { moved: name } : {}) };
      break;
    }
    found.set(name, at);
    found.set(at.path, at);
  }
  return found;
}

/**
 * Where a file of this name may be, the likeliest first. A machine that was copied from elsewhere still names its
 * disks as on that host (`C:\VMs\a.vmdk`, `/vmfs/volumes/…/a.vmdk`): then the one beside the .vmx is meant. Where that
 * host's whole disk is mounted here, its paths begin at one of the folders above.
 */
export function candidatesOf(name: string, folder: string): string[] {
  // No file has a zero byte in its name: what is left is not there.
  const plain = name.replaceAll('\0', '\ufffd');
  const literal = posix.resolve(folder, plain);
  const slashed = plain.replaceAll('\\', '/');
  const [, drive] = /^([a-z]):\//i.exec(slashed) ?? [];
  if (drive === undefined && !slashed.startsWith('/'))
    return slashed === plain ? [literal] : [literal, posix.resolve(folder, slashed)];
  const beside = posix.join(folder, posix.basename(slashed));
  if (slashed.startsWith('//')) return [literal, beside];
  const rest = posix.normalize(slashed.slice(slashed.indexOf('/')));
  return [...new Set([literal, ...driveBeside(drive, folder, rest), beside, ...fromAbove(folder, rest)])];
}

/** As Linux on Windows has its drives: `/mnt/d` beside `/mnt/c`. */
function driveBeside(drive: string | undefined, folder: string, rest: string): string[] {
  const [, drives] = /^(\/mnt|\/cygdrive)\/[a-z]\//.exec(`${folder}/`) ?? [];
  return drive === undefined || drives === undefined ? [] : [`${drives}/${drive.toLowerCase()}${rest}`];
}

/** Folders above that are looked at. */
const mostAbove = 16;

function fromAbove(folder: string, rest: string): string[] {
  const found: string[] = [];
  for (let at = posix.dirname(folder); at !== '/' && found.length < mostAbove; at = posix.dirname(at))
    found.push(at + rest);
  return found;
}

async function statOrNothing(host: Host, path: string, signal: AbortSignal): Promise<HostFile | undefined> {
  return host.files.stat(path, signal).catch((error) => {
    if (!mayBePassedOver(error)) throw error;
    return undefined;
  });
}

function elsewhere(files: ReadonlyMap<string, Located>): Finding[] {
  return [...files].flatMap(([name, { moved, path }]) =>
    moved !== name || !/^(\/|[a-z]:|\\\\)/i.test(name)
      ? []
      : [
          {
            rule: 'vmware.disk-moved',
            severity: 'note' as const,
            message: `it names the disk "${name}", which is not there: ${path} is taken`,
            evidence: path,
          },
        ],
  );
}

function stateOf(
  vmx: Dictionary,
  folder: string,
  beside: ReadonlyMap<string, HostFile>,
  runs: boolean,
  path: string,
): { state: Machine['state']; findings: Finding[] } {
  if (runs) return { state: 'running', findings: [] };
  const saved = vmx.get('checkpoint.vmState') ?? '';
  const suspended = saved !== '' && !isTrue(vmx.get('checkpoint.vmState.readOnly'));
  if (suspended && beside.has(posix.resolve(folder, saved))) return { state: 'suspended', findings: [] };
  if (!beside.has(`${path}.lck`)) return { state: 'off', findings: [] };
  const finding: Finding = {
    rule: 'vmware.locked',
    severity: 'warning',
    message:
      'it is locked: it runs on another host or for another user, or its VMware ended without tidying up',
    evidence: `${path}.lck`,
    remedy: 'make sure that it does not run anywhere, and shut it down where it does',
  };
  return { state: 'unknown', findings: [finding] };
}

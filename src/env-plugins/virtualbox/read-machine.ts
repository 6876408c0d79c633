/** A machine's settings, read, and which of the files that they name are there. */

import { posix } from 'node:path';
import type { Host } from '../../io/host/host.ts';
import { attribute, child, largestXmlBytes, type XmlElement } from '../../io/xml.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { Machine, PowerState } from '../../model/machine.ts';
import { mayBePassedOver, wholeFile } from '../host-folders.ts';
import { type Drive, readDrives } from './drives.ts';
import { nvramPathOf } from './hardware.ts';
import { fallbackName, machineOfVbox } from './machine.ts';
import type { RunningMachines } from './manage.ts';
import { ancestorsOf, type Media, type Medium, readMedia } from './media.ts';
import { elsewhere, locateFiles } from './places.ts';
import { parseSettings, type SettingsFile, uuidOf } from './settings-file.ts';
import { readSnapshots, type VboxSnapshot } from './snapshots.ts';

export interface ReadMachine {
  readonly machine: Machine;
  /** VirtualBox's own. */
  readonly uuid?: string;
  /** Its firmware's variables, where they are. */
  readonly nvram?: string;
  /** Disks whose file is not written to, as another one lies over it. */
  readonly frozen: ReadonlySet<string>;
  readonly encrypted: ReadonlySet<string>;
  /** By which the settings know each disk. */
  readonly uuids: ReadonlyMap<string, string>;
}

export interface ReadFrom {
  readonly path: string;
  /** A name or UUID. */
  readonly snapshot?: string;
}

/**
 * One whose .vbox makes no sense is given with a finding that says so.
 * @throws AppError `not-found` when there is no such file or snapshot.
 */
export async function readMachine(
  host: Host,
  id: string,
  { path, snapshot }: ReadFrom,
  { running, shared }: { readonly running: RunningMachines; readonly shared: readonly Media[] },
  signal: AbortSignal,
): Promise<ReadMachine> {
  let file: SettingsFile;
  let element: XmlElement;
  try {
    file = parseSettings(await wholeFile(host, path, signal, largestXmlBytes), `${host.name}:${path}`);
    element = machineIn(file, `${host.name}:${path}`);
  } catch (error) {
    if (!mayBePassedOver(error) || toAppError(error).kind === 'not-found') throw error;
    const machine = unreadable(id, path, toAppError(error));
    return { machine, frozen: new Set(), encrypted: new Set(), uuids: new Map() };
  }
  const snapshots = readSnapshots(element);
  const wanted = snapshot === undefined ? undefined : chosen(snapshots, snapshot, `${host.name}:${path}`);
  const drives = readDrives(wanted?.element ?? element);
  const own = readMedia(element);
  const medium = (uuid: string) => own.get(uuid) ?? shared.find((media) => media.has(uuid))?.get(uuid);
  const nvram = nvramPathOf(wanted?.element ?? element) ?? `${fallbackName(path)}.nvram`;
  const names = [...namesOf([...drives.disks, ...drives.cdroms], medium), nvram];
  const files = await locateFiles(host, posix.dirname(path), names, signal);
  const variables = files.get(nvram);
  const hasNvram = variables?.size !== undefined && variables.size > 0;
  const uuid = uuidOf(attribute(element, 'uuid'));
  const frozen = frozenDisks(drives.disks, element, wanted);
  const machine = machineOfVbox(id, file, element, {
    path,
    state: stateOf(element, drives.disks, frozen, wanted, uuid !== undefined && running.has(uuid)),
    medium,
    locate: ({ location }) => files.get(location) ?? { path: location },
    snapshots,
    ...(wanted === undefined ? {} : { snapshot: wanted }),
    hasNvram,
    findings: elsewhere(files),
  });
  return {
    machine,
    frozen,
    uuids: new Map(drives.disks.map(({ node, medium: disk }) => [node, disk])),
    encrypted: new Set(
      drives.disks.flatMap(({ node, medium: disk }) => (medium(disk)?.encrypted ? node : [])),
    ),
    ...(uuid === undefined ? {} : { uuid }),
    ...(hasNvram ? { nvram: variables.path } : {}),
  };
}

/** @throws AppError `unsupported` when the settings are encrypted, `corrupt` when there are none. */
function machineIn({ root }: SettingsFile, where: string): XmlElement {
  const machine = child(root, 'Machine');
  if (machine !== undefined) return machine;
  if (child(root, 'MachineEncrypted') !== undefined) {
    throw new AppError('unsupported', 'the machine is encrypted by VirtualBox, its settings as well', {
      where,
      hint: 'decrypt it there: VBoxManage encryptvm',
    });
  }
  throw new AppError('corrupt', 'there is no <Machine> in it', { where });
}

function* namesOf(
  drives: readonly { readonly medium?: string }[],
  medium: (uuid: string) => Medium | undefined,
): Generator<string> {
  for (const { medium: uuid } of drives) {
    const found = uuid === undefined ? undefined : medium(uuid);
    if (found === undefined) continue;
    yield found.location;
    for (const { location } of ancestorsOf(found)) yield location;
  }
}

/** Of a snapshot, those that the machine itself has not attached any more, but others over them. */
function frozenDisks(
  disks: readonly Drive[],
  machine: XmlElement,
  wanted: VboxSnapshot | undefined,
): Set<string> {
  if (wanted === undefined) return new Set();
  const inUse = new Set(readDrives(machine).disks.map((drive) => drive.medium));
  return new Set(disks.filter((drive) => !inUse.has(drive.medium)).map((drive) => drive.node));
}

/** Nothing writes to the disks of a snapshot, also while the machine runs. */
function stateOf(
  machine: XmlElement,
  disks: readonly Drive[],
  frozen: ReadonlySet<string>,
  wanted: VboxSnapshot | undefined,
  runs: boolean,
): PowerState {
  if (wanted !== undefined && disks.every((drive) => frozen.has(drive.node))) return 'off';
  if (runs) return 'running';
  return (attribute(machine, 'stateFile') ?? '') === '' ? 'off' : 'suspended';
}

function unreadable(id: string, path: string, { message, hint }: AppError): Machine {
  const finding: Finding = {
    rule: 'virtualbox.unreadable',
    severity: 'blocker',
    message: `its .vbox can't be read: ${message}`,
    evidence: path,
    ...(hint === undefined ? {} : { remedy: hint }),
  };
  return {
    ...{
      id,
      name: fallbackName(path),
      state: 'unknown',
      packaging: 'VirtualBox machine',
      disks: [],
      nics: [],
    },
    findings: [finding],
  };
}

function chosen(snapshots: readonly VboxSnapshot[], wanted: string, where: string): VboxSnapshot {
  const named = snapshots.filter(({ name }) => name === wanted);
  const found = named.length > 0 ? named : snapshots.filter(({ uuid }) => uuid === uuidOf(wanted));
  if (found.length === 1) return found[0]!;
  const all = snapshots.map(({ name, uuid }) => `${name} (${uuid})`).slice(0, 20);
  throw new AppError('not-found', `it has ${found.length === 0 ? 'no' : 'several'} snapshots "${wanted}"`, {
    where,
    hint: all.length === 0 ? 'it has none at all' : `there are: ${all.join(', ')}; the UUID will do, too`,
  });
}

/** One machine as `list` tells it, in neutral words. */
import { win32 } from 'node:path';
import type { Machine, MachineDisk, Nic, PowerState, Snapshot } from '../../model/machine.ts';
import { type Answer, answersIn, countIn, flagIn, textIn } from './answers.ts';
import { checkpointFindings, diskFindings, machineFindings } from './findings.ts';
import { descriptionIn } from './notes.ts';
import { samePath } from './windows-path.ts';

/** A file of a chain, the one that is written to first. */
export interface Layer {
  readonly path: string;
  /** `VHD`, `VHDX`, `VHDSet`; empty where the host could not tell. */
  readonly format: string;
  readonly size?: number;
  readonly fileSize?: number;
  readonly sector?: number;
  readonly error?: string;
}

export interface HyperVDisk {
  readonly id: string;
  readonly bus: 'ide' | 'scsi';
  readonly controller: number;
  readonly unit: number;
  readonly path: string;
  /** A disk of the host, passed through. */
  readonly physical: boolean;
  readonly shared: boolean;
  readonly chain: readonly Layer[];
}

export interface Checkpoint {
  readonly id: string;
  readonly name: string;
  readonly created: string;
  /** Empty unless they were asked for. */
  readonly disks: readonly HyperVDisk[];
}

export interface HyperVMachine {
  readonly machine: Machine;
  /** The host's own word: `Running`, `Paused` … */
  readonly state: string;
  readonly disks: readonly HyperVDisk[];
  readonly checkpoints: readonly Checkpoint[];
}

/** @throws AppError `corrupt` for what no host would say. */
export function readMachine(told: Answer): HyperVMachine {
  const error = textIn(told, 'error');
  const state = textIn(told, 'state');
  if (error !== '') return { machine: brokenMachine(told, error), state, disks: [], checkpoints: [] };
  const disks = answersIn(told, 'disks').map(readDisk);
  const checkpoints = answersIn(told, 'checkpoints').map(readCheckpoint);
  const generation = countIn(told, 'generation');
  const processors = countIn(told, 'processors');
  const memoryBytes = countIn(told, 'memory');
  const notes = descriptionIn(textIn(told, 'notes'));
  const cdroms = answersIn(told, 'dvds').map((dvd) => {
    const media = textIn(dvd, 'path');
    const bus = busOf(dvd);
    return { bus, ...(media === '' ? {} : { media }) };
  });
  const path = textIn(told, 'path');
  const machine: Machine = {
    id: textIn(told, 'id').toLowerCase(),
    name: textIn(told, 'name'),
    state: powerState(state),
    ...(processors === undefined ? {} : { processors: { count: processors } }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    firmware:
      generation === 2 ? { kind: 'uefi', secureBoot: textIn(told, 'secureBoot') === 'On' } : { kind: 'bios' },
    disks: neutralDisks(disks, textIn(told, 'bootPath')),
    nics: answersIn(told, 'adapters').map(readNic),
    devices: {
      ...(flagIn(told, 'tpm') ? { tpm: { version: '2.0' as const } } : {}),
      ...(cdroms.length === 0 ? {} : { cdroms }),
    },
    snapshots: checkpoints.map((one) => neutralSnapshot(one, textIn(told, 'parentCheckpoint'))),
    packaging: `Hyper-V generation ${generation === 2 ? 2 : 1}`,
    ...(path === '' ? {} : { place: path }),
    ...(notes === '' ? {} : { description: notes }),
    findings: [
      ...machineFindings(told),
      ...disks.flatMap(diskFindings),
      ...checkpointFindings(checkpoints.map(({ name }) => name)),
    ],
  };
  return { machine, state, disks, checkpoints };
}

const brokenMachine = (told: Answer, error: string): Machine => ({
  id: textIn(told, 'id').toLowerCase(),
  name: textIn(told, 'name'),
  state: powerState(textIn(told, 'state')),
  packaging: 'Hyper-V',
  disks: [],
  nics: [],
  findings: [
    {
      rule: 'hyperv.unreadable',
      severity: 'blocker',
      message: 'the host can not tell of it',
      evidence: error,
    },
  ],
});

/** Names of Microsoft.HyperV.PowerShell.VMState. */
function powerState(state: string): PowerState {
  if (state === 'Off') return 'off';
  if (state === 'Running') return 'running';
  return ['Saved', 'FastSaved', 'Paused'].includes(state) ? 'suspended' : 'unknown';
}

/** Nobody has its files open; of a paused one the worker process has. */
export const isAtRest = ({ state }: Pick<HyperVMachine, 'state'>): boolean =>
  ['Off', 'Saved', 'FastSaved'].includes(state);

const busOf = (told: Answer): 'ide' | 'scsi' => (textIn(told, 'bus') === 'IDE' ? 'ide' : 'scsi');

function readDisk(told: Answer): HyperVDisk {
  const bus = busOf(told);
  const controller = countIn(told, 'controller') ?? 0;
  const unit = countIn(told, 'unit') ?? 0;
  return {
    id: `${bus}${controller}:${unit}`,
    bus,
    controller,
    unit,
    path: textIn(told, 'path'),
    physical: countIn(told, 'diskNumber') !== undefined,
    shared: flagIn(told, 'shared'),
    chain: answersIn(told, 'chain').map(readLayer),
  };
}

function readLayer(told: Answer): Layer {
  const size = countIn(told, 'size');
  const fileSize = countIn(told, 'fileSize');
  const sector = countIn(told, 'sector');
  const error = textIn(told, 'error');
  return {
    path: textIn(told, 'path'),
    format: textIn(told, 'format'),
    ...(size === undefined ? {} : { size }),
    ...(fileSize === undefined ? {} : { fileSize }),
    ...(sector === undefined ? {} : { sector }),
    ...(error === '' ? {} : { error }),
  };
}

const readCheckpoint = (told: Answer): Checkpoint => ({
  id: textIn(told, 'id').toLowerCase(),
  name: textIn(told, 'name'),
  created: textIn(told, 'created'),
  disks: answersIn(told, 'disks').map(readDisk),
});

/** Where nothing says what is started, the first one is. */
function neutralDisks(disks: readonly HyperVDisk[], bootPath: string): MachineDisk[] {
  const found = disks.findIndex(({ path }) => bootPath !== '' && samePath(path, bootPath));
  return disks.map((disk, index) => {
    const { bus, controller, unit, id, chain, shared } = disk;
    const format = chain[0]?.format.toLowerCase() ?? '';
    const size = chain[0]?.size;
    const held = chain.reduce((sum, { fileSize = 0 }) => sum + fileSize, 0);
    return {
      id,
      name: win32.basename(disk.path) || id,
      ...(format === 'vhd' || format === 'vhdx' ? { format } : {}),
      ...(size === undefined ? {} : { virtualSizeBytes: size }),
      ...(held === 0 ? {} : { allocatedSizeBytes: held }),
      bus,
      ...(bus === 'scsi' ? { controllerModel: 'hyperv' } : {}),
      controller,
      unit,
      files: chain.map(({ path }) => path),
      ...(index === Math.max(0, found) ? { bootable: true } : {}),
      ...(shared ? { shared } : {}),
    };
  });
}

/** The legacy adapter is a DEC 21140. */
function readNic(told: Answer): Nic {
  const digits = textIn(told, 'mac')
    .replace(/[^0-9a-f]/gi, '')
    .toLowerCase();
  const network = textIn(told, 'network');
  // A dynamic address is zeros until the first start.
  const isMac = digits.length === 12 && !/^0+$/.test(digits);
  return {
    ...(isMac ? { mac: digits.match(/../g)!.join(':') } : {}),
    ...(network === '' ? {} : { network }),
    model: flagIn(told, 'legacy') ? 'tulip' : 'netvsc',
    connected: network !== '',
  };
}

function neutralSnapshot({ id, name, created }: Checkpoint, parent: string): Snapshot {
  const seconds = Date.parse(created) / 1000;
  return {
    name,
    ...(Number.isFinite(seconds) ? { createdAt: Math.floor(seconds) } : {}),
    ...(id === parent.toLowerCase() ? { current: true } : {}),
  };
}

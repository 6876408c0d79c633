/** What of the machine's disks is wanted: a snapshot, a partition, a window of bytes. Pure. */
import type { GuestPartition, GuestReport } from '../../model/guest-report.ts';
import { formatBytes } from '../../model/units.ts';
import { parseWindow } from '../../model/window.ts';
import type { MachineItem } from '../../state/state.ts';
import { type ConfigField, labelOf, tryApply } from './field.ts';
import { editMachine, type MachineContext } from './machine-fields.ts';

export interface DiskParts {
  /** Names of the machine's own snapshots, and of the internal ones of its disks. */
  readonly snapshots: readonly string[];
  readonly partitions: readonly GuestPartition[];
  /** Some disk is a filesystem and nothing else: most firmware starts from no such disk. */
  readonly bare: boolean;
}

export function diskParts({ machine, images, reports }: MachineItem): DiskParts {
  const ofMachine = (machine.snapshots ?? []).filter((s) => s.machine !== undefined).map((s) => s.name);
  const ofDisks = machine.disks.flatMap((disk) => {
    const names = images[disk.id]?.details.snapshotNames;
    return typeof names === 'string' && names !== '' ? names.split(', ') : [];
  });
  const partitions = machine.disks.flatMap((disk) => reports[disk.id]?.partitions ?? []);
  const bare =
    machine.findings.some(({ rule }) => rule.endsWith('no-partition-table')) ||
    machine.disks.some((disk) => isBare(reports[disk.id]));
  return {
    snapshots: [...new Set([...ofMachine, ...ofDisks])],
    partitions: partitions.filter((p) => p.number > 0),
    bare,
  };
}

const isBare = (report: GuestReport | undefined): boolean =>
  report?.partitionTable.kind === 'none' && report.partitions.some(({ volume }) => volume !== undefined);

/** A part is of one disk: with several there is nothing to choose. */
export function partFields(context: MachineContext): ConfigField[] {
  const { found, edit, parts } = context;
  const one = found.disks.filter((disk) => !edit.leaveOut?.includes(disk.id)).length === 1;
  return [
    ...(parts.snapshots.length === 0 ? [] : [snapshotField(context)]),
    ...(one && found.disks.length === 1 && parts.partitions.length > 0 ? [partitionField(context)] : []),
    ...(parts.bare || edit.table !== undefined ? [tableField(context)] : []),
    ...(one ? [windowField(context)] : []),
  ];
}

const group = 'Machine';

function snapshotField({ id, edit, parts }: MachineContext): ConfigField {
  const choices = [
    { value: '', label: 'the current state' },
    ...parts.snapshots.map((name) => ({ value: name, label: name })),
  ];
  const value = edit.snapshot ?? '';
  return {
    group,
    kind: 'choice',
    key: 'snapshot',
    label: 'Snapshot',
    help: 'the snapshot whose disks are converted in place of their current state',
    value,
    shown: labelOf(choices, value),
    choices,
    changed: value !== '',
    apply: (name) => ({ command: editMachine(id, { snapshot: name === '' ? undefined : name }) }),
  };
}

function partitionField({ id, edit, parts }: MachineContext): ConfigField {
  const choices = [
    { value: '', label: 'the whole disk' },
    ...parts.partitions.map((p) => ({ value: String(p.number), label: partitionLabel(p) })),
  ];
  const value = edit.partition === undefined ? '' : String(edit.partition);
  return {
    group,
    kind: 'choice',
    key: 'partition',
    label: 'Part of the disk',
    help: 'one of its partitions alone, as a disk of its own; such a disk seldom starts',
    value,
    shown: labelOf(choices, value),
    choices,
    changed: value !== '',
    apply: (number) => ({
      command: editMachine(
        id,
        number === '' ? { partition: undefined } : { partition: Number(number), window: undefined },
      ),
    }),
  };
}

function partitionLabel({ number, lengthBytes, typeName, volume, name }: GuestPartition): string {
  const label = volume?.label ?? name ?? '';
  return `partition ${number}: ${formatBytes(lengthBytes)} ${volume?.kind ?? typeName}${label === '' ? '' : ` "${label}"`}`;
}

const tables = [
  { value: '', label: 'none, as it is' },
  { value: 'mbr', label: 'MBR, put around the bare filesystem' },
  { value: 'gpt', label: 'GPT, put around the bare filesystem' },
] as const;

function tableField({ id, edit }: MachineContext): ConfigField {
  const value = edit.table ?? '';
  return {
    group,
    kind: 'choice',
    key: 'table',
    label: 'Partition table',
    help: 'put around each disk that has none: a bare filesystem can not be started from, nor seen by some systems',
    value,
    shown: labelOf(tables, value),
    choices: tables,
    changed: value !== '',
    apply: (kind) => ({
      command: editMachine(id, { table: kind === 'mbr' || kind === 'gpt' ? kind : undefined }),
    }),
  };
}

function windowField({ id, edit }: MachineContext): ConfigField {
  const { window } = edit;
  const text = window === undefined ? '' : `${window.offset}+${window.length}`;
  return {
    group,
    kind: 'text',
    key: 'window',
    label: 'Window of bytes',
    help: 'only these bytes of the disk, as OFFSET+LENGTH, such as 1M+2G; empty takes all',
    text,
    shown: window === undefined ? 'all bytes' : `${formatBytes(window.length)} from byte ${window.offset} on`,
    changed: window !== undefined,
    apply: (given) =>
      given.trim() === ''
        ? { command: editMachine(id, { window: undefined }) }
        : tryApply(() => editMachine(id, { window: parseWindow(given.trim()), partition: undefined })),
  };
}

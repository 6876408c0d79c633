/** The machines found, as rows of a table: pure. */

import type { MachineDisk } from '../../model/machine.ts';
import { formatBytes } from '../../model/units.ts';
import type { MachineItem, MachineList } from '../../state/state.ts';
import type { Column } from '../widgets/scroll-list-view.ts';

export const sortKeys = ['name', 'system', 'size'] as const;
export type SortKey = (typeof sortKeys)[number];
export const nextSort = (sort: SortKey): SortKey => sortKeys[(sortKeys.indexOf(sort) + 1) % sortKeys.length]!;

export interface MachineRow {
  readonly id: string;
  readonly name: string;
  readonly system: string;
  readonly disks: string;
  readonly virtualSize: string;
  readonly allocatedSize: string;
  readonly format: string;
  readonly survey: MachineItem['survey'];
  /** Why this machine can't be chosen. */
  readonly reason?: string;
}

export function machineRows(items: readonly MachineItem[], sort: SortKey): MachineRow[] {
  return [...items].sort(comparers[sort]).map(rowOf);
}

const names = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });
const byName = (a: MachineItem, b: MachineItem) =>
  names.compare(a.machine.name, b.machine.name) || names.compare(a.machine.id, b.machine.id);
const comparers: Record<SortKey, (a: MachineItem, b: MachineItem) => number> = {
  name: byName,
  system: (a, b) =>
    names.compare(a.machine.system?.name ?? '\uffff', b.machine.system?.name ?? '\uffff') || byName(a, b),
  size: (a, b) => (virtualSizeOf(b)?.bytes ?? -1) - (virtualSizeOf(a)?.bytes ?? -1) || byName(a, b),
};

function rowOf(item: MachineItem): MachineRow {
  const { machine, survey } = item;
  const reason = chooseReason(item);
  return {
    id: machine.id,
    name: machine.name,
    system: systemText(item),
    disks: String(machine.disks.length),
    virtualSize: sizeText(virtualSizeOf(item)),
    allocatedSize: sizeText(allocatedSizeOf(item)),
    format: formatText(item),
    survey,
    ...(reason === undefined ? {} : { reason }),
  };
}

/** The disks of a machine that is up may open only while it is held: the plan tells whether it can be. */
const isUp = ({ state }: MachineItem['machine']): boolean => state === 'running' || state === 'suspended';

export function chooseReason({ machine, survey, failure }: MachineItem): string | undefined {
  if (survey === 'failed' && !isUp(machine))
    return `${machine.name} can't be read: ${failure?.message ?? 'the reason is not known'}`;
  if (machine.disks.length === 0) return `${machine.name} has no disk to carry`;
  return undefined;
}

/** Why there is nothing to go on with. */
export function continueReason(chosen: readonly string[], row: MachineRow | undefined): string | undefined {
  if (chosen.length > 0) return undefined;
  return row === undefined ? 'no machine was found; p takes a path, f other folders' : row.reason;
}

function systemText(item: MachineItem): string {
  const { machine } = item;
  if (!isUp(machine)) return ownSystem(item);
  const { system } = machine;
  return system === undefined ? machine.state : `${machine.state}, ${shortSystem(system.name)}`;
}

function ownSystem({ machine, survey, failure }: MachineItem): string {
  if (survey === 'failed') return `can't be read: ${failure?.message ?? ''}`;
  if (machine.system !== undefined) return shortSystem(machine.system.name);
  return { later: '', waiting: '', busy: 'looking inside', done: 'not recognised' }[survey];
}

/** A column is narrow: what tells systems apart is the product and the version, which the full name has last. */
const shortSystem = (name: string): string =>
  name
    .replace(/^Microsoft /, '')
    .replace(/ GNU\/Linux\b/, '')
    .replace(/ \([^)]*\)$/, '');

interface Sum {
  readonly bytes: number;
  /** The size of some disk is not known. */
  readonly partly: boolean;
}

function sumOf(sizes: readonly (number | undefined)[]): Sum | undefined {
  const known = sizes.filter((size) => size !== undefined);
  if (known.length === 0) return undefined;
  return { bytes: known.reduce((sum, size) => sum + size, 0), partly: known.length < sizes.length };
}

export const virtualSizeOf = ({ machine, images }: MachineItem): Sum | undefined =>
  sumOf(machine.disks.map((disk) => disk.virtualSizeBytes ?? images[disk.id]?.virtualSizeBytes));

export const allocatedSizeOf = ({ machine }: MachineItem): Sum | undefined =>
  sumOf(machine.disks.map((disk) => disk.allocatedSizeBytes));

/** `?` when nothing is known, a trailing `+` when there is more that is not. */
export const sizeText = (sum: Sum | undefined): string =>
  sum === undefined ? '?' : formatBytes(sum.bytes) + (sum.partly ? '+' : '');

/** With what is around the image as a whole, the outermost first: `gzip › qcow2`. */
export const packedIn = ({ packed = [] }: MachineDisk, format: string): string =>
  packed.length === 0 ? format : [...packed, format === '' ? '?' : format].join(' › ');

/** `qcow2 (v3)`, `OVA: vmdk (streamOptimized)`, `raw, vhd`. */
function formatText({ machine, images }: MachineItem): string {
  const formats = machine.disks.map((disk) => {
    const image = images[disk.id];
    const format = image?.format ?? disk.format ?? '';
    return packedIn(disk, image?.variant === undefined ? format : `${format} (${image.variant})`);
  });
  const distinct = [...new Set(formats.filter((format) => format !== ''))].join(', ');
  const { packaging } = machine;
  if (packaging === undefined || packaging === 'disk image') return distinct;
  return distinct === '' ? packaging : `${packaging}: ${distinct}`;
}

const systemTone = (row: MachineRow) =>
  row.survey === 'failed' ? 'error' : row.survey === 'done' || row.survey === 'later' ? undefined : 'dim';

export const machineColumns: readonly Column<MachineRow>[] = [
  { title: 'Name', width: { grow: 3, min: 12 }, cut: 'middle', cell: (row) => row.name },
  { title: 'System', width: { grow: 3, min: 10 }, cell: (row) => row.system, tone: systemTone },
  { title: 'Disks', width: 5, align: 'right', cell: (row) => row.disks },
  { title: 'Size', width: 8, align: 'right', cell: (row) => row.virtualSize },
  { title: 'Data', width: 8, align: 'right', cell: (row) => row.allocatedSize },
  { title: 'Format', width: { grow: 2, min: 9 }, from: 64, cell: (row) => row.format },
];

/** What stands above the list. */
export function statusText(list: MachineList, chosen: number, sort: SortKey): string {
  const waiting = list.items.filter((i) => i.survey === 'waiting' || i.survey === 'busy').length;
  const parts = [
    chosen === 0 && !isSearching(list) && list.items.length > 0
      ? 'none marked: Enter takes this row'
      : `${chosen} marked`,
    list.status === 'listing' ? `looking for machines: ${list.items.length} so far` : undefined,
    waiting > 0 ? `looking inside ${waiting} more` : undefined,
    // Last, and left out while there is more to tell than a line holds.
    list.items.length > 1 && !isSearching(list) ? `sorted by ${sort}` : undefined,
  ];
  return parts.filter((part) => part !== undefined).join(', ');
}

export const isSearching = (list: MachineList): boolean =>
  list.status === 'listing' || list.items.some((i) => i.survey === 'waiting' || i.survey === 'busy');

/** What is drawn in place of rows. */
export function emptyText(list: MachineList, connected: boolean): string {
  if (!connected) return 'no environment is open: press 2 to choose one';
  if (list.status === 'listing') return 'nothing found yet';
  if (list.status === 'failed') return 'the list could not be read';
  return list.status === 'idle' ? 'not looked yet: r looks for machines' : 'no machine was found here';
}

/** The chosen ids in the list's order with one more or less; rows that can't be chosen stay out. */
export function chosenIds(marked: readonly string[], items: readonly MachineItem[]): string[] {
  const wanted = new Set(marked);
  return items
    .filter((i) => wanted.has(i.machine.id) && chooseReason(i) === undefined)
    .map((i) => i.machine.id);
}

export interface Areas {
  readonly beside: boolean;
  readonly listColumns: number;
  readonly listRows: number;
  readonly paneColumns: number;
  /** 0: no room, the details are on their own page alone. */
  readonly paneRows: number;
}

/** The list with the details beside it when the terminal is wide, below it otherwise. */
export function areas(columns: number, rows: number): Areas {
  if (columns >= 100) {
    const paneColumns = Math.max(38, Math.min(90, Math.floor(columns * 0.38)));
    return {
      beside: true,
      listColumns: columns - paneColumns - 1,
      listRows: rows,
      paneColumns,
      paneRows: rows,
    };
  }
  const paneRows = rows < 15 ? 0 : Math.min(14, Math.floor(rows * 0.45));
  return { beside: false, listColumns: columns, listRows: rows - paneRows, paneColumns: columns, paneRows };
}

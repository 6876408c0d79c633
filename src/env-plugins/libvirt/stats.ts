/** What `domstats`, `snapshot-list` and `snapshot-current` print, put to the machine: pure. */
import type { Machine, PowerState, Snapshot } from '../../model/machine.ts';
import type { Domain } from './domain-xml.ts';

export interface Printed {
  readonly stats: string;
  readonly snapshots: string;
  readonly current: string;
}

export function withStats({ machine, live }: Domain, printed: Printed): Machine {
  const blocks = blockStats(printed.stats);
  const snapshots = readSnapshots(printed.snapshots, printed.current.replace(/\n+$/, ''));
  return {
    ...machine,
    state: stateOf(printed.stats) ?? machine.state,
    disks: machine.disks.map((disk) => {
      const block = blocks.get(disk.id);
      return {
        ...disk,
        ...(block?.capacity === undefined ? {} : { virtualSizeBytes: block.capacity }),
        ...allocated(block, live, disk.format),
      };
    }),
    ...(snapshots.length === 0 ? {} : { snapshots }),
  };
}

/** virDomainState: 1 running, 2 blocked, 3 paused, 4 shutting down, 5 shut off, 6 crashed, 7 suspended by itself. */
const states: readonly (PowerState | undefined)[] = [
  undefined,
  'running',
  'running',
  'suspended',
  'running',
  'off',
  'off',
  'suspended',
];

function stateOf(stats: string): PowerState | undefined {
  const [, number] = /^ {2}state\.state=(\d)$/m.exec(stats) ?? [];
  return number === undefined ? undefined : states[Number(number)];
}

/**
 * Of a machine that is off, what the file takes. While it runs `allocation` is how far QEMU has written since it was
 * started: then the length of the file says more, but for a raw one.
 */
function allocated(
  block: Block | undefined,
  live: boolean,
  format: string | undefined,
): { allocatedSizeBytes?: number } {
  const bytes = live ? (format === 'raw' ? undefined : block?.physical) : block?.allocation;
  return bytes === undefined ? {} : { allocatedSizeBytes: bytes };
}

interface Block {
  name?: string;
  physical?: number;
  allocation?: number;
  capacity?: number;
}

/** By the disk's target. Lines are `  block.0.name=vda`; a path with a line break makes lines of no meaning. */
function blockStats(stats: string): Map<string, Block> {
  const byNumber = new Map<string, Block>();
  for (const [, number, key, value] of stats.matchAll(
    /^ {2}block\.(\d{1,4})\.(name|allocation|capacity|physical)=(.*)$/gm,
  )) {
    const block = byNumber.get(number!) ?? {};
    byNumber.set(number!, block);
    if (key === 'name') block.name ??= value!;
    else if (/^\d{1,16}$/.test(value!) && Number.isSafeInteger(Number(value))) {
      block[key as 'allocation' | 'capacity' | 'physical'] ??= Number(value);
    }
  }
  return new Map([...byNumber.values()].flatMap((b) => (b.name === undefined ? [] : [[b.name, b]])));
}

/** A table without a head: name, time of creation, state; names may hold blanks. */
function readSnapshots(table: string, current: string): Snapshot[] {
  const row = /^ (.*?) {2,}(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) ([+-]\d\d)(\d\d) {2,}[a-z][a-z -]*$/gm;
  return [...table.matchAll(row)].map(([, name, day, time, hours, minutes]) => ({
    name: name!,
    createdAt: Math.floor(Date.parse(`${day}T${time}${hours}:${minutes}`) / 1000),
    ...(name === current ? { current: true } : {}),
  }));
}

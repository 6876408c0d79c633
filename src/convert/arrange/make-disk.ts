/** One new disk: what stays at its place, what is put behind it, and a table over both. Pure. */
import { guidAt } from '../../guest/text.ts';
import {
  gptEntryFor,
  gptHeadBytes,
  gptPieces,
  gptTailBytes,
  guidFrom,
  usualEntries,
  withGuid,
} from './gpt-table.ts';
import {
  aligned,
  alignment,
  endOf,
  type Move,
  type NewDisk,
  type Part,
  type Piece,
  type TableLayout,
} from './layout.ts';
import { makeMbr } from './make-mbr.ts';
import { gptTypeOf, typeOfWhole } from './types.ts';

export interface DiskTask {
  /** Its number among the new disks, from 0. */
  readonly number: number;
  readonly sectorSize: number;
  /** The disk whose start stays: boot code, what lies before the first partition, the table's ids. */
  readonly base?: TableLayout | undefined;
  /** Of `base`: they stay where they are, and keep their numbers. */
  readonly own: readonly Part[];
  /** Those that are put behind. */
  readonly moved: readonly Part[];
  /** What is moved keeps its number, too, where nothing stays. */
  readonly keepNumbers?: boolean;
}

export interface MadeDisk {
  readonly disk: NewDisk;
  readonly moves: readonly Move[];
}

/** Or why that can't be. */
export type Made = MadeDisk | string;

export const makeDisk = (kind: 'mbr' | 'gpt', task: DiskTask): Made =>
  kind === 'gpt' ? makeGpt(task) : makeMbr(task);

/** A part at its new place. */
export interface Placed extends Part {
  readonly from: Part;
}

/** Whole sectors. */
export const sectorsOf = ({ lengthBytes }: Part, sectorSize: number): number =>
  Math.ceil(lengthBytes / sectorSize) * sectorSize;

/** Each begins on a whole MiB, `gap` bytes behind what is before it. */
export function placed(moved: readonly Part[], from: number, sectorSize: number, gap = 0): Placed[] {
  let at = from;
  return moved.map((part) => {
    const startBytes = aligned(at + gap);
    const lengthBytes = sectorsOf(part, sectorSize);
    at = startBytes + lengthBytes;
    return { ...part, from: part, startBytes, lengthBytes };
  });
}

/** Of a part that stays, and of one that was moved. */
export const pieceOf = (part: Part | Placed): Piece => {
  const from = 'from' in part ? part.from : part;
  return { at: part.startBytes, disk: from.disk, from: from.startBytes, length: from.lengthBytes };
};

/**
 * What stays of the disk: all of it behind the table, or its partitions and what lies before the first one, where
 * loaders keep their second stage.
 */
export function basePieces({ base, own }: DiskTask, headBytes: number): Piece[] {
  const [part] = base?.parts ?? [];
  if (base === undefined || part === undefined) return [];
  const piece = (end: number): Piece[] =>
    end <= headBytes ? [] : [{ at: headBytes, disk: part.disk, from: headBytes, length: end - headBytes }];
  if (staysWhole({ base, own })) return piece(base.size - backupBytes(base));
  const starts = [...base.parts, ...(base.extended === undefined ? [] : [base.extended])];
  return [...piece(Math.min(...starts.map(({ startBytes }) => startBytes))), ...own.map(pieceOf)];
}

export const staysWhole = ({ base, own }: Pick<DiskTask, 'base' | 'own'>): boolean =>
  base !== undefined && own.length === base.parts.length;

const backupBytes = ({ gpt, sectorSize }: TableLayout): number =>
  gpt === undefined ? 0 : gptTailBytes(gpt.entryCount, sectorSize);

/** Behind what stays; where all of the disk stays, behind its free space as well. */
export function endOfBase({ base, own }: DiskTask): number {
  if (base === undefined) return alignment;
  const free = staysWhole({ base, own }) ? base.size - backupBytes(base) : 0;
  return Math.max(alignment, free, ...own.map(endOf));
}

export const ascending = (pieces: readonly Piece[]): Piece[] => pieces.toSorted((a, b) => a.at - b.at);

export const moveTo = (part: Part, disk: number, number: number, partUuid: string): Move => ({
  from: {
    disk: part.disk,
    number: part.number,
    ...(part.partUuid === undefined ? {} : { partUuid: part.partUuid }),
  },
  to: { disk, number, partUuid },
});

/** Of a part that had no id of its own that lasts. */
const seedOf = ({ disk, number, startBytes, lengthBytes, partUuid }: Part): string =>
  `part ${disk} ${number} ${startBytes} ${lengthBytes} ${partUuid ?? ''}`;

function makeGpt(task: DiskTask): Made {
  const { base, own, moved, sectorSize } = task;
  const highest = Math.max(0, ...own.map(({ number }) => number));
  const behind = placed(moved, aligned(endOfBase(task)), sectorSize);
  const numberOf = (part: Part, i: number) =>
    task.keepNumbers === true && part.number > 0 ? part.number : highest + 1 + i;
  const entries = new EntryMaker();
  const parts = [
    ...own.map((part) => ({ ...part, was: part, entry: entries.of(part) })),
    ...behind.map((part, i) => ({
      ...part,
      was: part.from,
      number: numberOf(part, i),
      entry: entries.of(part.from),
    })),
  ];
  const entryCount = Math.max(base?.gpt?.entryCount ?? usualEntries, ...parts.map(({ number }) => number));
  const headBytes = gptHeadBytes(entryCount, sectorSize);
  const firstStart = Math.min(...parts.map(({ startBytes }) => startBytes));
  if (headBytes > firstStart)
    return `the first partition begins in sector ${firstStart / sectorSize}, where the GPT would lie`;
  const size = aligned(Math.max(endOfBase(task), ...behind.map(endOf))) + alignment;
  const diskGuid =
    base?.gpt?.diskGuid ?? guidFrom(`disk ${task.number} ${parts.map(({ was }) => seedOf(was)).join()}`);
  const firstSector = base?.firstSector ?? Buffer.alloc(512);
  const { head, tail } = gptPieces({ sectorSize, size, diskGuid, entryCount, firstSector, parts });
  const data = ascending([...basePieces(task, headBytes), ...behind.map(pieceOf)]);
  return {
    disk: { size, sectorSize, pieces: [head, ...data, tail] },
    moves: parts.map(({ was, number, entry }) => moveTo(was, task.number, number, guidAt(entry, 16))),
  };
}

/** Entries of the new table; disks that were copied from each other have the same ids, which can't be on one disk. */
class EntryMaker {
  readonly #seen = new Set<string>();

  of(part: Part): Buffer {
    const type = part.number === 0 ? typeOfWhole(part.kind) : part.type;
    const own = part.entry?.length === 128 ? part.entry : gptEntryFor(gptTypeOf(type), seedOf(part));
    const entry = this.#seen.has(guidAt(own, 16)) ? withGuid(own, seedOf(part)) : own;
    this.#seen.add(guidAt(entry, 16));
    return entry;
  }
}

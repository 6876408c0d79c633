/** One new disk with an MBR: up to four partitions, or logical ones in an extended one. Pure. */
import { diskSignature, mbrBytes } from '../../guest/partitions/mbr.ts';
import { guidFrom } from './gpt-table.ts';
import { aligned, alignment, endOf, type Part, type TableLayout } from './layout.ts';
import {
  ascending,
  basePieces,
  type DiskTask,
  endOfBase,
  type Made,
  moveTo,
  type Placed,
  pieceOf,
  placed,
  staysWhole,
} from './make-disk.ts';
import { type ExtendedPart, ebrPieces, fitsMbr, mbrPiece } from './mbr-table.ts';
import { mbrTypeOf, typeOfWhole } from './types.ts';

const places = [1, 2, 3, 4];

/** Numbers for what is moved; those from 5 on are logical ones. */
interface Slots {
  readonly primary: readonly number[];
  /** Of the extended partition that is made. */
  readonly extended?: number;
}

export function makeMbr(task: DiskTask): Made {
  const { base, own, moved, sectorSize } = task;
  const kept = keptOf(base, own);
  const slots = slotsFor(task, kept.extended);
  if (typeof slots === 'string') return slots;
  const end = aligned(Math.max(endOfBase(task), kept.extended === undefined ? 0 : endOf(kept.extended)));
  const behind = placed(moved.slice(0, slots.primary.length), end, sectorSize);
  const typed = (part: Placed, number: number) => ({
    ...part,
    number,
    type: typeOf(part.from),
    active: false,
  });
  const primary = behind.map(({ entry: _, ...part }, i) => typed(part, slots.primary[i]!));
  const logicalFrom = aligned(Math.max(end, ...behind.map(endOf)));
  // A MiB before each: there is its record.
  const inside = placed(moved.slice(slots.primary.length), logicalFrom, sectorSize, alignment);
  const logical = inside.map(({ entry: _, ...part }, i) => typed(part, 5 + i));
  const made: ExtendedPart | undefined =
    slots.extended === undefined || logical.length === 0
      ? undefined
      : {
          number: slots.extended,
          startBytes: logicalFrom,
          lengthBytes: endOf(logical.at(-1)!) - logicalFrom,
        };
  const last = Math.max(end, ...[...behind, ...inside].map(endOf));
  if (![...own, ...behind, ...inside].every((part) => fitsMbr(endOf(part), sectorSize)))
    return 'a partition would end past 2 TiB, which an MBR can not say';
  const firstSector = base?.firstSector ?? signed(task);
  const head = mbrPiece({
    ...{ sectorSize, firstSector, extended: kept.extended ?? made },
    primary: [...kept.primary, ...primary],
  });
  const chained = staysWhole(task) ? undefined : kept.extended;
  if (
    chained !== undefined &&
    kept.logical.some((part) => own.some((other) => isBefore(other, part, sectorSize)))
  )
    return 'a logical partition has no room before it for its record';
  const data = [
    ...basePieces(task, mbrBytes),
    ...(chained !== undefined ? ebrPieces(kept.logical, chained.startBytes, sectorSize) : []),
    ...(made === undefined ? [] : ebrPieces(logical, made.startBytes, sectorSize)),
    ...[...behind, ...inside].map(pieceOf),
  ];
  const uuid = (number: number) => `${diskSignature(firstSector)}-${number.toString(16).padStart(2, '0')}`;
  const numbered = [
    ...[...kept.primary, ...kept.logical].map(({ number, was }) => ({ number, was })),
    ...[...primary, ...logical].map(({ number, from }) => ({ number, was: from })),
  ];
  return {
    disk: {
      size: last,
      sectorSize,
      pieces: [head, ...ascending(data)],
    },
    moves: numbered.map(({ number, was }) => moveTo(was, task.number, number, uuid(number))),
  };
}

/** What stays: primary ones with their entries, logical ones numbered anew, as a gap in the chain can't be. */
function keptOf(base: TableLayout | undefined, own: readonly Part[]) {
  const primary = own.filter(({ number }) => number <= 4).map((part) => ({ ...part, was: part }));
  const logical = own
    .filter(({ number }) => number > 4)
    .map(({ entry: _, ...part }, i) => ({ ...part, number: 5 + i, was: part }));
  return { primary, logical, extended: logical.length === 0 ? undefined : base?.extended };
}

/** Whether `other` ends right where `part` begins. */
const isBefore = (other: Part, part: Pick<Part, 'startBytes'>, sectorSize: number): boolean =>
  other.startBytes < part.startBytes && endOf(other) > part.startBytes - sectorSize;

function slotsFor({ own, moved, keepNumbers }: DiskTask, extended: ExtendedPart | undefined): Slots | string {
  const used = new Set([
    ...own.map(({ number }) => number),
    ...(extended === undefined ? [] : [extended.number]),
  ]);
  const free = places.filter((number) => !used.has(number));
  const numbers = moved.map(({ number }) => number);
  if (
    keepNumbers === true &&
    numbers.every((n) => free.includes(n)) &&
    new Set(numbers).size === numbers.length
  )
    return { primary: numbers };
  if (moved.length <= free.length) return { primary: free.slice(0, moved.length) };
  const place = free.at(-1);
  if (place === undefined || extended !== undefined)
    return `an MBR has four places, and ${own.length + moved.length} partitions are to go into them`;
  return { primary: free.slice(0, -1), extended: place };
}

const typeOf = ({ number, type, kind }: Part): string =>
  number === 0 ? typeOfWhole(kind) : type.startsWith('0x') ? type : mbrTypeOf(type, kind);

/** A first sector with nothing but a signature that tells this disk from others. */
function signed({ number, moved }: DiskTask): Buffer {
  const sector = Buffer.alloc(mbrBytes);
  const parts = moved.map(({ disk, number: n, startBytes, lengthBytes }) => [
    disk,
    n,
    startBytes,
    lengthBytes,
  ]);
  sector.set(guidFrom(`signature ${number} ${parts.join(' ')}`).subarray(0, 4), 440);
  return sector;
}

/** A master boot record for partitions at known places, with logical ones where four are not enough. */
import { mbrBytes } from '../../guest/partitions/mbr.ts';
import { endOf, type Piece } from './layout.ts';

const entriesAt = 446;
const entryBytes = 16;
const extendedType = 0x0f;
/** Links of the chain are of this type, whatever that of the first one is. */
const linkType = 0x05;
/** "See the LBA": heads, sectors and cylinders at their largest. */
const noGeometry = [0xfe, 0xff, 0xff];
/** Starts and lengths have 32 bits. */
const sectorLimit = 2 ** 32;

export interface MbrPart {
  readonly number: number;
  readonly startBytes: number;
  readonly lengthBytes: number;
  /** `0x83`. */
  readonly type: string;
  readonly active: boolean;
  /** As it stands in the table now, where its place stays. */
  readonly entry?: Buffer;
}

export type ExtendedPart = Pick<MbrPart, 'number' | 'startBytes' | 'lengthBytes' | 'entry'>;

export interface MbrTable {
  readonly sectorSize: number;
  /** Boot code and signature; the entries are made anew. */
  readonly firstSector: Buffer;
  /** Numbers 1 to 4. */
  readonly primary: readonly MbrPart[];
  readonly extended?: ExtendedPart | undefined;
}

/** Whether the old kind of table can say a place that ends here. */
export const fitsMbr = (endBytes: number, sectorSize: number): boolean => endBytes / sectorSize < sectorLimit;

export function mbrPiece({ sectorSize, firstSector, primary, extended }: MbrTable): Piece {
  const bytes = Buffer.from(firstSector.subarray(0, mbrBytes));
  bytes.fill(0, entriesAt, 510);
  const place = (number: number, entry: Buffer) => bytes.set(entry, entriesAt + (number - 1) * entryBytes);
  for (const part of primary) place(part.number, part.entry ?? entryOf(part, sectorSize));
  if (extended !== undefined) {
    const made = entryOf({ ...extended, type: `${extendedType}`, active: false }, sectorSize);
    place(extended.number, extended.entry ?? made);
  }
  bytes.writeUInt16LE(0xaa55, 510);
  return { at: 0, bytes };
}

function entryOf(part: Omit<MbrPart, 'number' | 'entry'>, sectorSize: number): Buffer {
  const entry = Buffer.alloc(entryBytes);
  entry[0] = part.active ? 0x80 : 0;
  entry.set(noGeometry, 1);
  entry[4] = Number(part.type);
  entry.set(noGeometry, 5);
  entry.writeUInt32LE(part.startBytes / sectorSize, 8);
  entry.writeUInt32LE(part.lengthBytes / sectorSize, 12);
  return entry;
}

/**
 * The chain of the logical partitions, in their order: each record names its own partition, counted from itself, and
 * the next record, counted from the first, which is where the extended one begins. A sector before each is free.
 */
export function ebrPieces(logical: readonly MbrPart[], baseBytes: number, sectorSize: number): Piece[] {
  const places = logical.map(({ startBytes }, i) => (i === 0 ? baseBytes : startBytes - sectorSize));
  return logical.map((part, i) => {
    const at = places[i]!;
    const bytes = Buffer.alloc(mbrBytes);
    bytes.set(entryOf({ ...part, startBytes: part.startBytes - at }, sectorSize), entriesAt);
    const next = logical[i + 1];
    if (next !== undefined) {
      const from = places[i + 1]!;
      const link = { type: `${linkType}`, active: false, startBytes: from - baseBytes };
      const entry = entryOf({ ...link, lengthBytes: endOf(next) - from }, sectorSize);
      bytes.set(entry, entriesAt + entryBytes);
    }
    bytes.writeUInt16LE(0xaa55, 510);
    return { at, bytes };
  });
}

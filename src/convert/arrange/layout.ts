/** Disks as their tables lay them out, and new ones that are made of their pieces. No byte is copied. */
import type { MovedPartition } from '../../guest/change/linux/stable-names.ts';
import { memorySource } from '../../io/byte-source.ts';
import { concatenated, type Disk, padded, slice, sourceDisk } from '../../io/disk.ts';
import { AppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import { MiB } from '../../model/units.ts';

export interface Part {
  /** Number of the disk that it lies on, from 0. */
  readonly disk: number;
  /** As its table numbers it; 0: the whole disk. */
  readonly number: number;
  readonly startBytes: number;
  readonly lengthBytes: number;
  /** The MBR's id as `0x83`, the GPT's type GUID, empty for a whole disk. */
  readonly type: string;
  /** What its own mark says: `ext4`, `lvm2-pv`. */
  readonly kind?: string;
  /** As the Linux kernel writes it. */
  readonly partUuid?: string;
  readonly active: boolean;
  /** GPT: its 128 bytes; MBR: its 16. */
  readonly entry?: Buffer;
}

export interface TableLayout {
  readonly kind: 'mbr' | 'gpt' | 'none';
  /** What the table counts in. */
  readonly sectorSize: number;
  readonly size: number;
  /** Boot code, signature and entries of the MBR. */
  readonly firstSector: Buffer;
  readonly hasBootCode: boolean;
  /** Those that hold others left out, in the order of their numbers. */
  readonly parts: readonly Part[];
  /** MBR: the one that holds the logical ones. */
  readonly extended?: Pick<Part, 'number' | 'startBytes' | 'lengthBytes' | 'entry'>;
  /** GPT only. */
  readonly gpt?: { readonly diskGuid: Uint8Array; readonly entryCount: number };
}

export type Move = MovedPartition;

/** Bytes of an old disk, or bytes of their own, at a place of a new one. */
export type Piece =
  | { readonly at: number; readonly disk: number; readonly from: number; readonly length: number }
  | { readonly at: number; readonly bytes: Buffer };

export interface NewDisk {
  readonly size: number;
  readonly sectorSize: number;
  /** Ascending, none over another; what lies between them is zeros. */
  readonly pieces: readonly Piece[];
}

export interface Arrangement {
  /** None where a finding forbids it. */
  readonly disks: readonly NewDisk[];
  readonly moves: readonly Move[];
  readonly findings: readonly Finding[];
}

export const alignment = MiB;
export const aligned = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;
export const endOf = ({ startBytes, lengthBytes }: Pick<Part, 'startBytes' | 'lengthBytes'>): number =>
  startBytes + lengthBytes;

export function refusal(
  rule: string,
  message: string,
  more: Pick<Finding, 'evidence' | 'remedy'> = {},
): Finding {
  return { rule: `disks.${rule}`, severity: 'blocker', message, ...more };
}

const lengthOf = (piece: Piece): number => ('bytes' in piece ? piece.bytes.length : piece.length);

/** The new disk over the old ones. Closing it closes nothing. @throws AppError `bug` when pieces lie over each other. */
export function assembled({ size, sectorSize, pieces }: NewDisk, disks: readonly Disk[]): Disk {
  const parts: Disk[] = [];
  let at = 0;
  const upTo = (end: number) => {
    if (end < at) throw new AppError('bug', `a piece at ${end} lies over what ends at ${at}`);
    if (end > at) parts.push(zeros(end - at, sectorSize));
    at = end;
  };
  for (const piece of pieces) {
    if (lengthOf(piece) === 0) continue;
    upTo(piece.at);
    parts.push(
      'bytes' in piece
        ? sourceDisk(memorySource(piece.bytes, 'partition table'), sectorSize)
        : slice(disks[piece.disk]!, piece.from, piece.length),
    );
    at += lengthOf(piece);
  }
  upTo(size);
  return { ...concatenated(parts), sectorSize };
}

const nothing: Disk = { ...sourceDisk(memorySource(Buffer.alloc(0))), sectorSize: 512 };

const zeros = (size: number, sectorSize: number): Disk => padded({ ...nothing, sectorSize }, size);

/** For messages. */
export const partInWords = (
  { disk, number }: Pick<Part, 'disk' | 'number'>,
  names: readonly string[],
): string => `${names[disk] ?? `disk ${disk + 1}`}${number === 0 ? '' : `, partition ${number}`}`;

/** The payload blocks as a `Disk`: this layer alone, with holes where a parent is to be asked. */
import { type ByteSource, checkRange } from '../../io/byte-source.ts';
import type { Disk } from '../../io/disk.ts';
import { type ExtentKind, ExtentList } from '../../io/extents.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { blockStates } from './layout.ts';
import type { Metadata } from './metadata.ts';
import type { BlockTable } from './table.ts';

/** Entries looked at in one step. */
const stepBlocks = 8192;

interface Piece {
  readonly kind: ExtentKind;
  readonly offset: number;
  length: number;
  /** Where in the file, for data. */
  readonly at: number;
}

/** Closing it closes the source. */
export function blockDisk(source: ByteSource, table: BlockTable, metadata: Metadata): Disk {
  const { blockSize, virtualDiskSize: size, logicalSectorSize: sectorSize } = metadata;
  const absent: ExtentKind = metadata.parent === undefined ? 'zero' : 'hole';

  /** What [from, to) consists of, neighbours in the file as one. */
  async function* pieces(from: number, to: number, signal?: AbortSignal): AsyncGenerator<Piece> {
    let open: Piece | undefined;
    for (let first = Math.floor(from / blockSize); first * blockSize < to; first += stepBlocks) {
      const end = Math.min(first + stepBlocks, Math.ceil(to / blockSize));
      for (const { state, block, count, offset } of await table.runs(first, end, signal)) {
        const start = block * blockSize;
        const a = Math.max(from, start);
        const b = Math.min(to, start + count * blockSize);
        const parts =
          state === blockStates.partiallyPresent
            ? partsOf(await table.bitmap(block, signal), start, offset, a, b)
            : [{ kind: kindOf(state), offset: a, length: b - a, at: offset + (a - start) }];
        for (const part of parts) {
          if (open !== undefined && follows(open, part)) open.length += part.length;
          else {
            if (open !== undefined) yield open;
            open = part;
          }
        }
      }
    }
    if (open !== undefined) yield open;
  }

  const kindOf = (state: number): ExtentKind => {
    if (state === blockStates.fullyPresent) return 'data';
    // Undefined and unmapped blocks don't show the parent's content (2.5.1.1), and qemu shows zeros as we do.
    return state === blockStates.notPresent ? absent : 'zero';
  };

  /** One bit a sector, the lowest of a byte first (2.5.1.2). */
  function* partsOf(bits: Buffer, start: number, offset: number, from: number, to: number): Generator<Piece> {
    for (let at = from; at < to; ) {
      const sector = Math.floor((at - start) / sectorSize);
      const set = isSet(bits, sector);
      let next = sector + 1;
      while (start + next * sectorSize < to && isSet(bits, next) === set) next++;
      const end = Math.min(to, start + next * sectorSize);
      yield { kind: set ? 'data' : 'hole', offset: at, length: end - at, at: offset + (at - start) };
      at = end;
    }
  }

  return {
    size,
    sectorSize,
    async read(target, offset, signal) {
      throwIfAborted(signal);
      checkRange({ name: source.name, size }, offset, target.length);
      const reads: Promise<void>[] = [];
      try {
        for await (const piece of pieces(offset, offset + target.length, signal)) {
          const part = target.subarray(piece.offset - offset, piece.offset - offset + piece.length);
          if (piece.kind === 'data') reads.push(source.read(part, piece.at, signal));
          else part.fill(0);
        }
      } finally {
        await Promise.allSettled(reads); // the target is the caller's: none may still be writing to it
      }
      await Promise.all(reads);
    },
    async extents(from, to, signal) {
      throwIfAborted(signal);
      checkRange({ name: source.name, size }, from, to - from);
      const out = new ExtentList(from);
      for await (const piece of pieces(from, to, signal)) {
        if (piece.kind !== 'data' || source.extents === undefined) {
          out.push(piece.kind, piece.length);
          continue;
        }
        // Holes of the file inside a block are zeros that need not be read.
        for (const e of await source.extents(piece.at, piece.at + piece.length, signal))
          out.push(e.kind === 'data' ? 'data' : 'zero', e.length);
      }
      return out.list;
    },
    close: () => source.close(),
  };
}

const follows = (before: Piece, next: Piece): boolean =>
  before.kind === next.kind && (before.kind !== 'data' || before.at + before.length === next.at);

const isSet = (bits: Buffer, sector: number): boolean => ((bits[sector >> 3]! >> (sector & 7)) & 1) === 1;

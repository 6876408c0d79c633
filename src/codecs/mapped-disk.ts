/** A disk whose blocks lie scattered in a file: what the formats with a plain allocation table have in common. */
import { type ByteSource, checkRange } from '../io/byte-source.ts';
import type { Disk } from '../io/disk.ts';
import { ExtentList } from '../io/extents.ts';
import { throwIfAborted } from '../io/in-order.ts';

/** A range of the guest's bytes that lies in one place. */
export interface Piece {
  readonly kind: 'data' | 'zero' | 'hole';
  /** Offset on the disk, bytes. */
  readonly offset: number;
  length: number;
  /** Offset in the file, for `data`. */
  readonly host: number;
  /** How to get the bytes where they are not stored plainly: fills `target` from `offset` of the disk on. */
  readonly load?: (target: Uint8Array, offset: number, signal?: AbortSignal) => Promise<void>;
}

export interface Mapping {
  readonly source: ByteSource;
  /** Virtual size, bytes. */
  readonly size: number;
  /** What a block that is not there is: `zero`, or a `hole` where a layer lies below. */
  readonly absent: 'zero' | 'hole';
  /** What [from, to) consists of: ascending, contiguous and inside of it, in batches. `absent` pieces are `hole`. */
  pieces(from: number, to: number, signal?: AbortSignal): AsyncIterable<Piece[]> | Iterable<Piece[]>;
}

/** Appends a piece, merged with the last one where both lie in one place. */
export function pushPiece(
  out: Piece[],
  kind: Piece['kind'],
  offset: number,
  length: number,
  host = 0,
  load?: Piece['load'],
): void {
  const last = out.at(-1);
  const joins =
    last !== undefined &&
    last.kind === kind &&
    last.load === undefined &&
    load === undefined &&
    (kind !== 'data' || last.host + last.length === host);
  if (joins) last.length += length;
  else out.push({ kind, offset, length, host, ...(load === undefined ? {} : { load }) });
}

/** Closing it closes the source. */
export function mappedDisk({ source, size, absent, pieces }: Mapping): Disk {
  const range = { name: source.name, size };
  return {
    size,
    sectorSize: 512,
    async read(target, offset, signal) {
      throwIfAborted(signal);
      checkRange(range, offset, target.length);
      const wanted: Piece[] = [];
      for await (const batch of pieces(offset, offset + target.length, signal)) {
        for (const p of batch) pushPiece(wanted, p.kind, p.offset, p.length, p.host, p.load);
      }
      const results = await Promise.allSettled(
        wanted.map(async (p) => {
          const part = target.subarray(p.offset - offset, p.offset - offset + p.length);
          if (p.kind !== 'data') part.fill(0);
          else if (p.load !== undefined) await p.load(part, p.offset, signal);
          else await source.read(part, p.host, signal);
        }),
      );
      // All have ended: the buffer is the caller's again.
      for (const result of results) if (result.status === 'rejected') throw result.reason;
    },
    async extents(from, to, signal) {
      throwIfAborted(signal);
      checkRange(range, from, to - from);
      const out = new ExtentList(from);
      for await (const batch of pieces(from, to, signal)) {
        for (const p of batch) out.push(p.kind === 'hole' ? absent : p.kind, p.length);
      }
      return out.list;
    },
    close: () => source.close(),
  };
}

/** Pieces by a table in memory; `place` gives the offset in the file of a block, or what it is instead. */
export function* blockPieces(
  from: number,
  to: number,
  blockBytes: number,
  place: (block: number) => number | 'zero' | 'hole',
): Generator<Piece[]> {
  const out: Piece[] = [];
  for (let at = from; at < to; ) {
    const block = Math.floor(at / blockBytes);
    const start = block * blockBytes;
    const end = Math.min(to, start + blockBytes);
    const host = place(block);
    if (typeof host === 'string') pushPiece(out, host, at, end - at);
    else pushPiece(out, 'data', at, end - at, host + at - start);
    at = end;
  }
  yield out;
}

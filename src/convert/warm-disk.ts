/** One disk in one pass: what may have changed is read at the source and put into its copy. */
import { isZero } from '../io/blocks.ts';
import { type Disk, walkExtents } from '../io/disk.ts';
import type { Extent } from '../io/extents.ts';
import { inOrder, throwIfAborted } from '../io/in-order.ts';
import { KiB, MiB } from '../model/units.ts';
import type { ByteWindow } from '../model/window.ts';
import type { WarmCopy } from './warm-copy.ts';

/**
 * `fresh`: the copy is all zeros. `changes`: what lies outside of the ranges is right already. `compare`: nobody knows
 * what changed; what is equal is not written.
 */
export type CopyMode = 'fresh' | 'changes' | 'compare';

export interface CopyOptions {
  readonly mode: CopyMode;
  /** Ascending, not overlapping; what goes past the disk's end is left out. */
  readonly ranges: readonly ByteWindow[];
  readonly signal: AbortSignal;
}

const pieceBytes = MiB;
/** Zeros and equal bytes are told apart in pieces of this size. */
const grainBytes = 64 * KiB;
/** Pieces under way at once. */
const width = 4;
const zeros = Buffer.alloc(grainBytes);

/** Bytes that `copyChanges` will read at the source. */
export async function bytesToRead(disk: Disk, { ranges, signal }: CopyOptions): Promise<number> {
  let sum = 0;
  for await (const { kind, length } of pieces(disk, ranges, signal)) if (kind === 'data') sum += length;
  return sum;
}

/** Resolves to the bytes that were put into the copy, holes among them. @throws AppError. */
export async function copyChanges(disk: Disk, copy: WarmCopy, options: CopyOptions): Promise<number> {
  const { mode, ranges, signal } = options;
  const pool: Buffer[] = [];
  const work = async (piece: Extent): Promise<number> => {
    if (piece.kind !== 'data') return mode === 'fresh' ? 0 : clear(copy, piece, mode);
    const buffer = pool.pop() ?? Buffer.allocUnsafe(pieceBytes);
    const bytes = buffer.subarray(0, piece.length);
    await disk.read(bytes, piece.offset, signal);
    const before = mode === 'compare' ? (pool.pop() ?? Buffer.allocUnsafe(pieceBytes)) : undefined;
    const put = await store(copy, bytes, piece.offset, mode, before?.subarray(0, piece.length));
    pool.push(buffer, ...(before === undefined ? [] : [before]));
    return put;
  };
  let sum = 0;
  for await (const put of inOrder(pieces(disk, ranges, signal), width, work, signal)) sum += put;
  throwIfAborted(signal);
  return sum;
}

/** The disk's extents within the ranges; data in pieces. */
async function* pieces(
  disk: Disk,
  ranges: readonly ByteWindow[],
  signal: AbortSignal,
): AsyncGenerator<Extent> {
  for (const { offset, length } of ranges) {
    const end = Math.min(offset + length, disk.size);
    if (offset >= end) continue;
    for await (const extent of walkExtents(disk, offset, end, signal)) {
      throwIfAborted(signal);
      if (extent.kind !== 'data') {
        yield extent;
        continue;
      }
      const stop = extent.offset + extent.length;
      for (let at = extent.offset; at < stop; at += pieceBytes) {
        yield { kind: 'data', offset: at, length: Math.min(pieceBytes, stop - at) };
      }
    }
  }
}

/** Zeros at the source. In a comparison only what is something else here was different. */
async function clear(copy: WarmCopy, { offset, length }: Extent, mode: CopyMode): Promise<number> {
  if (mode === 'changes') {
    await copy.zero(offset, length);
    return length;
  }
  let put = 0;
  const piece = Buffer.allocUnsafe(grainBytes);
  for (const held of copy.extents(offset, offset + length)) {
    if (held.kind !== 'data') continue;
    const stop = held.offset + held.length;
    for (let at = held.offset; at < stop; at += grainBytes) {
      const bytes = piece.subarray(0, Math.min(grainBytes, stop - at));
      await copy.read(bytes, at);
      if (isZero(bytes, 0, bytes.length, zeros)) continue;
      await copy.zero(at, bytes.length);
      put += bytes.length;
    }
  }
  return put;
}

type Fate = 'keep' | 'zero' | 'write';

/** Neighbouring grains of one fate are put as one. */
async function store(
  copy: WarmCopy,
  bytes: Buffer,
  offset: number,
  mode: CopyMode,
  before: Buffer | undefined,
): Promise<number> {
  if (before !== undefined) await copy.read(before, offset);
  const fateOf = (at: number, end: number): Fate => {
    if (before !== undefined && bytes.compare(before, at, end, at, end) === 0) return 'keep';
    if (!isZero(bytes, at, end, zeros)) return 'write';
    return mode === 'fresh' ? 'keep' : 'zero';
  };
  let put = 0;
  for (let at = 0; at < bytes.length; ) {
    const fate = fateOf(at, Math.min(at + grainBytes, bytes.length));
    let end = Math.min(at + grainBytes, bytes.length);
    while (end < bytes.length && fateOf(end, Math.min(end + grainBytes, bytes.length)) === fate) {
      end = Math.min(end + grainBytes, bytes.length);
    }
    if (fate === 'write') await copy.write(bytes.subarray(at, end), offset + at);
    if (fate === 'zero') await copy.zero(offset + at, end - at);
    if (fate !== 'keep') put += end - at;
    at = end;
  }
  return put;
}

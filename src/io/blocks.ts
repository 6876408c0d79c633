/**
 * The reading half of every encoder: what of a disk has to be stored, in large blocks, read ahead, with the
 * zeros already taken out. Holes and known zeros are never read; data that turns out to be all zeros is dropped
 * grain by grain.
 */
import { MiB } from '../model/units.ts';
import type { Disk } from './disk.ts';
import { walkExtents } from './disk.ts';
import { throwIfAborted } from './in-order.ts';

export interface Run {
  /** Offset on the disk, bytes; a multiple of the grain. */
  readonly offset: number;
  /** A view of the block's buffer; shorter than a multiple of the grain only at the disk's end. */
  readonly bytes: Uint8Array;
}

export interface DataBlock {
  /** Neighbouring grains with at least one byte that is not zero, ascending, merged. Never empty. */
  readonly runs: readonly Run[];
  /** To be called once, when no view of the block is used any more. */
  release(): void;
}

/** A release that takes effect when it has been called `count` times: once for each view. */
export function sharedRelease(block: Pick<DataBlock, 'release'>, count: number): () => void {
  let left = count;
  return () => {
    left--;
    if (left === 0) block.release();
  };
}

export interface BlockOptions {
  /** The unit that is stored or left out, bytes: a cluster, a grain. A power of two. */
  readonly grainBytes: number;
  /** Bytes read at once: a multiple of the grain. Default 1 MiB or the grain, whichever is larger: what is in flight stays in the cache. */
  readonly blockBytes?: number;
  /** Blocks being read before they are asked for. Default 3. */
  readonly ahead?: number;
  readonly signal?: AbortSignal | undefined;
  /** First and last byte on the disk. Default the whole disk; `from` must be a multiple of the grain. */
  readonly from?: number;
  readonly to?: number;
}

/** Ascending blocks of what is not zero. Memory: `ahead` + what is not yet released, each of `blockBytes`. */
export async function* dataBlocks(disk: Disk, options: BlockOptions): AsyncGenerator<DataBlock> {
  const { grainBytes, signal, from = 0, to = disk.size } = options;
  const blockBytes = options.blockBytes ?? Math.max(MiB, grainBytes);
  const ahead = options.ahead ?? 3;
  const pool: Buffer[] = [];
  const zeros = Buffer.alloc(Math.min(grainBytes, 64 * 1024));

  const load = async (wanted: BlockWanted): Promise<DataBlock | undefined> => {
    const buffer = pool.pop() ?? Buffer.allocUnsafe(blockBytes);
    const bytes = buffer.subarray(0, wanted.length);
    await readParts(disk, bytes, wanted, signal);
    const runs = nonZeroRuns(bytes, wanted.offset, grainBytes, zeros);
    const release = () => void pool.push(buffer);
    if (runs.length > 0) return { runs, release };
    release();
    return undefined;
  };

  const pending: Promise<DataBlock | undefined>[] = [];
  const take = async () => {
    const block = await pending.shift();
    throwIfAborted(signal);
    return block;
  };
  try {
    for await (const wanted of wantedBlocks(disk, from, to, blockBytes, signal)) {
      const loading = load(wanted);
      loading.catch(() => undefined); // its error is thrown where it is taken
      pending.push(loading);
      if (pending.length <= ahead) continue;
      const block = await take();
      if (block !== undefined) yield block;
    }
    while (pending.length > 0) {
      const block = await take();
      if (block !== undefined) yield block;
    }
  } finally {
    await Promise.allSettled(pending);
  }
}

interface BlockWanted {
  readonly offset: number;
  readonly length: number;
  /** The data in it, relative to the block; what is between is zeros. */
  readonly parts: { readonly start: number; readonly end: number }[];
}

/** The blocks, aligned to `blockBytes`, that hold any data. */
async function* wantedBlocks(
  disk: Disk,
  from: number,
  to: number,
  blockBytes: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<BlockWanted> {
  let open: BlockWanted | undefined;
  for await (const extent of walkExtents(disk, from, to, signal)) {
    if (extent.kind !== 'data') continue;
    const end = extent.offset + extent.length;
    for (let at = extent.offset; at < end; ) {
      const offset = at - ((at - from) % blockBytes);
      const stop = Math.min(end, offset + blockBytes);
      if (open === undefined || open.offset !== offset) {
        if (open !== undefined) yield open;
        open = { offset, length: Math.min(blockBytes, to - offset), parts: [] };
      }
      open.parts.push({ start: at - offset, end: stop - offset });
      at = stop;
    }
  }
  if (open !== undefined) yield open;
}

async function readParts(disk: Disk, bytes: Buffer, wanted: BlockWanted, signal: AbortSignal | undefined) {
  let at = 0;
  const reads: Promise<void>[] = [];
  for (const { start, end } of wanted.parts) {
    bytes.fill(0, at, start);
    reads.push(disk.read(bytes.subarray(start, end), wanted.offset + start, signal));
    at = end;
  }
  bytes.fill(0, at);
  const results = await Promise.allSettled(reads); // the buffer is shared: none may still be writing to it
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

function nonZeroRuns(bytes: Buffer, offset: number, grainBytes: number, zeros: Buffer): Run[] {
  const runs: Run[] = [];
  let start = -1;
  for (let at = 0; at < bytes.length; at += grainBytes) {
    const end = Math.min(at + grainBytes, bytes.length);
    if (isZero(bytes, at, end, zeros)) {
      if (start >= 0) runs.push({ offset: offset + start, bytes: bytes.subarray(start, at) });
      start = -1;
    } else if (start < 0) start = at;
  }
  if (start >= 0) runs.push({ offset: offset + start, bytes: bytes.subarray(start) });
  return runs;
}

/** Whether [start, end) is all zeros; `zeros` is a buffer of zeros of any length. */
export function isZero(bytes: Buffer, start: number, end: number, zeros: Buffer): boolean {
  for (let at = start; at < end; at += zeros.length) {
    const stop = Math.min(at + zeros.length, end);
    // A look at one byte spares most comparisons of real data.
    if (bytes[at] !== 0 || bytes.compare(zeros, 0, stop - at, at, stop) !== 0) return false;
  }
  return true;
}

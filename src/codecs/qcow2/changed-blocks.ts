/**
 * What of a disk has to be stored over a backing image, in large blocks, read ahead. Neither disk is read where its
 * extents say zeros, and the backing one only in grains of which the disk itself holds data: a grain of known zeros
 * over anything is stored as zeros unseen, which takes no room.
 */
import { isZero, type Run } from '../../io/blocks.ts';
import { type Disk, walkExtents } from '../../io/disk.ts';
import type { Extent } from '../../io/extents.ts';
import { inOrder } from '../../io/in-order.ts';

/** Neighbouring grains that read as zeros, and below perhaps do not. */
export interface ZeroRun {
  readonly offset: number;
  readonly zeroBytes: number;
}

export interface ChangedBlock {
  /** Ascending. */
  readonly runs: readonly (Run | ZeroRun)[];
  /** To be called once, when no view of the block is used any more. */
  release(): void;
}

export interface ChangedOptions {
  readonly grainBytes: number;
  /** A multiple of the grain. */
  readonly blockBytes: number;
  readonly signal?: AbortSignal | undefined;
}

/** Blocks being read at once. */
const width = 4;

/** The disks are of one size. */
export async function* changedBlocks(
  disk: Disk,
  below: Disk,
  options: ChangedOptions,
): AsyncGenerator<ChangedBlock> {
  const { grainBytes, blockBytes, signal } = options;
  const zeros = Buffer.alloc(Math.min(grainBytes, 64 * 1024));
  const none = Buffer.alloc(0);
  const pool: Buffer[] = [];
  const take = (length: number) => (pool.pop() ?? Buffer.allocUnsafe(blockBytes)).subarray(0, length);
  const give = (bytes: Buffer) => {
    if (bytes !== none) pool.push(Buffer.from(bytes.buffer, bytes.byteOffset, blockBytes));
  };

  const load = async (block: Block): Promise<ChangedBlock> => {
    const grains = Math.ceil(block.length / grainBytes);
    const mine = grainsOf(block.mine, grains, grainBytes);
    const theirs = grainsOf(block.theirs, grains, grainBytes);
    const both = block.theirs.flatMap((part) => within(part, mine, grainBytes, block.length));
    const bytes = block.mine.length === 0 ? none : take(block.length);
    const other = both.length === 0 ? none : take(block.length);
    const reads = [
      readParts(disk, bytes, block.mine, block.offset, signal),
      readParts(below, other, both, block.offset, signal),
    ];
    // None may still be writing to its buffer when another one has failed.
    for (const result of await Promise.allSettled(reads)) {
      if (result.status === 'rejected') throw result.reason;
    }
    const stateOf = (grain: number, start: number, end: number): State => {
      if (mine[grain] === 0) return theirs[grain] === 0 ? 'same' : 'zero';
      if (theirs[grain] === 0) return isZero(bytes, start, end, zeros) ? 'same' : 'data';
      if (bytes.compare(other, start, end, start, end) === 0) return 'same';
      return isZero(bytes, start, end, zeros) ? 'zero' : 'data';
    };
    const runs = runsOf(block, bytes, grainBytes, stateOf);
    give(other);
    const holding = runs.some((run) => 'bytes' in run);
    if (!holding) give(bytes);
    return { runs, release: () => (holding ? give(bytes) : undefined) };
  };
  for await (const block of inOrder(blocksOf(disk, below, blockBytes, signal), width, load, signal)) {
    if (block.runs.length > 0) yield block;
  }
}

interface Part {
  /** Relative to the block. */
  readonly start: number;
  readonly end: number;
}

interface Block {
  readonly offset: number;
  readonly length: number;
  /** Where each disk may hold data. */
  readonly mine: Part[];
  readonly theirs: Part[];
}

type State = 'same' | 'data' | 'zero';

/** The blocks, aligned to their size, in which either disk may hold data. */
async function* blocksOf(
  disk: Disk,
  below: Disk,
  blockBytes: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Block> {
  const mine = new DataRanges(disk, signal);
  const theirs = new DataRanges(below, signal);
  for (let at = 0; ; ) {
    const next = Math.min(await mine.nextFrom(at), await theirs.nextFrom(at));
    if (next >= disk.size) return;
    const offset = next - (next % blockBytes);
    const length = Math.min(blockBytes, disk.size - offset);
    at = offset + length;
    yield { offset, length, mine: await mine.within(offset, at), theirs: await theirs.within(offset, at) };
  }
}

/** Ranges of data, asked for ascending. */
class DataRanges {
  readonly #walk: AsyncGenerator<Extent>;
  /** Where the current one begins and ends; infinite behind the last one. */
  #start = 0;
  #end = 0;

  constructor(disk: Disk, signal: AbortSignal | undefined) {
    this.#walk = walkExtents(disk, 0, disk.size, signal);
  }

  /** The first byte of data at `offset` or behind it. */
  async nextFrom(offset: number): Promise<number> {
    while (this.#end <= offset) {
      const { value, done } = await this.#walk.next();
      if (done) {
        this.#start = Number.POSITIVE_INFINITY;
        this.#end = Number.POSITIVE_INFINITY;
      } else if (value.kind === 'data') {
        this.#start = value.offset;
        this.#end = value.offset + value.length;
      }
    }
    return Math.max(offset, this.#start);
  }

  /** The data in [from, to), relative to `from`. */
  async within(from: number, to: number): Promise<Part[]> {
    const parts: Part[] = [];
    for (let at = await this.nextFrom(from); at < to; at = await this.nextFrom(parts.at(-1)!.end + from)) {
      parts.push({ start: at - from, end: Math.min(to, this.#end) - from });
    }
    return parts;
  }
}

/** A 1 for each grain that the parts touch. */
function grainsOf(parts: readonly Part[], grains: number, grainBytes: number): Uint8Array {
  const out = new Uint8Array(grains);
  for (const { start, end } of parts) {
    out.fill(1, Math.floor(start / grainBytes), Math.ceil(end / grainBytes));
  }
  return out;
}

/** The stretches of the part that lie in marked grains. */
function within(part: Part, marked: Uint8Array, grainBytes: number, length: number): Part[] {
  const out: Part[] = [];
  let open: { start: number; end: number } | undefined;
  const last = Math.ceil(part.end / grainBytes);
  for (let grain = Math.floor(part.start / grainBytes); grain < last; grain++) {
    if (marked[grain] === 0) {
      open = undefined;
      continue;
    }
    const start = Math.max(part.start, grain * grainBytes);
    const end = Math.min(part.end, (grain + 1) * grainBytes, length);
    if (open === undefined) {
      open = { start, end };
      out.push(open);
    } else open.end = end;
  }
  return out;
}

/** Fills the buffer with the parts, and with zeros between them. */
async function readParts(
  disk: Disk,
  bytes: Buffer,
  parts: readonly Part[],
  offset: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  let at = 0;
  const reads: Promise<void>[] = [];
  for (const { start, end } of parts) {
    bytes.fill(0, at, start);
    reads.push(disk.read(bytes.subarray(start, end), offset + start, signal));
    at = end;
  }
  bytes.fill(0, at);
  for (const result of await Promise.allSettled(reads)) {
    if (result.status === 'rejected') throw result.reason;
  }
}

/** Neighbouring grains of one state as one run. */
function runsOf(
  { offset, length }: Block,
  bytes: Buffer,
  grainBytes: number,
  stateOf: (grain: number, start: number, end: number) => State,
): (Run | ZeroRun)[] {
  const runs: (Run | ZeroRun)[] = [];
  let state: State = 'same';
  let start = 0;
  const close = (end: number) => {
    if (state === 'data') runs.push({ offset: offset + start, bytes: bytes.subarray(start, end) });
    if (state === 'zero') runs.push({ offset: offset + start, zeroBytes: end - start });
  };
  for (let at = 0, grain = 0; at < length; at += grainBytes, grain++) {
    const next = stateOf(grain, at, Math.min(at + grainBytes, length));
    if (next === state) continue;
    close(at);
    state = next;
    start = at;
  }
  close(length);
  return runs;
}

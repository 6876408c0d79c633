/**
 * A disk whose digest is made as it is read: each byte of data once, in any pieces, mostly ascending. Reads of whole
 * leaves are hashed where they are; parts of one are put together first.
 */
import { blockBytes, type DiskDigest, leafBytes } from './digest.ts';
import { type Disk, walkExtents } from './disk.ts';
import type { Extent } from './extents.ts';

/** Blocks that are read at the same time, and of which parts are kept. */
const mostOpen = 4;
const mostAnswers = 3;

interface Range {
  readonly from: number;
  readonly to: number;
}

/** A block of which something was read. */
interface OpenBlock {
  readonly block: number;
  readonly leaves: (Buffer | undefined)[];
  /** Leaves that come in parts, with zeros where nothing was read. */
  readonly parts: Map<number, Buffer>;
  /** What was read, relative to the disk. */
  readonly ranges: Range[];
  /** Bytes of leaves that were read whole. */
  whole: number;
  /** Reads that are being hashed. */
  busy: number;
}

export interface DigestedDisk extends Disk {
  /**
   * To be called when all was read: settles blocks of which parts are data. `all`: perhaps not all of the data was read,
   * as an earlier run has read some of it; what is missing is looked for, and read. @throws AppError as `read`.
   */
  settle(signal?: AbortSignal, all?: boolean): Promise<void>;
}

/** `disk` with each read given to `digest`; blocks that it knows already are not hashed again. */
export function digested(disk: Disk, digest: DiskDigest): DigestedDisk {
  const taker = new Taker(disk, digest);
  return {
    size: disk.size,
    sectorSize: disk.sectorSize,
    async read(target, offset, signal) {
      await disk.read(target, offset, signal);
      await taker.take(target, offset, signal);
    },
    extents: (from, to, signal) => taker.extents(from, to, signal),
    settle: (signal, all = false) => taker.settle(all, signal),
    close: () => disk.close(),
  };
}

class Taker {
  readonly #disk: Disk;
  readonly #digest: DiskDigest;
  readonly #open = new Map<number, OpenBlock>();
  /** Blocks of which not all was read when they had to be let go. */
  readonly #left = new Set<number>();
  readonly #answers: { readonly from: number; readonly to: number; readonly list: readonly Extent[] }[] = [];
  readonly #spare: Buffer[] = [];

  constructor(disk: Disk, digest: DiskDigest) {
    this.#disk = disk;
    this.#digest = digest;
  }

  async extents(from: number, to: number, signal?: AbortSignal): Promise<Extent[]> {
    const list = await this.#disk.extents(from, to, signal);
    this.#answers.push({ from, to, list });
    if (this.#answers.length > mostAnswers) this.#answers.shift();
    return list;
  }

  async take(bytes: Uint8Array, offset: number, signal?: AbortSignal): Promise<void> {
    const hashing: Promise<void>[] = [];
    const touched = new Set<OpenBlock>();
    for (let at = offset; at < offset + bytes.length; ) {
      const block = Math.floor(at / blockBytes);
      const start = at - (at % leafBytes);
      const end = Math.min(start + leafBytes, this.#digest.size);
      const stop = Math.min(end, offset + bytes.length);
      if (!this.#digest.has(block) && !this.#left.has(block)) {
        const state = this.#blockOf(block);
        touched.add(state);
        const part = bytes.subarray(at - offset, stop - offset);
        state.ranges.push({ from: at, to: stop });
        if (at === start && stop === end) hashing.push(this.#takeLeaf(state, start, part));
        else this.#takePart(state, start, part, at);
      }
      at = stop;
    }
    await Promise.all(hashing);
    for (const state of touched) {
      const whole = state.busy === 0 && state.whole === this.#digest.lengthOf(state.block);
      if (whole && this.#open.has(state.block)) await this.#close(state, signal);
    }
    if (this.#open.size > mostOpen) await this.#makeRoom(signal);
  }

  async settle(all: boolean, signal?: AbortSignal): Promise<void> {
    for (const state of [...this.#open.values()]) await this.#close(state, signal);
    if (all) {
      for await (const block of blocksOfData(this.#disk, signal))
        if (!this.#digest.has(block)) this.#left.add(block);
    }
    for (const block of [...this.#left].sort((a, b) => a - b)) await this.#readAgain(block, signal);
  }

  #blockOf(block: number): OpenBlock {
    const state = this.#open.get(block) ?? newBlock(block);
    this.#open.set(block, state);
    return state;
  }

  async #takeLeaf(state: OpenBlock, start: number, bytes: Uint8Array): Promise<void> {
    state.busy++;
    try {
      const found = await this.#digest.hash.hash(bytes);
      const leaf = leafAt(state, start);
      if (state.leaves[leaf] === undefined) state.whole += bytes.length;
      state.leaves[leaf] = found;
    } finally {
      state.busy--;
    }
  }

  #takePart(state: OpenBlock, start: number, bytes: Uint8Array, at: number): void {
    const leaf = leafAt(state, start);
    let buffer = state.parts.get(leaf);
    if (buffer === undefined) {
      buffer = this.#spare.pop()?.fill(0) ?? Buffer.alloc(leafBytes);
      state.parts.set(leaf, buffer);
    }
    buffer.set(bytes, at - start);
  }

  /** All of it is known, or is read once more at the end. */
  async #close(state: OpenBlock, signal?: AbortSignal): Promise<void> {
    this.#open.delete(state.block);
    if (this.#digest.has(state.block)) return;
    const range = this.#rangeOf(state.block);
    if (state.whole < range.to - range.from && !covers(state.ranges, await this.#dataIn(range, signal))) {
      this.#left.add(state.block);
      return;
    }
    for (const [leaf, buffer] of state.parts) {
      const length = Math.min(leafBytes, range.to - range.from - leaf * leafBytes);
      state.leaves[leaf] ??= await this.#digest.hash.hash(buffer.subarray(0, length));
      if (this.#spare.length < 2 * mostOpen) this.#spare.push(buffer);
    }
    this.#digest.put(state.block, state.leaves);
  }

  async #makeRoom(signal?: AbortSignal): Promise<void> {
    while (this.#open.size > mostOpen) {
      const idle = [...this.#open.values()].filter(({ busy }) => busy === 0);
      const oldest = idle.sort((a, b) => a.block - b.block)[0];
      if (oldest === undefined) return;
      await this.#close(oldest, signal);
    }
  }

  async #readAgain(block: number, signal?: AbortSignal): Promise<void> {
    this.#left.delete(block);
    const state = this.#blockOf(block);
    for (const range of await this.#dataIn(this.#rangeOf(block), signal)) {
      for (let at = range.from; at < range.to; ) {
        const stop = Math.min(range.to, at - (at % leafBytes) + leafBytes);
        const bytes = Buffer.allocUnsafe(stop - at);
        await this.#disk.read(bytes, at, signal);
        await this.take(bytes, at, signal);
        at = stop;
      }
    }
    if (this.#open.has(block)) await this.#close(state, signal);
  }

  /** What the walk has heard of a block is not asked for again. */
  async #dataIn({ from, to }: Range, signal?: AbortSignal): Promise<Range[]> {
    const heard = this.#answers.find((answer) => answer.from <= from && answer.to >= to);
    return dataWithin(heard?.list ?? (await this.#disk.extents(from, to, signal)), from, to);
  }

  #rangeOf(block: number): Range {
    const from = block * blockBytes;
    return { from, to: from + this.#digest.lengthOf(block) };
  }
}

/** The number within its block of the leaf that begins there. */
const leafAt = ({ block }: OpenBlock, start: number): number => (start - block * blockBytes) / leafBytes;

const newBlock = (block: number): OpenBlock => ({
  block,
  leaves: [],
  parts: new Map(),
  ranges: [],
  whole: 0,
  busy: 0,
});

/** Ascending, each once: the blocks that hold any data. */
export async function* blocksOfData(
  disk: Pick<Disk, 'extents' | 'size'>,
  signal?: AbortSignal,
): AsyncGenerator<number> {
  let last = -1;
  for await (const { kind, offset, length } of walkExtents(disk, 0, disk.size, signal)) {
    if (kind !== 'data') continue;
    const end = Math.ceil((offset + length) / blockBytes);
    for (let block = Math.max(last + 1, Math.floor(offset / blockBytes)); block < end; block++) {
      last = block;
      yield block;
    }
  }
}

/** The data of a part of the list: ascending, of which the first that ends behind `from` is looked for by halves. */
function dataWithin(list: readonly Extent[], from: number, to: number): Range[] {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle]!.offset + list[middle]!.length <= from) low = middle + 1;
    else high = middle;
  }
  const found: Range[] = [];
  for (let i = low; i < list.length && list[i]!.offset < to; i++) {
    const { kind, offset, length } = list[i]!;
    if (kind === 'data') found.push({ from: Math.max(from, offset), to: Math.min(to, offset + length) });
  }
  return found;
}

/** Whether each byte of `wanted`, which is ascending, is in one of `ranges`. */
function covers(ranges: readonly Range[], wanted: readonly Range[]): boolean {
  const sorted = [...ranges].sort((a, b) => a.from - b.from);
  let next = 0;
  let start = 0;
  let end = 0;
  return wanted.every(({ from, to }) => {
    while (end < to && next < sorted.length && sorted[next]!.from <= Math.max(end, from)) {
      const range = sorted[next++]!;
      if (range.from > end) start = range.from;
      end = Math.max(end, range.to);
    }
    return start <= from && to <= end;
  });
}

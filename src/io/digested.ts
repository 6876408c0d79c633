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
  const open = new Map<number, OpenBlock>();
  /** Blocks of which not all was read when they had to be let go. */
  const left = new Set<number>();
  const answers: { readonly from: number; readonly to: number; readonly list: readonly Extent[] }[] = [];
  const spare: Buffer[] = [];

  const extents = async (from: number, to: number, signal?: AbortSignal): Promise<Extent[]> => {
    const list = await disk.extents(from, to, signal);
    answers.push({ from, to, list });
    if (answers.length > mostAnswers) answers.shift();
    return list;
  };

  /** What the walk has heard of a block is not asked for again. */
  const dataIn = async ({ from, to }: Range, signal?: AbortSignal): Promise<Range[]> => {
    const heard = answers.find((answer) => answer.from <= from && answer.to >= to);
    return dataWithin(heard?.list ?? (await disk.extents(from, to, signal)), from, to);
  };

  const takeLeaf = async (state: OpenBlock, leaf: number, bytes: Uint8Array): Promise<void> => {
    state.busy++;
    try {
      const found = await digest.hash.hash(bytes);
      if (state.leaves[leaf] === undefined) state.whole += bytes.length;
      state.leaves[leaf] = found;
    } finally {
      state.busy--;
    }
  };

  const takePart = (state: OpenBlock, leaf: number, bytes: Uint8Array, at: number): void => {
    const start = state.block * blockBytes + leaf * leafBytes;
    let buffer = state.parts.get(leaf);
    if (buffer === undefined) {
      buffer = spare.pop()?.fill(0) ?? Buffer.alloc(leafBytes);
      state.parts.set(leaf, buffer);
    }
    buffer.set(bytes, at - start);
  };

  /** All of it is known, or is read once more at the end. */
  const close = async (state: OpenBlock, signal?: AbortSignal): Promise<void> => {
    open.delete(state.block);
    if (digest.has(state.block)) return;
    const from = state.block * blockBytes;
    const to = from + digest.lengthOf(state.block);
    if (state.whole < to - from) {
      const data = await dataIn({ from, to }, signal);
      if (!covers(state.ranges, data)) {
        left.add(state.block);
        return;
      }
    }
    for (const [leaf, buffer] of state.parts) {
      const length = Math.min(leafBytes, to - from - leaf * leafBytes);
      state.leaves[leaf] ??= await digest.hash.hash(buffer.subarray(0, length));
      if (spare.length < 2 * mostOpen) spare.push(buffer);
    }
    digest.put(state.block, state.leaves);
  };

  const makeRoom = async (signal?: AbortSignal): Promise<void> => {
    while (open.size > mostOpen) {
      const oldest = [...open.values()].filter(({ busy }) => busy === 0).sort((a, b) => a.block - b.block)[0];
      if (oldest === undefined) return;
      await close(oldest, signal);
    }
  };

  const take = async (bytes: Uint8Array, offset: number, signal?: AbortSignal): Promise<void> => {
    const hashing: Promise<void>[] = [];
    const touched = new Set<OpenBlock>();
    for (let at = offset; at < offset + bytes.length; ) {
      const block = Math.floor(at / blockBytes);
      const start = at - (at % leafBytes);
      const end = Math.min(start + leafBytes, digest.size);
      const stop = Math.min(end, offset + bytes.length);
      if (!digest.has(block) && !left.has(block)) {
        const state = open.get(block) ?? newBlock(block);
        open.set(block, state);
        touched.add(state);
        const leaf = (start - block * blockBytes) / leafBytes;
        const part = bytes.subarray(at - offset, stop - offset);
        state.ranges.push({ from: at, to: stop });
        if (at === start && stop === end) hashing.push(takeLeaf(state, leaf, part));
        else takePart(state, leaf, part, at);
      }
      at = stop;
    }
    await Promise.all(hashing);
    for (const state of touched) {
      const whole = state.busy === 0 && state.whole === digest.lengthOf(state.block);
      if (whole && open.has(state.block)) await close(state, signal);
    }
    if (open.size > mostOpen) await makeRoom(signal);
  };

  const readAgain = async (block: number, signal?: AbortSignal): Promise<void> => {
    const from = block * blockBytes;
    const to = from + digest.lengthOf(block);
    left.delete(block);
    const state = newBlock(block);
    open.set(block, state);
    for (const range of await dataIn({ from, to }, signal)) {
      for (let at = range.from; at < range.to; ) {
        const stop = Math.min(range.to, at - (at % leafBytes) + leafBytes);
        const bytes = Buffer.allocUnsafe(stop - at);
        await disk.read(bytes, at, signal);
        await take(bytes, at, signal);
        at = stop;
      }
    }
    if (open.has(block)) await close(state, signal);
  };

  return {
    size: disk.size,
    sectorSize: disk.sectorSize,
    async read(target, offset, signal) {
      await disk.read(target, offset, signal);
      await take(target, offset, signal);
    },
    extents,
    async settle(signal, all = false) {
      for (const state of [...open.values()]) await close(state, signal);
      if (all) for await (const block of blocksOfData(disk, signal)) if (!digest.has(block)) left.add(block);
      for (const block of [...left].sort((a, b) => a - b)) await readAgain(block, signal);
    },
    close: () => disk.close(),
  };
}

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

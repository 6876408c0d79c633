/** A disk that can be written to, and the copy-on-write overlay that makes one of any disk. */
import { AppError } from '../model/errors.ts';
import { checkRange } from './byte-source.ts';
import { type Disk, overlay } from './disk.ts';
import { ExtentList, wholeExtent } from './extents.ts';

export interface WritableDisk extends Disk {
  /** Several writes may be under way; those that overlap take effect in the order of the calls. */
  write(bytes: Uint8Array, offset: number, signal?: AbortSignal): Promise<void>;
  /** The range reads as zeros from now on. */
  zero(offset: number, length: number, signal?: AbortSignal): Promise<void>;
  /** Resolves when what was written before is in place. */
  flush(): Promise<void>;
}

/** Where an overlay keeps what was written: at the same offsets as on the disk. */
export interface OverlayStore {
  /** Fills `target`; only what was written is asked for. */
  read(target: Uint8Array, offset: number): Promise<void>;
  write(bytes: Uint8Array, offset: number): Promise<void>;
  close(): Promise<void>;
}

export const overlayBlock = 4096;
const blocksPerChunk = 8192;

/** A chunk of which every block is in the set; never written to. */
const fullChunk = new Uint8Array(blocksPerChunk / 8).fill(0xff);

/** Which blocks are known: memory goes with what was written, not with the disk's size. */
class BlockSet {
  readonly #chunks = new Map<number, Uint8Array>();
  #count = 0;

  /** @throws AppError `corrupt` for edges that are not ascending, or lead past the disk's end. */
  static of(edges: readonly number[], blocks: number): BlockSet {
    const set = new BlockSet();
    let last = -1;
    for (let i = 0; i < edges.length; i += 2) {
      const [from = -1, to = -1] = [edges[i], edges[i + 1]];
      if (
        !Number.isSafeInteger(from) ||
        !Number.isSafeInteger(to) ||
        from <= last ||
        to <= from ||
        to > blocks
      )
        throw new AppError('corrupt', 'what is kept of an overlay is damaged');
      set.setRange(from, to, true);
      last = to;
    }
    return set;
  }

  edges(blocks: number): number[] {
    const out: number[] = [];
    for (let block = 0; block < blocks; ) {
      const end = this.runEnd(block, blocks);
      if (this.has(block)) out.push(block, end);
      block = end;
    }
    return out;
  }

  get count(): number {
    return this.#count;
  }

  has(block: number): boolean {
    const chunk = this.#chunks.get(Math.floor(block / blocksPerChunk));
    return chunk !== undefined && (chunk[(block % blocksPerChunk) >> 3]! & (1 << (block & 7))) !== 0;
  }

  setRange(from: number, to: number, on: boolean): void {
    for (let block = from; block < to; ) {
      const key = Math.floor(block / blocksPerChunk);
      const start = key * blocksPerChunk;
      const end = Math.min(to, start + blocksPerChunk);
      const chunk = this.#chunks.get(key);
      if (end - block === blocksPerChunk) {
        this.#count += (on ? blocksPerChunk : 0) - bitsIn(chunk);
        if (on) this.#chunks.set(key, fullChunk);
        else this.#chunks.delete(key);
      } else if (chunk !== undefined || on) {
        // The full one is shared.
        const own =
          chunk === undefined
            ? new Uint8Array(blocksPerChunk / 8)
            : chunk === fullChunk
              ? chunk.slice()
              : chunk;
        this.#chunks.set(key, own);
        for (let at = block - start; at < end - start; at++) {
          const bit = 1 << (at & 7);
          if (((own[at >> 3]! & bit) !== 0) === on) continue;
          own[at >> 3]! ^= bit;
          this.#count += on ? 1 : -1;
        }
      }
      block = end;
    }
  }

  /** The end, exclusive, of the run of blocks from `from` on that are all as `from` is; at most `to`. */
  runEnd(from: number, to: number): number {
    const on = this.has(from);
    let at = from + 1;
    while (at < to) {
      const chunk = this.#chunks.get(Math.floor(at / blocksPerChunk));
      if (chunk === undefined || chunk === fullChunk) {
        if (on !== (chunk === fullChunk)) return at;
        at = (Math.floor(at / blocksPerChunk) + 1) * blocksPerChunk;
        continue;
      }
      if (this.has(at) !== on) return at;
      at++;
    }
    return Math.min(at, to);
  }
}

function bitsIn(chunk: Uint8Array | undefined): number {
  if (chunk === undefined) return 0;
  if (chunk === fullChunk) return blocksPerChunk;
  let count = 0;
  for (let byte of chunk) for (; byte !== 0; byte &= byte - 1) count++;
  return count;
}

/** What an overlay's store holds: first and last block (not included) by turns, of `overlayBlock` bytes. Plain data. */
export interface OverlayMarks {
  readonly written: readonly number[];
  readonly zeroed: readonly number[];
}

export interface Overlay extends WritableDisk {
  marks(): OverlayMarks;
  /** Bytes that were written, in whole blocks. */
  readonly writtenBytes: number;
}

/**
 * `below` with writes on top of it, which go to `store`; `below` is never written to. Closing it closes both.
 * A block that is written in part is filled up from below. Zeroed blocks take no room in the store. `marks`: what the
 * store holds already.
 */
export function copyOnWrite(below: Disk, store: OverlayStore, marks?: OverlayMarks): Overlay {
  const blocks = Math.ceil(below.size / overlayBlock);
  const written = BlockSet.of(marks?.written ?? [], blocks);
  const zeroed = BlockSet.of(marks?.zeroed ?? [], blocks);
  let last: Promise<unknown> = Promise.resolve();
  /** One at a time: a block is read, changed and written back. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = last.then(work, work);
    last = mine.catch(() => undefined);
    return mine;
  };
  const blockRange = (offset: number, length: number) =>
    [Math.floor(offset / overlayBlock), Math.ceil((offset + length) / overlayBlock)] as const;

  const top: Disk = {
    size: below.size,
    sectorSize: below.sectorSize,
    read: (target, offset) => store.read(target, offset),
    async extents(from, to) {
      const out = new ExtentList(from);
      const [first, end] = blockRange(from, to - from);
      for (let block = first; block < end; ) {
        const next = Math.min(written.runEnd(block, end), zeroed.runEnd(block, end));
        const kind = written.has(block) ? 'data' : zeroed.has(block) ? 'zero' : 'hole';
        out.push(kind, Math.min(next * overlayBlock, to) - out.end);
        block = next;
      }
      return out.list.length === 0 ? wholeExtent('hole', from, to) : out.list;
    },
    close: () => store.close(),
  };
  const both = overlay(top, below);

  async function put(bytes: Uint8Array, offset: number, signal?: AbortSignal): Promise<void> {
    const [first, end] = blockRange(offset, bytes.length);
    const start = first * overlayBlock;
    const stop = Math.min(end * overlayBlock, below.size);
    let whole = bytes;
    if (start !== offset || stop !== offset + bytes.length) {
      whole = Buffer.allocUnsafe(stop - start);
      const tail = Math.max(start, stop - overlayBlock);
      await both.read(whole.subarray(0, Math.min(overlayBlock, stop - start)), start, signal);
      if (tail > start) await both.read(whole.subarray(tail - start), tail, signal);
      whole.set(bytes, offset - start);
    }
    await store.write(whole, start);
    written.setRange(first, end, true);
    zeroed.setRange(first, end, false);
  }

  async function clear(offset: number, length: number, signal?: AbortSignal): Promise<void> {
    const first = Math.ceil(offset / overlayBlock);
    const atEnd = offset + length === below.size;
    const end = atEnd ? Math.ceil(below.size / overlayBlock) : Math.floor((offset + length) / overlayBlock);
    if (first >= end) return put(new Uint8Array(length), offset, signal);
    const head = first * overlayBlock - offset;
    if (head > 0) await put(new Uint8Array(head), offset, signal);
    const tail = offset + length - end * overlayBlock;
    if (tail > 0) await put(new Uint8Array(tail), end * overlayBlock, signal);
    written.setRange(first, end, false);
    zeroed.setRange(first, end, true);
  }

  return {
    ...both,
    get writtenBytes() {
      return written.count * overlayBlock;
    },
    write: async (bytes, offset, signal) => {
      checkRange({ name: 'disk', size: below.size }, offset, bytes.length);
      if (bytes.length > 0) await inTurn(() => put(bytes, offset, signal));
    },
    zero: async (offset, length, signal) => {
      checkRange({ name: 'disk', size: below.size }, offset, length);
      if (length > 0) await inTurn(() => clear(offset, length, signal));
    },
    flush: async () => void (await last),
    marks: () => ({ written: written.edges(blocks), zeroed: zeroed.edges(blocks) }),
  };
}

/** An overlay's store in memory, for what is known to be small. @throws AppError `no-space` past `maxBytes`. */
export function memoryStore(maxBytes: number): OverlayStore {
  const blocks = new Map<number, Buffer>();
  const each = (
    length: number,
    offset: number,
    work: (block: number, from: number, at: number, n: number) => void,
  ) => {
    for (let at = 0; at < length; ) {
      const block = Math.floor((offset + at) / overlayBlock);
      const from = offset + at - block * overlayBlock;
      const n = Math.min(length - at, overlayBlock - from);
      work(block, from, at, n);
      at += n;
    }
  };
  return {
    async read(target, offset) {
      each(target.length, offset, (block, from, at, n) => {
        const held = blocks.get(block);
        if (held === undefined) target.fill(0, at, at + n);
        else target.set(held.subarray(from, from + n), at);
      });
    },
    async write(bytes, offset) {
      each(bytes.length, offset, (block, from, at, n) => {
        let held = blocks.get(block);
        if (held === undefined) {
          if ((blocks.size + 1) * overlayBlock > maxBytes)
            throw new AppError('no-space', `the changes take more than ${maxBytes} bytes of memory`);
          held = Buffer.alloc(overlayBlock);
          blocks.set(block, held);
        }
        held.set(bytes.subarray(at, at + n), from);
      });
    },
    async close() {
      blocks.clear();
    },
  };
}

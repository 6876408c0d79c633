/**
 * A sink that compresses: what is written ends up, in order, in another sink that is only written forward. Blocks
 * are compressed side by side, each by itself; gaps are zeros, and a block of zeros is compressed once.
 */
import { AppError } from '../../model/errors.ts';
import type { ByteSink } from '../byte-source.ts';
import { throwIfAborted } from '../in-order.ts';

/** How a file is put together from blocks that know nothing of each other. */
export interface Packer {
  readonly blockBytes: number;
  /** Each block depends on those before it: also zeros are packed each time. */
  readonly chained?: true;
  /** What comes before the first block. */
  readonly head: Uint8Array;
  pack(block: Buffer): Promise<Uint8Array>;
  /** Called for each block in order, for a checksum over all. */
  note(block: Buffer): void;
  /** What comes behind the last block. */
  tail(size: number): Promise<Uint8Array> | Uint8Array;
}

/** The content ends at `size` of `finish`; the inner sink is finished with the size of the packed file. */
export function packedSink(inner: ByteSink, packer: Packer, width = 4): ByteSink {
  const { blockBytes } = packer;
  let block = Buffer.alloc(blockBytes);
  let used = false;
  /** Bytes taken so far, and bytes given to the inner sink. */
  let taken = 0;
  let given = 0;
  let zeros: Promise<Uint8Array> | undefined;
  const pending: Promise<Uint8Array>[] = [];
  let turn: Promise<void> = Promise.resolve();

  const put = async (bytes: Uint8Array, signal?: AbortSignal) => {
    if (bytes.length === 0) return;
    await inner.write(bytes, given, signal);
    given += bytes.length;
  };
  const drain = async (most: number, signal?: AbortSignal) => {
    while (pending.length > most) await put(await pending.shift()!, signal);
  };
  const send = (bytes: Buffer, packing: Promise<Uint8Array>) => {
    packer.note(bytes);
    packing.catch(() => undefined); // thrown where its turn is
    pending.push(packing);
  };
  /** The block in hand, full or the last one. */
  const close = async (length: number, signal?: AbortSignal) => {
    if (!used && length === blockBytes && !packer.chained) {
      // Not the block in hand, which is filled on while this one is compressed.
      zeros ??= packer.pack(Buffer.alloc(blockBytes));
      send(block, zeros);
    } else {
      const bytes = block.subarray(0, length);
      send(bytes, packer.pack(bytes));
      block = Buffer.alloc(blockBytes);
    }
    used = false;
    await drain(width - 1, signal);
  };
  const advance = async (to: number, bytes: Uint8Array | undefined, signal?: AbortSignal) => {
    const start = taken;
    while (taken < to) {
      throwIfAborted(signal);
      const at = taken % blockBytes;
      const length = Math.min(to - taken, blockBytes - at);
      if (bytes !== undefined) {
        block.set(bytes.subarray(taken - start, taken - start + length), at);
        used = true;
      }
      taken += length;
      if (at + length === blockBytes) await close(blockBytes, signal);
    }
  };
  /** One after the other, in the order of the calls; after a failure all fail. */
  const next = (work: () => Promise<void>): Promise<void> => {
    const mine = turn.then(work);
    turn = mine;
    mine.catch(() => undefined);
    return mine;
  };

  return {
    name: inner.name,
    access: 'forward',
    write: (bytes, offset, signal) =>
      next(async () => {
        if (offset < taken) throw new AppError('bug', `${inner.name}: written at ${offset} after ${taken}`);
        if (given === 0) await put(packer.head, signal);
        await advance(offset, undefined, signal);
        await advance(offset + bytes.length, bytes, signal);
      }),
    finish: (size, modifiedAt) =>
      next(async () => {
        if (given === 0) await put(packer.head);
        await advance(size, undefined);
        if (taken % blockBytes !== 0) await close(taken % blockBytes);
        await drain(0);
        await put(await packer.tail(size));
        await inner.finish(given, modifiedAt);
      }),
    async abort() {
      await turn.catch(() => undefined);
      await Promise.allSettled(pending);
      await inner.abort();
    },
  };
}

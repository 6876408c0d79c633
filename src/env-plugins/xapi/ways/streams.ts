/** A disk read from its start to its end, as a raw image or as a VHD that holds what is there. */
import type { ByteSource } from '../../../io/byte-source.ts';
import type { HttpsClient } from '../../../io/https/client.ts';
import { throwIfAborted } from '../../../io/in-order.ts';
import { forwardSource } from '../../../io/wrappers/forward-source.ts';
import { AppError } from '../../../model/errors.ts';
import { KiB, MiB } from '../../../model/units.ts';
import type { ByteWindow } from '../../../model/window.ts';
import type { Delta } from '../../plugin.ts';
import type { XapiSession } from '../session.ts';
import { ByteQueue } from './byte-queue.ts';
import { beginExport, type Transfer } from './transfer.ts';
import { readVhdHead, type VhdMap, vhdExtents, vhdPieces } from './vhd-stream.ts';

/** Largest disk that a VHD of the product can hold, bytes. */
export const largestVhdBytes = 2040 * 1024 ** 3;
/** Kept, so that whoever opens the disk may look at its beginning first. */
const headBytes = 64 * KiB;

/** A raw volume may be larger than its disk, by what its storage deals out at once (4 MiB of LVM). */
const mostPadding = 4 * MiB;

export interface StreamedDisk {
  readonly name: string;
  readonly size: number;
  readonly vdi: string;
  /** A host that its storage is attached to. */
  readonly client: HttpsClient;
  readonly step: string;
  /** An earlier state of it: a VHD holds what is different from that alone. */
  readonly base?: string;
}

const imageOf = ({ vdi, base, client, step }: StreamedDisk, format: 'raw' | 'vhd') => {
  const query = { vdi, format, ...(base === undefined ? {} : { base }) };
  return { path: '/export_raw_vdi', query, client, step } as const;
};

/** @throws AppError. */
export async function rawStream(
  session: XapiSession,
  disk: StreamedDisk,
  signal: AbortSignal,
): Promise<ByteSource> {
  const transfer = await beginExport(session, imageOf(disk, 'raw'), signal);
  const queue = new ByteQueue(transfer, disk.name, signal);
  async function* pieces() {
    for (let left = disk.size; left > 0; ) {
      const piece = await queue.some(left);
      left -= piece.length;
      // Not handed on before it is known to be the last one.
      if (left === 0) await queue.end(mostPadding);
      yield piece;
    }
  }
  return streamOf(disk, transfer, pieces());
}

/** @throws AppError `unsupported` when the server has no such VHD of it. */
export async function vhdStream(
  session: XapiSession,
  disk: StreamedDisk,
  signal: AbortSignal,
): Promise<ByteSource> {
  const { transfer, queue, map } = await beginVhd(session, disk, signal);
  const source = await streamOf(disk, transfer, vhdPieces(queue, map));
  return { ...source, extents: async (from, to) => vhdExtents(map, from, to) };
}

/** Which blocks are different from those of `base`, and their bytes. @throws AppError. */
export async function vhdDelta(
  session: XapiSession,
  disk: StreamedDisk & { readonly base: string },
  signal: AbortSignal,
): Promise<Delta> {
  const { transfer, queue, map } = await beginVhd(session, disk, signal);
  const { blocks, blockBytes, size } = map;
  const ranges: ByteWindow[] = [];
  for (const block of blocks) {
    const offset = block * blockBytes;
    const before = ranges.at(-1);
    const start = before !== undefined && before.offset + before.length === offset ? before.offset : offset;
    if (start !== offset) ranges.pop();
    ranges.push({ offset: start, length: Math.min(offset + blockBytes, size) - start });
  }
  return { ranges, source: await streamOf(disk, transfer, vhdPieces(queue, map)) };
}

/** Which blocks of it hold data: the head of a VHD, the rest is not taken. @throws AppError. */
export async function vhdMap(session: XapiSession, disk: StreamedDisk, signal: AbortSignal): Promise<VhdMap> {
  const { transfer, map } = await beginVhd(session, disk, signal);
  await transfer.close();
  return map;
}

async function beginVhd(session: XapiSession, disk: StreamedDisk, signal: AbortSignal) {
  const transfer = await beginExport(session, imageOf(disk, 'vhd'), signal);
  try {
    const queue = new ByteQueue(transfer, disk.name, signal);
    const map = await readVhdHead(queue, disk.name, disk.base !== undefined);
    if (map.size !== disk.size) {
      throw new AppError('unsupported', `the server's VHD has ${map.size} bytes, the disk ${disk.size}`, {
        where: disk.name,
      });
    }
    return { transfer, queue, map };
  } catch (error) {
    await transfer.close();
    throw error;
  }
}

async function streamOf(
  { name, size }: StreamedDisk,
  transfer: Transfer,
  pieces: AsyncGenerator<Uint8Array>,
): Promise<ByteSource> {
  try {
    const head: Uint8Array[] = [];
    const rest: Uint8Array[] = [];
    for (let have = 0; have < Math.min(headBytes, size); ) {
      const { value, done } = await pieces.next();
      if (done || value === undefined) break;
      // Zeros may come in views of one buffer; what is kept is copied.
      head.push(Buffer.from(value.subarray(0, headBytes - have)));
      if (value.length > headBytes - have) rest.push(value.subarray(headBytes - have));
      have += value.length;
    }
    const whole = size <= headBytes;
    async function* behind() {
      yield* rest;
      yield* pieces;
    }
    const close = async () => transfer.close();
    const peeled = {
      wrappers: [],
      head: Buffer.concat(head),
      whole,
      rest: behind(),
      close: async () => undefined,
    };
    const inner: ByteSource = { name, size, access: 'forward', read: async () => undefined, close };
    const source = forwardSource(peeled, inner, size);
    return {
      name,
      size,
      access: 'forward',
      async read(target, offset, signal) {
        throwIfAborted(signal);
        await source.read(target, offset, signal);
      },
      // What is still being waited for ends with the transfer.
      close: async () => {
        await transfer.close();
        await source.close();
      },
    };
  } catch (error) {
    await transfer.close();
    throw error;
  }
}

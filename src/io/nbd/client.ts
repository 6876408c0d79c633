/** An export of an NBD server as a disk: read, written, and asked for what it consists of. */
import type { Socket } from 'node:net';
import { AppError } from '../../model/errors.ts';
import { GiB, KiB, MiB } from '../../model/units.ts';
import { type ByteSource, checkRange } from '../byte-source.ts';
import { type Extent, ExtentList, wholeExtent } from '../extents.ts';
import { onAbort } from '../host/abort-watch.ts';
import type { WritableDisk } from '../writable-disk.ts';
import { checkSocketPath, type NbdAddress, nbdUri } from './address.ts';
import { aligned } from './aligned.ts';
import { connectSocket, type NbdTls, startTls } from './connect-socket.ts';
import { checkName, isReadOnly, type Negotiated, negotiate } from './negotiate.ts';
import { allocation, command, transmissionFlag } from './protocol.ts';
import { Transmission } from './transmission.ts';

export type { NbdTls } from './connect-socket.ts';

export type OpenNbdOptions = NbdAddress & {
  /** Of the export; empty: the server's default. */
  readonly name?: string;
  /** Present: the connection has to be encrypted. */
  readonly tls?: NbdTls;
  /** Contexts of block status beside base:allocation, such as `qemu:dirty-bitmap:NAME`. */
  readonly contexts?: readonly string[];
  /** For a server that takes whole blocks only and does not tell: bytes, a power of two. Default 1. */
  readonly leastBlock?: number;
  /** Ends what opens it, not what is open. */
  readonly signal?: AbortSignal;
  /** For reaching the server, and for each silence while an answer is awaited. Default 60 s. */
  readonly timeoutMs?: number;
};

export interface StatusRange {
  /** Bytes. */
  readonly offset: number;
  readonly length: number;
  /** As the context defines them; of a dirty bitmap 1 is dirty. */
  readonly flags: number;
}

/** A disk and a source at once. Any offset and length, whatever blocks the server wants. */
export interface NbdDisk extends WritableDisk, ByteSource {
  readonly sectorSize: number;
  readonly readOnly: boolean;
  /** The contexts that the server has of those asked for. */
  readonly contexts: readonly string[];
  extents(from: number, to: number, signal?: AbortSignal): Promise<Extent[]>;
  /** What a context says of [from, to): ascending, contiguous, covering it once. @throws AppError `unsupported`. */
  status(context: string, from: number, to: number, signal?: AbortSignal): Promise<StatusRange[]>;
  /** The server may forget what is there; what it reads as then is not said. Nothing where it can't. */
  trim(offset: number, length: number, signal?: AbortSignal): Promise<void>;
}

/** One request's data, and how many are under way: enough for a link with some delay, 16 MiB in all. */
const pieceBytes = MiB;
const atOnce = 16;
/** Asked for at once; lengths have 32 bits. */
const statusBytes = 2 * GiB;

/** @throws AppError `unreachable`, `not-found`, `auth`, `unsupported`, `corrupt`, `cancelled`. */
export async function openNbd(options: OpenNbdOptions): Promise<NbdDisk> {
  const { name = '', tls, contexts = [], signal, timeoutMs = 60_000, leastBlock = 1 } = options;
  checkName(name);
  if (options.path !== undefined) checkSocketPath(options.path);
  const where = nbdUri(options, name, tls !== undefined);
  const waiting = { where, timeoutMs, signal };
  const plain = await connectSocket(options, waiting);
  const late = setTimeout(() => plain.destroy(), timeoutMs);
  const unwatch = onAbort(signal, () => plain.destroy());
  try {
    const agreed = await negotiate(plain, {
      where,
      name,
      contexts: [allocation.name, ...contexts],
      ...(tls === undefined ? {} : { secure: (socket) => startTls(socket, options.host, tls, waiting) }),
    });
    const { blocks } = agreed;
    const minimum = Math.max(blocks.minimum, leastBlock);
    return nbdDisk(plain, { ...agreed, blocks: { ...blocks, minimum } }, where, timeoutMs);
  } catch (error) {
    plain.destroy();
    if (signal?.aborted) throw new AppError('cancelled', 'cancelled', { cause: signal.reason });
    throw error;
  } finally {
    clearTimeout(late);
    unwatch();
  }
}

function nbdDisk(plain: Socket, agreed: Negotiated, where: string, timeoutMs: number): NbdDisk {
  const { stream, socket, size, flags, structured, blocks } = agreed;
  const transmission = new Transmission(stream, { where, structured, timeoutMs, atOnce });
  const has = (flag: number) => (flags & flag) !== 0;
  const range = (offset: number, length: number) => checkRange({ name: where, size }, offset, length);
  const refuseReadOnly = () => {
    if (isReadOnly(flags)) throw new AppError('auth', 'NBD: the export is read-only', { where });
  };
  /** Requests of at most `most` bytes, several under way; all have ended when it returns. */
  const inPieces = async (
    offset: number,
    length: number,
    most: number,
    work: (at: number, bytes: number) => Promise<unknown>,
  ): Promise<void> => {
    const parts: Promise<unknown>[] = [];
    for (let done = 0; done < length; done += most)
      parts.push(work(offset + done, Math.min(most, length - done)));
    const failed = (await Promise.allSettled(parts)).find((part) => part.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  };
  const alignDown = (bytes: number) => Math.max(blocks.minimum, bytes - (bytes % blocks.minimum));
  const dataBytes = alignDown(Math.min(pieceBytes, blocks.maximum));
  const raw = aligned(blocks.minimum, size, where, {
    read: (target, offset, signal) =>
      inPieces(offset, target.length, dataBytes, (at, length) => {
        const part = target.subarray(at - offset, at - offset + length);
        return transmission.request({ type: command.read, offset: at, length, target: part }, signal);
      }),
    write: (bytes, offset, signal) =>
      inPieces(offset, bytes.length, dataBytes, (at, length) => {
        const data = bytes.subarray(at - offset, at - offset + length);
        return transmission.request({ type: command.write, offset: at, length, data }, signal);
      }),
  });
  const ids = new Map([...agreed.contexts].map(([id, context]) => [context, id]));
  /** Without data: a request may be as long as its length can say. */
  const longBytes = alignDown(GiB);

  async function status(
    context: string,
    from: number,
    to: number,
    signal?: AbortSignal,
  ): Promise<StatusRange[]> {
    range(from, to - from);
    const id = ids.get(context);
    if (id === undefined) {
      throw new AppError('unsupported', `NBD: the server does not tell "${context}"`, {
        where,
        hint: 'of qemu-nbd: name the bitmap with --bitmap',
      });
    }
    const out: StatusRange[] = [];
    const unit = blocks.minimum;
    for (let at = from; at < to; ) {
      const start = at - (at % unit);
      const length = Math.min(statusBytes, Math.ceil((to - start) / unit) * unit, size - start);
      const chunks = await transmission.request({ type: command.blockStatus, offset: start, length }, signal);
      const found = chunks.filter((chunk) => chunk.context === id);
      if (found.length !== 1) throw nonsense(`${found.length} answers for "${context}"`);
      let end = start;
      for (const block of found[0]!.blocks) {
        if (block.length === 0 || end >= start + length) throw nonsense('a range that is empty or too far');
        end += block.length;
        // The last one may tell more than was asked for.
        const until = Math.min(end, to);
        if (until > at) appendStatus(out, at, until - at, block.flags);
        at = Math.max(at, until);
      }
    }
    return out;
  }
  const nonsense = (what: string) =>
    new AppError('corrupt', `NBD: the block status makes no sense: ${what}`, { where });

  async function zero(offset: number, length: number, signal?: AbortSignal): Promise<void> {
    range(offset, length);
    refuseReadOnly();
    const unit = blocks.minimum;
    const start = Math.ceil(offset / unit) * unit;
    const end = offset + length - ((offset + length) % unit);
    if (!has(transmissionFlag.writeZeroes) || start >= end) return zeroByWriting(offset, length, signal);
    await zeroByWriting(offset, start - offset, signal);
    await inPieces(start, end - start, longBytes, (at, bytes) =>
      transmission.request({ type: command.writeZeroes, offset: at, length: bytes }, signal),
    );
    await zeroByWriting(end, offset + length - end, signal);
  }

  async function zeroByWriting(offset: number, length: number, signal?: AbortSignal): Promise<void> {
    const zeros = new Uint8Array(Math.min(length, dataBytes));
    for (let done = 0; done < length; done += zeros.length) {
      await raw.write(zeros.subarray(0, length - done), offset + done, signal);
    }
  }

  return {
    name: where,
    size,
    sectorSize: blocks.minimum === 4 * KiB ? 4096 : 512,
    access: 'random',
    readOnly: isReadOnly(flags),
    contexts: [...ids.keys()],
    async read(target, offset, signal) {
      range(offset, target.length);
      await raw.read(target, offset, signal);
    },
    async extents(from, to, signal) {
      range(from, to - from);
      if (!ids.has(allocation.name)) return wholeExtent('data', from, to);
      const out = new ExtentList(from);
      for (const part of await status(allocation.name, from, to, signal)) {
        out.push((part.flags & allocation.zero) !== 0 ? 'zero' : 'data', part.length);
      }
      return out.list;
    },
    status,
    async write(bytes, offset, signal) {
      range(offset, bytes.length);
      refuseReadOnly();
      await raw.write(bytes, offset, signal);
    },
    zero,
    async trim(offset, length, signal) {
      range(offset, length);
      refuseReadOnly();
      const unit = blocks.minimum;
      const start = Math.ceil(offset / unit) * unit;
      const end = offset + length - ((offset + length) % unit);
      if (!has(transmissionFlag.trim) || start >= end) return;
      await inPieces(start, end - start, longBytes, (at, bytes) =>
        transmission.request({ type: command.trim, offset: at, length: bytes }, signal),
      );
    },
    async flush() {
      if (has(transmissionFlag.flush))
        await transmission.request({ type: command.flush, offset: 0, length: 0 });
    },
    async close() {
      await transmission.disconnect();
      transmission.end(new AppError('io', 'NBD: it was closed', { where }));
      const closed = new Promise((resolve) => plain.once('close', resolve));
      if (plain.closed) return;
      socket.destroySoon();
      plain.destroySoon();
      await closed;
    },
  };
}

function appendStatus(list: StatusRange[], offset: number, length: number, flags: number): void {
  const last = list.at(-1);
  if (last !== undefined && last.flags === flags) {
    list[list.length - 1] = { offset: last.offset, length: last.length + length, flags };
  } else list.push({ offset, length, flags });
}

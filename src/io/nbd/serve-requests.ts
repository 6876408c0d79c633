/** The server's half of the transmission: one client's requests, several worked on at once. */
import { toAppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { walkExtents } from '../disk.ts';
import type { ByteStream } from './byte-stream.ts';
import {
  allocation,
  chunkDone,
  chunkHead,
  chunkType,
  command,
  commandFlag,
  errorNumber,
  magic,
  requestHead,
  simpleReplyHead,
  usualMaximumBytes,
} from './protocol.ts';
import type { NbdExport } from './server.ts';
import { allocationId, type Chosen, nonsense } from './server-handshake.ts';

interface Request {
  readonly flags: number;
  readonly type: number;
  readonly cookie: bigint;
  readonly offset: number;
  readonly length: number;
  /** Of a write. */
  readonly data: Buffer | undefined;
}

/** Requests under way, and the bytes that they may hold. */
const atOnce = 16;
const mostBytes = 64 * MiB;
/** A longer read goes out in chunks of this size. */
const pieceBytes = MiB;
/** A block status ends after so many, or after so much of the disk was looked at. */
const mostDescriptors = 4096;

/** The error on the wire, and its words where there is room for them. */
class Refusal {
  readonly code: number;
  readonly words: string;

  constructor(code: number, words: string) {
    this.code = code;
    this.words = words;
  }
}

/** Resolves when the client has left. @throws AppError when it is lost, or makes no sense. */
export async function serveRequests(stream: ByteStream, chosen: Chosen, signal: AbortSignal): Promise<void> {
  const underWay = new Set<Promise<void>>();
  let held = 0;
  let lost: unknown;
  try {
    for (;;) {
      const head = requestHead.decode(await stream.bytes(requestHead.bytes));
      if (head.magic !== magic.request) throw nonsense('a request');
      if (head.type === command.disconnect) return;
      const bytes = head.type === command.read || head.type === command.write ? head.length : 0;
      while (underWay.size >= atOnce || (held > 0 && held + bytes > mostBytes)) await Promise.race(underWay);
      if (lost !== undefined) throw lost;
      const isFit = head.length <= usualMaximumBytes;
      if (head.type === command.write && !isFit) await stream.skip(head.length);
      const data = head.type === command.write && isFit ? await stream.bytes(head.length) : undefined;
      // No disk ends there: it is refused as past the end.
      const request = { ...head, offset: Number(head.offset), data };
      held += bytes;
      const work = answer(stream, chosen, request, signal)
        .catch((error) => {
          lost = error;
        })
        .finally(() => {
          underWay.delete(work);
          held -= bytes;
        });
      underWay.add(work);
    }
  } finally {
    await Promise.all(underWay);
  }
}

async function answer(
  stream: ByteStream,
  chosen: Chosen,
  request: Request,
  signal: AbortSignal,
): Promise<void> {
  try {
    refuse(chosen, request);
    if (request.type === command.read) return await read(stream, chosen, request, signal);
    if (request.type === command.blockStatus) return await status(stream, chosen.served, request, signal);
    await change(chosen.served, request, signal);
  } catch (error) {
    return fail(stream, chosen, request, refusalOf(error));
  }
  await stream.send(
    chosen.structured
      ? chunk(request, chunkType.none, 0, true)
      : simpleReplyHead.encode({ magic: magic.simpleReply, cookie: request.cookie }),
  );
}

/** @throws Refusal */
function refuse(
  { served, allocation: hasStatus }: Chosen,
  { type, offset, length, data, flags }: Request,
): void {
  const changes: number[] = [command.write, command.trim, command.writeZeroes];
  const known = [...changes, command.read, command.flush, command.blockStatus];
  if (!known.includes(type)) throw new Refusal(errorNumber.invalid, 'an unknown command');
  if (type === command.flush) return;
  if (changes.includes(type) && served.writable === undefined) {
    throw new Refusal(errorNumber.permission, 'the export is read-only');
  }
  if (length > served.disk.size - offset) {
    const code = changes.includes(type) ? errorNumber.noSpace : errorNumber.invalid;
    throw new Refusal(code, `${length} bytes at ${offset} go past the end (${served.disk.size})`);
  }
  const tooLong =
    type === command.read ? length > usualMaximumBytes : type === command.write && data === undefined;
  if (tooLong) throw new Refusal(errorNumber.overflow, `more than ${usualMaximumBytes} bytes at once`);
  if (type === command.blockStatus && (!hasStatus || length === 0)) {
    throw new Refusal(errorNumber.invalid, 'no context was agreed on');
  }
  const understood = commandFlag.fua | commandFlag.noHole | commandFlag.dontFragment | commandFlag.one;
  if ((flags & ~understood) !== 0) throw new Refusal(errorNumber.invalid, 'an unknown flag');
}

/** @throws Refusal, or what the disk throws. */
async function read(
  stream: ByteStream,
  chosen: Chosen,
  request: Request,
  signal: AbortSignal,
): Promise<void> {
  const { disk } = chosen.served;
  const { offset, length, cookie, flags } = request;
  if (!chosen.structured) {
    const bytes = Buffer.allocUnsafe(length);
    await disk.read(bytes, offset, signal);
    return stream.send(simpleReplyHead.encode({ magic: magic.simpleReply, cookie }), bytes);
  }
  if (length === 0) return stream.send(chunk(request, chunkType.none, 0, true));
  const most = (flags & commandFlag.dontFragment) !== 0 ? length : pieceBytes;
  const end = offset + length;
  const extents =
    (flags & commandFlag.dontFragment) !== 0 ? undefined : await disk.extents(offset, end, signal);
  for (const e of extents ?? [{ kind: 'data', offset, length }]) {
    const stop = e.offset + e.length;
    if (e.kind !== 'data') {
      const hole = Buffer.alloc(12);
      hole.writeBigUInt64BE(BigInt(e.offset), 0);
      hole.writeUInt32BE(e.length, 8);
      await stream.send(chunk(request, chunkType.offsetHole, 12, stop === end), hole);
      continue;
    }
    for (let at = e.offset; at < stop; at += most) {
      const bytes = Buffer.allocUnsafe(8 + Math.min(most, stop - at));
      bytes.writeBigUInt64BE(BigInt(at), 0);
      await disk.read(bytes.subarray(8), at, signal);
      const isLast = at + bytes.length - 8 === end;
      await stream.send(chunk(request, chunkType.offsetData, bytes.length, isLast), bytes);
    }
  }
}

async function status(
  stream: ByteStream,
  served: NbdExport,
  request: Request,
  signal: AbortSignal,
): Promise<void> {
  const { offset, length, flags } = request;
  const one = (flags & commandFlag.one) !== 0;
  const found: { length: number; state: number }[] = [];
  for await (const { kind, length: bytes } of walkExtents(
    served.disk,
    offset,
    offset + length,
    signal,
    2 ** 28,
  )) {
    const state = kind === 'data' ? 0 : allocation.hole | allocation.zero;
    const last = found.at(-1);
    if (last?.state === state) last.length += bytes;
    else if (found.length >= (one ? 1 : mostDescriptors)) break;
    else found.push({ length: bytes, state });
  }
  const payload = Buffer.alloc(4 + 8 * found.length);
  payload.writeUInt32BE(allocationId, 0);
  found.forEach((e, i) => {
    payload.writeUInt32BE(e.length, 4 + 8 * i);
    payload.writeUInt32BE(e.state, 8 + 8 * i);
  });
  await stream.send(chunk(request, chunkType.blockStatus, payload.length, true), payload);
}

/** Write, zeros, trim, flush. */
async function change(served: NbdExport, request: Request, signal: AbortSignal): Promise<void> {
  const { type, offset, length, data, flags } = request;
  const { writable } = served;
  if (type === command.write) await writable!.write(data!, offset, signal);
  // What is trimmed may read as anything: zeros are what a disk gives back that has let go.
  else if (type === command.writeZeroes || type === command.trim)
    await writable!.zero(offset, length, signal);
  if (type === command.flush || (flags & commandFlag.fua) !== 0) await writable?.flush();
}

function chunk({ cookie }: Request, type: number, length: number, done: boolean): Buffer {
  return chunkHead.encode({ magic: magic.chunk, flags: done ? chunkDone : 0, type, cookie, length });
}

async function fail(
  stream: ByteStream,
  chosen: Chosen,
  request: Request,
  { code, words }: Refusal,
): Promise<void> {
  const { cookie } = request;
  if (!chosen.structured) {
    return stream.send(simpleReplyHead.encode({ magic: magic.simpleReply, error: code, cookie }));
  }
  const text = Buffer.from(words).subarray(0, 1000);
  const head = Buffer.alloc(6);
  head.writeUInt32BE(code, 0);
  head.writeUInt16BE(text.length, 4);
  await stream.send(chunk(request, chunkType.error, 6 + text.length, true), head, text);
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const { kind, message } = toAppError(error);
  const code =
    kind === 'no-space' ? errorNumber.noSpace : kind === 'cancelled' ? errorNumber.shutdown : errorNumber.io;
  return new Refusal(code, message);
}

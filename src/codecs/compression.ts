/**
 * Deflate and zstd for the codecs, of whole buffers, on the thread pool. The system's libdeflate and libzstd are
 * taken where they are there; else zlib and zstd of Node (zstd: Node 22.15 and later), else zstd by WebAssembly,
 * on this thread.
 */
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { inLane } from '../io/native-library.ts';
import { AppError } from '../model/errors.ts';
import { type DeflateKind, libdeflate } from './libdeflate.ts';
import { libzstd } from './libzstd.ts';

export type { DeflateKind };

const inflaters = { raw: promisify(zlib.inflateRaw), zlib: promisify(zlib.inflate) };
const deflaters = { raw: promisify(zlib.deflateRaw), zlib: promisify(zlib.deflate) };

/**
 * Fills `target` from its start; what follows the stream's end in `bytes` is ignored.
 * @returns how many bytes came out.
 * @throws AppError `corrupt` when they don't fit in `target`, or it is no deflate stream.
 */
export function inflateInto(
  bytes: Uint8Array,
  target: Uint8Array,
  kind: DeflateKind,
  where: string,
): Promise<number> {
  return inLane(async () => {
    const size = await libdeflate()?.decompress(bytes, target, kind);
    if (size !== undefined) return size;
    // What libdeflate refuses is shown to zlib, for its word on the cause.
    // A little more room than needed: zlib sees the stream's end without a second round.
    const options = { chunkSize: target.length + 64, maxOutputLength: Math.max(1, target.length) };
    const out = await inflaters[kind](bytes, options).catch((cause) => {
      throw damaged('deflate', where, cause);
    });
    if (out.length > target.length) throw damaged('deflate', where, `more than ${target.length} bytes`);
    target.set(out);
    return out.length;
  });
}

/**
 * As `inflateInto`, into a fresh buffer of `size` bytes.
 * @throws AppError `corrupt` also when it is not exactly `size` bytes.
 */
export async function inflateExactly(
  bytes: Uint8Array,
  size: number,
  kind: DeflateKind,
  where: string,
): Promise<Buffer> {
  const target = Buffer.allocUnsafe(size);
  exactly(await inflateInto(bytes, target, kind, where), size, where);
  return target;
}

/** Room for what `length` bytes can become when they don't shrink, by any of the methods. */
export const compressedRoom = (length: number): number => length + (length >> 3) + 1024;

/**
 * The compressed bytes, in `target` or in a buffer of their own; `target` has `compressedRoom` bytes and is the
 * caller's to use again when the result is no longer needed. `level` is 1 to 9; 0 is the one that makes streams
 * about as small as zlib's own level 6, in the least time.
 */
export function deflate(
  bytes: Uint8Array,
  target: Buffer,
  kind: DeflateKind,
  level: number,
): Promise<Buffer> {
  return inLane(async () => {
    const size = await libdeflate()?.compress(bytes, target, kind, level === 0 ? 4 : level);
    if (size !== undefined && size > 0 && size <= target.length) return target.subarray(0, size);
    return deflaters[kind](bytes, { level: level === 0 ? 6 : level, memLevel: 9, chunkSize: target.length });
  });
}

type OneShot = (bytes: Uint8Array, options?: object) => Promise<Buffer>;
interface Zstd {
  /** In `target`, or in a buffer of its own. */
  readonly compress: (bytes: Uint8Array, target: Buffer, level: number) => Promise<Uint8Array>;
  /** Fills `target` from its start. @returns how many bytes came out. */
  readonly decompress: (frame: Uint8Array, target: Uint8Array) => Promise<number>;
}

let zstd: Promise<Zstd> | undefined;
const loadZstd = (): Promise<Zstd> => {
  zstd ??= systemZstd() ?? nodeZstd() ?? wasmZstd();
  return zstd;
};

function systemZstd(): Promise<Zstd> | undefined {
  const library = libzstd();
  if (library === undefined) return undefined;
  return Promise.resolve({
    async compress(bytes, target, level) {
      const size = await library.compress(bytes, target, level);
      if (size === undefined) throw new AppError('bug', `zstd can't compress ${bytes.length} bytes`);
      return target.subarray(0, size);
    },
    async decompress(frame, target) {
      const size = await library.decompress(frame, target);
      if (size === undefined) throw new Error(`no frame of at most ${target.length} bytes`);
      return size;
    },
  });
}

function nodeZstd(): Promise<Zstd> | undefined {
  // Not in the types of the oldest Node that we support.
  const own = zlib as unknown as Record<string, unknown> & { constants: Record<string, number> };
  if (typeof own.zstdDecompress !== 'function' || typeof own.zstdCompress !== 'function') return undefined;
  const compress = promisify(own.zstdCompress as never) as OneShot;
  const decompress = promisify(own.zstdDecompress as never) as OneShot;
  const levelKey = own.constants.ZSTD_c_compressionLevel!;
  return Promise.resolve({
    compress: (bytes, _target, level) =>
      compress(bytes, {
        chunkSize: bytes.length + 1024,
        // Told the size, zstd takes small tables; clearing large ones costs more than compressing.
        pledgedSrcSize: bytes.length,
        params: { [levelKey]: level },
      }),
    async decompress(frame, target) {
      const options = { chunkSize: target.length + 64, maxOutputLength: target.length };
      return filled(target, await decompress(frame, options));
    },
  });
}

async function wasmZstd(): Promise<Zstd> {
  const wasm = await import('@bokuweb/zstd-wasm');
  await wasm.init();
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  return {
    // It works on this thread: let others have a turn between two calls.
    async compress(bytes, _target, level) {
      await turn();
      return wasm.compress(bytes, level);
    },
    async decompress(frame, target) {
      await turn();
      return filled(target, wasm.decompress(frame, { defaultHeapSize: target.length }));
    },
  };
}

function filled(target: Uint8Array, out: Uint8Array): number {
  if (out.length > target.length) throw new Error(`more than ${target.length} bytes`);
  target.set(out);
  return out.length;
}

/**
 * Fills `target` with the content of the zstd frame at the start of `bytes`; what follows the frame is ignored.
 * @returns how many bytes came out: as many as `target` has.
 * @throws AppError `corrupt` when it is not exactly as many bytes, or no zstd frame.
 */
export async function unzstdInto(bytes: Uint8Array, target: Uint8Array, where: string): Promise<number> {
  const frame = zstdFrame(bytes, target.length, where);
  const { decompress } = await loadZstd();
  const size = await inLane(() => decompress(frame, target)).catch((cause) => {
    throw damaged('zstd', where, cause);
  });
  exactly(size, target.length, where);
  return size;
}

/** One zstd frame; `target` as with `deflate`. Level 0 is the library's default. */
export async function zstdCompress(bytes: Uint8Array, target: Buffer, level: number): Promise<Uint8Array> {
  const { compress } = await loadZstd();
  return inLane(() => compress(bytes, target, level === 0 ? 3 : level));
}

/**
 * The first frame without what follows: one-shot decoders take padding for a second frame. RFC 8878, 3.1.1:
 * magic, frame header, blocks of a 3-byte header each (last, type, size), checksum.
 * @throws AppError `corrupt` also when the frame claims more content than `size`: decoders trust the claim.
 */
function zstdFrame(bytes: Uint8Array, size: number, where: string): Uint8Array {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const need = (end: number) => {
    if (end > view.length) throw damaged('zstd', where, `the frame ends at ${end} of ${view.length} bytes`);
    return end;
  };
  need(5);
  if (view.readUInt32LE(0) !== 0xfd2fb528) throw damaged('zstd', where, 'no frame magic');
  const descriptor = view[4]!;
  const single = (descriptor & 0x20) !== 0;
  const sizeBytes = [single ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
  const sizeAt = 5 + (single ? 0 : 1) + dictionaryBytes;
  let at = need(sizeAt + sizeBytes);
  const content = contentSize(view, sizeAt, sizeBytes);
  if (content !== undefined && content !== size) {
    throw damaged('zstd', where, `the frame says ${content} bytes, expected ${size}`);
  }
  for (let last = false; !last; ) {
    const header = view.readUIntLE(at, need(at + 3) - at);
    last = (header & 1) === 1;
    const type = (header >> 1) & 3;
    if (type === 3) throw damaged('zstd', where, `block of type 3 at ${at}`);
    at = need(at + 3 + (type === 1 ? 1 : header >> 3));
  }
  if ((descriptor & 4) !== 0) at = need(at + 4);
  return bytes.subarray(0, at);
}

function contentSize(view: Buffer, at: number, bytes: number): number | undefined {
  switch (bytes) {
    case 1:
      return view.readUInt8(at);
    case 2:
      return view.readUInt16LE(at) + 256;
    case 4:
      return view.readUInt32LE(at);
    case 8:
      return Number(view.readBigUInt64LE(at));
    default:
      return undefined;
  }
}

/** @throws AppError `corrupt` when the sizes differ. */
export function exactly(found: number, size: number, where: string): void {
  if (found === size) return;
  throw new AppError('corrupt', `compressed data holds ${found} bytes, expected ${size}`, { where });
}

function damaged(method: string, where: string, cause: unknown): AppError {
  return new AppError('corrupt', `compressed data is not readable (${method})`, {
    where,
    cause,
    hint: 'the image is damaged; fetch it again or use a backup',
  });
}

/** What does the work on this computer, for `doctor`. */
export function compressors(): {
  readonly deflate: 'libdeflate' | 'zlib';
  readonly zstd: 'libzstd' | 'node' | 'wasm';
} {
  return {
    deflate: libdeflate() === undefined ? 'zlib' : 'libdeflate',
    zstd: libzstd() !== undefined ? 'libzstd' : 'zstdDecompress' in zlib ? 'node' : 'wasm',
  };
}

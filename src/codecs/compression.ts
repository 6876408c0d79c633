/**
 * Deflate and zstd for the codecs, on the libuv pool where Node has them. zstd comes from node:zlib where that
 * has it (Node 22.15 and later), else from WebAssembly, loaded at the first use.
 */
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { AppError } from '../model/errors.ts';

export type DeflateKind = 'raw' | 'zlib';

const inflaters = { raw: promisify(zlib.inflateRaw), zlib: promisify(zlib.inflate) };
const deflaters = { raw: promisify(zlib.deflateRaw), zlib: promisify(zlib.deflate) };

/**
 * The decompressed bytes; what follows the stream's end in `bytes` is ignored.
 * @throws AppError `corrupt` when it is not exactly `size` bytes, or no deflate stream.
 */
export async function inflateExactly(
  bytes: Uint8Array,
  size: number,
  kind: DeflateKind,
  where: string,
): Promise<Buffer> {
  // A little more room than needed: zlib sees the stream's end without a second round.
  const options = { chunkSize: size + 64, maxOutputLength: size };
  const out = await inflaters[kind](bytes, options).catch((cause) => {
    throw damaged('deflate', where, cause);
  });
  return exactly(out, size, where);
}

export interface DeflateOptions {
  readonly level?: number;
  /** Base-2 logarithm of the window, 9 to 15. */
  readonly windowBits?: number;
}

/** The compressed bytes, however many. */
export async function deflate(
  bytes: Uint8Array,
  kind: DeflateKind,
  options: DeflateOptions,
): Promise<Buffer> {
  return deflaters[kind](bytes, { ...options, chunkSize: bytes.length + 1024 });
}

type OneShot = (bytes: Uint8Array, options?: object) => Promise<Buffer>;
interface Zstd {
  readonly compress: (bytes: Uint8Array, level: number) => Promise<Uint8Array>;
  readonly decompress: (bytes: Uint8Array, size: number) => Promise<Uint8Array>;
}

let zstd: Promise<Zstd> | undefined;
const loadZstd = (): Promise<Zstd> => {
  zstd ??= nativeZstd() ?? wasmZstd();
  return zstd;
};

function nativeZstd(): Promise<Zstd> | undefined {
  // Not in the types of the oldest Node that we support.
  const own = zlib as unknown as Record<string, unknown> & { constants: Record<string, number> };
  if (typeof own.zstdDecompress !== 'function' || typeof own.zstdCompress !== 'function') return undefined;
  const compress = promisify(own.zstdCompress as never) as OneShot;
  const decompress = promisify(own.zstdDecompress as never) as OneShot;
  const levelKey = own.constants.ZSTD_c_compressionLevel!;
  return Promise.resolve({
    compress: (bytes, level) =>
      compress(bytes, {
        chunkSize: bytes.length + 1024,
        // Told the size, zstd takes small tables; clearing large ones costs more than compressing.
        pledgedSrcSize: bytes.length,
        params: { [levelKey]: level },
      }),
    decompress: (bytes, size) => decompress(bytes, { chunkSize: size + 64, maxOutputLength: size }),
  });
}

async function wasmZstd(): Promise<Zstd> {
  const wasm = await import('@bokuweb/zstd-wasm');
  await wasm.init();
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  return {
    // It works on this thread: let others have a turn between two calls.
    compress: async (bytes, level) => {
      await turn();
      return wasm.compress(bytes, level);
    },
    decompress: async (bytes, size) => {
      await turn();
      return wasm.decompress(bytes, { defaultHeapSize: size });
    },
  };
}

/**
 * The content of the zstd frame at the start of `bytes`; what follows the frame is ignored.
 * @throws AppError `corrupt` when it is not exactly `size` bytes, or no zstd frame.
 */
export async function unzstdExactly(bytes: Uint8Array, size: number, where: string): Promise<Uint8Array> {
  const frame = zstdFrame(bytes, size, where);
  const { decompress } = await loadZstd();
  const out = await decompress(frame, size).catch((cause) => {
    throw damaged('zstd', where, cause);
  });
  return exactly(out, size, where);
}

/** One zstd frame. Level 0 is the library's default. */
export async function zstdCompress(bytes: Uint8Array, level = 0): Promise<Uint8Array> {
  const { compress } = await loadZstd();
  return compress(bytes, level === 0 ? 3 : level);
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

function exactly<T extends Uint8Array>(out: T, size: number, where: string): T {
  if (out.length === size) return out;
  throw new AppError('corrupt', `compressed data holds ${out.length} bytes, expected ${size}`, { where });
}

function damaged(method: string, where: string, cause: unknown): AppError {
  return new AppError('corrupt', `compressed data is not readable (${method})`, {
    where,
    cause,
    hint: 'the image is damaged; fetch it again or use a backup',
  });
}

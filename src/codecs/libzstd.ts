/** zstd of the system, on nearly every Linux. API: zstd.h, the part that is stable since version 1.0. */
import { atFirstUse, Contexts, callAsync, loadLibrary } from '../io/native-library.ts';

export interface Libzstd {
  /** Bytes written to `target`; undefined when it is too small. */
  compress(bytes: Uint8Array, target: Uint8Array, level: number): Promise<number | undefined>;
  /** Bytes written to `target`, of exactly one frame; undefined when it is damaged or does not fit. */
  decompress(frame: Uint8Array, target: Uint8Array): Promise<number | undefined>;
}

const names = {
  linux: ['libzstd.so.1'],
  freebsd: ['libzstd.so.1', 'libzstd.so'],
  darwin: ['/opt/homebrew/lib/libzstd.1.dylib', '/usr/local/lib/libzstd.1.dylib'],
} as const;

/** Undefined where there is none. */
export const libzstd = atFirstUse(load);

function load(): Libzstd | undefined {
  const library = loadLibrary(names);
  if (library === undefined) return undefined;
  const buffers = 'void *context, void *out, size_t room, void *in, size_t length';
  const newCompressor = library.func('void *ZSTD_createCCtx()');
  const newDecompressor = library.func('void *ZSTD_createDCtx()');
  const compress = library.func(`size_t ZSTD_compressCCtx(${buffers}, int level)`);
  const decompress = library.func(`size_t ZSTD_decompressDCtx(${buffers})`);

  const works = (): boolean => {
    const text = Buffer.from('carries machines from one place to another, machines and places. '.repeat(40));
    const packed = Buffer.alloc(text.length);
    const back = Buffer.alloc(text.length);
    const length = Number(compress(newCompressor(), packed, packed.length, text, text.length, 3));
    if (!(length > 0 && length < text.length / 4)) return false;
    const size = decompress(newDecompressor(), back, back.length, packed, length);
    return Number(size) === text.length && back.equals(text);
  };
  if (!works()) return undefined;

  const compressors = new Contexts(() => newCompressor());
  const decompressors = new Contexts(() => newDecompressor());
  // An error is a number near the largest size_t.
  const sizeOr = (result: number, room: number) => (result <= room ? result : undefined);
  return {
    compress: (bytes, target, level) =>
      compressors.use(async (context) => {
        const args = [context, target, target.length, bytes, bytes.length, level];
        return sizeOr(await callAsync(compress, ...args), target.length);
      }),
    decompress: (frame, target) =>
      decompressors.use(async (context) => {
        const args = [context, target, target.length, frame, frame.length];
        return sizeOr(await callAsync(decompress, ...args), target.length);
      }),
  };
}

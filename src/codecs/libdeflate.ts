/**
 * libdeflate, where the system has it: the same streams as zlib's, at twice the speed and more. It works on whole
 * buffers only, which is what the codecs have. API: libdeflate.h of version 1.
 */
import { endianness } from 'node:os';
import { atFirstUse, Contexts, callAsync, loadLibrary } from '../io/native-library.ts';

export type DeflateKind = 'raw' | 'zlib';

export interface Libdeflate {
  /** Bytes written to `target`, 0 when it is too small. `level` is 1 to 9. */
  compress(bytes: Uint8Array, target: Uint8Array, kind: DeflateKind, level: number): Promise<number>;
  /** Bytes written to `target`; undefined when the stream is damaged or does not fit. */
  decompress(bytes: Uint8Array, target: Uint8Array, kind: DeflateKind): Promise<number | undefined>;
}

const names = {
  linux: ['libdeflate.so.0'],
  freebsd: ['libdeflate.so.0', 'libdeflate.so'],
  darwin: ['/opt/homebrew/lib/libdeflate.0.dylib', '/usr/local/lib/libdeflate.0.dylib'],
} as const;
const highestLevel = 9;

/** Undefined where there is none. */
export const libdeflate = atFirstUse(load);

function load(): Libdeflate | undefined {
  const library = loadLibrary(names);
  if (library === undefined) return undefined;
  const buffers = 'void *context, void *in, size_t length, void *out, size_t room';
  const newCompressor = library.func('void *libdeflate_alloc_compressor(int level)');
  const newDecompressor = library.func('void *libdeflate_alloc_decompressor()');
  const compress = {
    raw: library.func(`size_t libdeflate_deflate_compress(${buffers})`),
    zlib: library.func(`size_t libdeflate_zlib_compress(${buffers})`),
  };
  const decompress = {
    raw: library.func(`int libdeflate_deflate_decompress(${buffers}, void *written)`),
    zlib: library.func(`int libdeflate_zlib_decompress(${buffers}, void *written)`),
  };

  /** A library of another kind under the same name must not come further than this. */
  const works = (): boolean => {
    const text = Buffer.from('carries machines from one place to another, machines and places. '.repeat(40));
    const packed = Buffer.alloc(text.length);
    const back = Buffer.alloc(text.length);
    const written = Buffer.alloc(8);
    const length = Number(compress.raw(newCompressor(4), text, text.length, packed, packed.length));
    const result = decompress.raw(newDecompressor(), packed, length, back, back.length, written);
    const shorter = length > 0 && length < text.length / 4;
    return shorter && Number(result) === 0 && sizeIn(written) === text.length && back.equals(text);
  };
  if (!works()) return undefined;

  const compressors = Array.from(
    { length: highestLevel + 1 },
    (_, n) => new Contexts(() => newCompressor(n)),
  );
  const decompressors = new Contexts(() => newDecompressor());
  return {
    compress: (bytes, target, kind, level) =>
      compressors[level]!.use((context) =>
        callAsync(compress[kind], context, bytes, bytes.length, target, target.length),
      ),
    decompress: (bytes, target, kind) =>
      decompressors.use(async (context) => {
        const written = Buffer.alloc(8);
        const args = [context, bytes, bytes.length, target, target.length, written];
        const result = await callAsync(decompress[kind], ...args);
        return result === 0 ? sizeIn(written) : undefined;
      }),
  };
}

/** A size_t; buffers are far smaller than 2^48. */
const sizeIn = (bytes: Buffer): number =>
  endianness() === 'LE' ? bytes.readUIntLE(0, 6) : bytes.readUIntBE(2, 6);

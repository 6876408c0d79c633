/**
 * XXH3 of 128 bits by the system's libxxhash: fast enough to run beside every conversion. It tells damage, not malice.
 * API: xxhash.h, the part that is stable since version 0.8; the `_dispatch` functions choose by the processor.
 */
import { atFirstUse, type Library, loadWithStructures } from './native-library.ts';

/**
 * 16 bytes, as xxhsum prints them. On this thread: 1 MiB that was just read takes some 30 µs, and handing it to the
 * thread pool costs more than that.
 */
export type Xxh3 = (bytes: Uint8Array) => Buffer;

const names = {
  linux: ['libxxhash.so.0'],
  freebsd: ['libxxhash.so.0', 'libxxhash.so'],
  darwin: ['/opt/homebrew/lib/libxxhash.0.dylib', '/usr/local/lib/libxxhash.0.dylib'],
} as const;

/** Of the empty message, and of 1024 bytes that count up: a library of another kind must not come further. */
const known: readonly (readonly [bytes: number, hex: string])[] = [
  [0, '99aa06d3014798d86001c324468d497f'],
  [1024, '83885e853bb6640ca870f92984398d22'],
];

interface Parts {
  readonly low: number | bigint;
  readonly high: number | bigint;
}
type Native = (bytes: Uint8Array, length: number) => unknown;

/** Undefined where there is none. */
export const xxh3 = atFirstUse(load);

function load(): Xxh3 | undefined {
  const found = loadWithStructures(names);
  if (found === undefined) return undefined;
  const result = found.structures.struct({ low: 'uint64_t', high: 'uint64_t' });
  const native = best(found.library, result);
  const hash: Xxh3 = (bytes) => canonical(native(bytes, bytes.length) as Parts);
  const right = known.every(([length, hex]) => {
    const bytes = Buffer.from(Array.from({ length }, (_, i) => i & 255));
    return hash(bytes).toString('hex') === hex;
  });
  return right ? hash : undefined;
}

function best(library: Library, result: unknown): Native {
  const args = ['void *', 'size_t'];
  try {
    return library.func('XXH3_128bits_dispatch', result, args) as unknown as Native;
  } catch {
    return library.func('XXH3_128bits', result, args) as unknown as Native;
  }
}

/** xxhash.h, "canonical representation": the high half first, big-endian. */
function canonical({ low, high }: Parts): Buffer {
  const bytes = Buffer.allocUnsafe(16);
  bytes.writeBigUInt64BE(BigInt(high), 0);
  bytes.writeBigUInt64BE(BigInt(low), 8);
  return bytes;
}

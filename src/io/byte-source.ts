/** Bytes to read: a file, a window of one, a remote object. Never written to. */
import { AppError } from '../model/errors.ts';
import type { Extent } from './extents.ts';

export interface ByteSource {
  /** For messages: mostly the path. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** `forward`: only ascending offsets can be read, each byte once. */
  readonly access: 'random' | 'forward';
  /** When the content was last changed, seconds since 1970; absent where the storage can't tell. */
  readonly modifiedAt?: number;
  /** A block device: that time is its name's, not its content's. */
  readonly device?: true;
  /**
   * Fills `target` exactly with the bytes from `offset` on.
   * @throws AppError `corrupt` past the end, `io` when the storage fails, `cancelled` on abort.
   */
  read(target: Uint8Array, offset: number, signal?: AbortSignal): Promise<void>;
  /** Where the storage can tell which ranges hold data; absent where it can't. Same law as `Disk.extents`. */
  extents?(from: number, to: number, signal?: AbortSignal): Promise<Extent[]>;
  /**
   * SHA-256 of each MiB from `offset` on, worked out where the bytes lie; undefined where that can't be. Absent where
   * they have to be read for it.
   */
  sums?(offset: number, length: number, signal?: AbortSignal): Promise<Buffer[] | undefined>;
  close(): Promise<void>;
}

/** The size of a `forward` source that ends where it ends. A last sector that is cut is filled up with zeros. */
export const unknownSize = Number.MAX_SAFE_INTEGER;

/** Bytes to write. Chunks come in ascending order; a gap means zeros. */
export interface ByteSink {
  readonly name: string;
  /** `random`: a chunk may also go back to a place left open before. */
  readonly access: 'random' | 'forward';
  /** Resolves when `bytes` may be used again. */
  write(bytes: Uint8Array, offset: number, signal?: AbortSignal): Promise<void>;
  /**
   * What was written until now is at its place: it is there also when this program is killed; `durable`: also after a
   * power cut. Absent where that can't be had.
   */
  flush?(durable: boolean): Promise<void>;
  /** Fills `target` with what was written at `offset`; gaps read as zeros. Absent where that can't be read. */
  readBack?(target: Uint8Array, offset: number): Promise<void>;
  /** Sets the final size in bytes, and the time of last change where one is given (seconds since 1970); closes. */
  finish(size: number, modifiedAt?: number): Promise<void>;
  /** Closes and forgets; never throws. What was written is the owner's to remove. */
  abort(): Promise<void>;
}

/** @throws AppError `corrupt` when the range is not inside the source. To be called first in every `read`. */
export function checkRange(source: { name: string; size: number }, offset: number, length: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0 || length > source.size - offset) {
    throw new AppError(
      'corrupt',
      `read of ${length} bytes at offset ${offset} goes past the end (${source.size} bytes)`,
      { where: source.name, hint: 'the file is cut short or damaged; fetch it again' },
    );
  }
}

/** A fresh buffer with `length` bytes from `offset`. `length` must be checked (bounded) by the caller. */
export async function readBytes(
  source: Pick<ByteSource, 'read'>,
  offset: number,
  length: number,
  signal?: AbortSignal,
): Promise<Buffer> {
  const target = Buffer.allocUnsafe(length);
  await source.read(target, offset, signal);
  return target;
}

/** The bytes of `source` from `offset`, `length` of them, as a source of their own. Closing it closes nothing. */
export function windowOf(source: ByteSource, offset: number, length: number, name = source.name): ByteSource {
  checkRange(source, offset, length);
  const inner: ByteSource = {
    name,
    size: length,
    access: source.access,
    async read(target, at, signal) {
      checkRange(inner, at, target.length);
      await source.read(target, offset + at, signal);
    },
    async close() {
      // nothing is held
    },
  };
  if (source.extents === undefined) return inner;
  const extents = source.extents.bind(source);
  return {
    ...inner,
    async extents(from, to, signal) {
      const found = await extents(offset + from, offset + to, signal);
      return found.map((e) => ({ ...e, offset: e.offset - offset }));
    },
  };
}

/** A source over bytes in memory. */
export function memorySource(bytes: Uint8Array, name = 'memory'): ByteSource {
  const inner: ByteSource = {
    name,
    size: bytes.length,
    access: 'random',
    async read(target, offset) {
      checkRange(inner, offset, target.length);
      target.set(bytes.subarray(offset, offset + target.length));
    },
    async close() {
      // nothing is held
    },
  };
  return inner;
}

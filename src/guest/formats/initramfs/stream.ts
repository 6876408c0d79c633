/** Bytes taken from the front: out of a file, where what is not wanted is not read, or out of a decompressor. */
import { AppError } from '../../../model/errors.ts';
import type { Reader } from '../reader.ts';

export interface Stream {
  /** Bytes taken and skipped so far. */
  readonly at: number;
  /** Exactly `length` bytes, or fewer at the end. */
  take(length: number): Promise<Buffer>;
  /** Past the end is the end. */
  skip(length: number): Promise<void>;
}

export function fileStream(reader: Reader, start: number): Stream {
  let at = 0;
  const left = () => reader.size - start - at;
  return {
    get at() {
      return at;
    },
    async take(length) {
      const bytes = await reader.read(start + at, Math.min(length, left()));
      at += bytes.length;
      return bytes;
    },
    async skip(length) {
      at += Math.min(length, left());
    },
  };
}

/** @throws AppError `unsupported` when more than `mostBytes` come out: a small file may unpack without end. */
export function piecesStream(pieces: AsyncIterator<Uint8Array>, mostBytes: number): Stream {
  let piece: Uint8Array = new Uint8Array(0);
  let at = 0;
  const some = async (most: number): Promise<Uint8Array> => {
    while (piece.length === 0) {
      const next = await pieces.next();
      if (next.done) break;
      piece = next.value;
    }
    const taken = piece.subarray(0, most);
    piece = piece.subarray(taken.length);
    at += taken.length;
    if (at > mostBytes) {
      throw new AppError('unsupported', `more than ${mostBytes} bytes come out of it`, {
        hint: 'an initramfs of that size is not looked into',
      });
    }
    return taken;
  };
  return {
    get at() {
      return at;
    },
    async take(length) {
      const out = Buffer.allocUnsafe(length);
      let filled = 0;
      while (filled < length) {
        const bytes = await some(length - filled);
        if (bytes.length === 0) break;
        out.set(bytes, filled);
        filled += bytes.length;
      }
      return out.subarray(0, filled);
    },
    async skip(length) {
      for (let left = length; left > 0; ) {
        const bytes = await some(left);
        if (bytes.length === 0) return;
        left -= bytes.length;
      }
    },
  };
}

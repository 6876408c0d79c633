/** Bytes of one file in a guest, read at random: what the readers of formats take. */
import { AppError } from '../../model/errors.ts';

export interface Reader {
  /** Bytes. */
  readonly size: number;
  /** Exactly `length` bytes; they are not to be changed. @throws AppError `corrupt` past the end. */
  read(offset: number, length: number): Promise<Buffer>;
}

/** @throws AppError `corrupt` when the range is not inside. */
export function checkInside(size: number, offset: number, length: number, where: string): void {
  if (!Number.isSafeInteger(offset) || offset < 0 || length < 0 || length > size - offset) {
    throw new AppError('corrupt', `${length} bytes at offset ${offset} lie past the end (${size} bytes)`, {
      where,
      hint: 'the file is cut short or damaged',
    });
  }
}

export function readerOf(bytes: Buffer | Reader, where = 'file'): Reader {
  if (!Buffer.isBuffer(bytes)) return bytes;
  return {
    size: bytes.length,
    async read(offset, length) {
      checkInside(bytes.length, offset, length, where);
      return bytes.subarray(offset, offset + length);
    },
  };
}

/** Pages of `inner` kept: small reads that lie near each other cost one. Memory: `pageBytes` × `maxPages`. */
export function pagedReader(inner: Reader, where: string, pageBytes = 16 * 1024, maxPages = 256): Reader {
  const pages = new Map<number, Buffer>();
  const page = async (number: number): Promise<Buffer> => {
    const known = pages.get(number);
    if (known !== undefined) {
      pages.delete(number);
      pages.set(number, known);
      return known;
    }
    const start = number * pageBytes;
    const bytes = await inner.read(start, Math.min(pageBytes, inner.size - start));
    pages.set(number, bytes);
    if (pages.size > maxPages) pages.delete(pages.keys().next().value!);
    return bytes;
  };
  return {
    size: inner.size,
    async read(offset, length) {
      checkInside(inner.size, offset, length, where);
      const first = Math.floor(offset / pageBytes);
      const last = Math.floor(Math.max(offset, offset + length - 1) / pageBytes);
      if (last - first >= maxPages / 2) return inner.read(offset, length);
      const parts: Buffer[] = [];
      for (let number = first; number <= last && length > 0; number++) {
        const start = number * pageBytes;
        const bytes = await page(number);
        parts.push(bytes.subarray(Math.max(0, offset - start), offset + length - start));
      }
      return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    },
  };
}

/** The first `maxBytes` bytes of a text file as text, without a byte order mark. */
export function textOf(bytes: Buffer | string, maxBytes = 1024 * 1024): string {
  const text = typeof bytes === 'string' ? bytes.slice(0, maxBytes) : bytes.toString('utf8', 0, maxBytes);
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

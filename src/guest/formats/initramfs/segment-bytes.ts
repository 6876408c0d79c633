/** A packed segment to its end, walked from header to header: nothing is unpacked to find it. */
import { AppError } from '../../../model/errors.ts';
import { MiB } from '../../../model/units.ts';
import { pagedReader, type Reader } from '../reader.ts';

const damaged = (what: string, at: number) =>
  new AppError('corrupt', `initramfs: ${what} at ${at}`, { hint: 'the file is cut short or damaged' });

/** Yields up to where the bytes belong to the segment, as soon as that is known; returns the offset behind it. */
type Walk = (reader: Reader, start: number) => AsyncGenerator<number, number>;

/** @throws AppError `corrupt`. */
const walks: { readonly zstd: Walk; readonly xz: Walk; readonly 'lz4-legacy': Walk } = {
  zstd: zstdEnd,
  xz: xzEnd,
  'lz4-legacy': lz4LegacyEnd,
};

export type Walked = keyof typeof walks;

/** A piece as small as this is not worth a step of the decoder. */
const leastBytes = 256 * 1024;

/** The segment's bytes, each read once. @returns the offset behind it. @throws AppError `corrupt`. */
export async function* segmentBytes(
  reader: Reader,
  start: number,
  walked: Walked,
): AsyncGenerator<Buffer, number> {
  // A walk goes from header to header, and what is between them is asked for right after.
  const paged = pagedReader(reader, 'initramfs', MiB, 3);
  let done = start;
  async function* upTo(limit: number): AsyncGenerator<Buffer> {
    while (done < limit) {
      const length = Math.min(limit - done, MiB - (done % MiB));
      done += length;
      yield await paged.read(done - length, length);
    }
  }
  const walk = walks[walked](paged, start);
  for (;;) {
    const { value, done: ended } = await walk.next();
    if (ended || value - done >= leastBytes) yield* upTo(value);
    if (ended) return value;
  }
}

/** RFC 8878, 3.1: frames one behind the other. */
async function* zstdEnd(reader: Reader, start: number): AsyncGenerator<number, number> {
  let at = start;
  while (at + 6 <= reader.size) {
    const head = await reader.read(at, Math.min(18, reader.size - at));
    const magic = head.readUInt32LE(0);
    if ((magic & ~0xf) >>> 0 === 0x184d2a50 && head.length >= 8) {
      at += 8 + head.readUInt32LE(4);
      continue;
    }
    if (magic !== 0xfd2fb528) break;
    const descriptor = head[4]!;
    const single = (descriptor & 0x20) !== 0;
    const sizeBytes = [single ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
    at += 5 + (single ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]! + sizeBytes;
    for (let last = false; !last; ) {
      const word = (await reader.read(at, 3)).readUIntLE(0, 3);
      last = (word & 1) === 1;
      at += 3 + (((word >> 1) & 3) === 1 ? 1 : word >> 3);
      if (at <= reader.size) yield at;
    }
    if ((descriptor & 4) !== 0) at += 4;
  }
  if (at > reader.size) throw damaged('a zstd frame past the end', start);
  return at;
}

/** lz4_Frame_format, "Legacy frame": sizes of blocks, to one that can be none. */
async function* lz4LegacyEnd(reader: Reader, start: number): AsyncGenerator<number, number> {
  const longest = 8 * 1024 * 1024 + Math.floor((8 * 1024 * 1024) / 255) + 16;
  let at = start + 4;
  while (at + 4 <= reader.size) {
    const word = (await reader.read(at, 4)).readUInt32LE(0);
    if (word === 0x184c2102) {
      at += 4;
      continue;
    }
    if (word === 0 || word > longest) return at;
    at += 4 + word;
    if (at <= reader.size) yield at;
  }
  if (at > reader.size) throw damaged('an lz4 block past the end', start);
  return at;
}

/** ".xz file format" 1.2: 2.1 streams, 3 blocks, 4 index; and the headers of LZMA2's chunks. */
async function* xzEnd(reader: Reader, start: number): AsyncGenerator<number, number> {
  const flags = await reader.read(start, 12);
  const checkBytes = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64][flags[7]! & 15]!;
  const indexAt = yield* behindBlocks(reader, start + 12, checkBytes);
  const footerAt = await behindIndex(reader, indexAt);
  const footer = await reader.read(footerAt, 12);
  if (footer.toString('latin1', 10) !== 'YZ') throw damaged('no end of an xz stream', footerAt);
  return footerAt + 12;
}

async function* behindBlocks(
  reader: Reader,
  start: number,
  checkBytes: number,
): AsyncGenerator<number, number> {
  let at = start;
  for (;;) {
    const size = (await reader.read(at, 1))[0]!;
    if (size === 0) return at;
    const dataAt = at + (size + 1) * 4;
    let chunk = dataAt;
    for (;;) {
      const control = (await reader.read(chunk, 1))[0]!;
      if (control === 0) break;
      if (control >= 3 && control < 0x80) throw damaged(`an LZMA2 chunk of kind ${control}`, chunk);
      if (control < 3) chunk += 3 + (await reader.read(chunk + 1, 2)).readUInt16BE(0) + 1;
      else chunk += 5 + (control >= 0xc0 ? 1 : 0) + (await reader.read(chunk + 3, 2)).readUInt16BE(0) + 1;
      if (chunk <= reader.size) yield chunk;
    }
    at = dataAt + Math.ceil((chunk + 1 - dataAt) / 4) * 4 + checkBytes;
  }
}

async function behindIndex(reader: Reader, start: number): Promise<number> {
  let at = start + 1;
  const number = async (): Promise<number> => {
    let value = 0;
    for (let i = 0; i < 9; i++) {
      const byte = (await reader.read(at++, 1))[0]!;
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) break;
    }
    return value;
  };
  const count = await number();
  if (count > (reader.size - start) / 2) throw damaged(`an index of ${count} blocks`, start);
  for (let i = 0; i < count * 2; i++) await number();
  return start + Math.ceil((at - start) / 4) * 4 + 4;
}

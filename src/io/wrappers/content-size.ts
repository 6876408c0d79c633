/** How large the content is, where the packing itself says it for sure and without being unpacked. */
import { AppError } from '../../model/errors.ts';
import { type ByteSource, readBytes } from '../byte-source.ts';
import { agePlainSize } from './age.ts';
import type { Wrapper } from './wrapper.ts';

/** Bytes; undefined where only unpacking would tell. What is broken is told by unpacking it. */
export async function contentSize(
  source: ByteSource,
  wrapper: Wrapper,
  /** What the content begins with. */
  head: Buffer,
  signal?: AbortSignal,
): Promise<number | undefined> {
  try {
    const size = await sizers[wrapper]?.(source, head, signal);
    return size !== undefined && Number.isSafeInteger(size) && size >= head.length ? size : undefined;
  } catch (error) {
    if (error instanceof AppError && error.kind === 'corrupt') return undefined;
    throw error;
  }
}

type Sizer = (source: ByteSource, head: Buffer, signal?: AbortSignal) => Promise<number | undefined>;

const sizers: Partial<Record<Wrapper, Sizer>> = { gzip: gzipSize, xz: xzSize, zstd: zstdSize, age: ageSize };

const sectorSizes = [512, 4096];

/**
 * RFC 1952, 2.3.1: ISIZE is the size modulo 2^32, of the last member. Only together with a GPT, whose header names
 * the disk's last sector, is it sure (UEFI 2.10, 5.3.2).
 */
async function gzipSize(source: ByteSource, head: Buffer, signal?: AbortSignal): Promise<number | undefined> {
  const end = await readBytes(source, source.size - 4, 4, signal);
  for (const sector of sectorSizes) {
    const size = gptSize(head, sector);
    if (size !== undefined && size % 2 ** 32 === end.readUInt32LE(0)) return size;
  }
  return undefined;
}

/** The disk's size by a GPT header in its second sector. */
export function gptSize(head: Buffer, sector: number): number | undefined {
  if (head.length < 2 * sector || head.toString('latin1', sector, sector + 8) !== 'EFI PART')
    return undefined;
  const lastSector = head.readBigUInt64LE(sector + 32);
  return lastSector < 2n ** 40n ? (Number(lastSector) + 1) * sector : undefined;
}

async function ageSize(source: ByteSource, _: Buffer, signal?: AbortSignal): Promise<number | undefined> {
  return agePlainSize(await readBytes(source, 0, Math.min(2 ** 20, source.size), signal), source.size);
}

/** ".xz file format", 2.1.2 and 4: each stream ends with an index of its blocks. Streams follow each other. */
async function xzSize(source: ByteSource, _: Buffer, signal?: AbortSignal): Promise<number | undefined> {
  const footerBytes = 12;
  let total = 0;
  let end = source.size;
  while (end > 0) {
    if (end < 2 * footerBytes || end % 4 !== 0) return undefined;
    const footer = await readBytes(source, end - footerBytes, footerBytes, signal);
    if (footer.readUInt32LE(0) === 0 && footer.readUInt32LE(8) === 0) {
      end -= 4; // padding between streams, in fours
      continue;
    }
    const indexBytes = (footer.readUInt32LE(4) + 1) * 4;
    const indexAt = end - footerBytes - indexBytes;
    if (footer.toString('latin1', 10) !== 'YZ' || indexAt < footerBytes || indexBytes > 2 ** 26)
      return undefined;
    const sums = indexSums(await readBytes(source, indexAt, indexBytes, signal));
    if (sums === undefined) return undefined;
    total += sums.content;
    end = indexAt - sums.stored - footerBytes;
    if (end < 0) return undefined;
  }
  return total;
}

/** 4.1: an indicator, the number of records, and of each block its own size and that of its content. */
function indexSums(index: Buffer): { content: number; stored: number } | undefined {
  let at = 1;
  const number = (): number => {
    let value = 0;
    for (let i = 0; i < 9; i++) {
      const byte = index[at++];
      if (byte === undefined) return Number.NaN;
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return value;
    }
    return Number.NaN;
  };
  const count = number();
  if (index[0] !== 0 || !(count <= index.length / 2)) return undefined;
  let [content, stored] = [0, 0];
  for (let i = 0; i < count; i++) {
    stored += 4 * Math.ceil(number() / 4);
    content += number();
  }
  return Number.isSafeInteger(content) && Number.isSafeInteger(stored) ? { content, stored } : undefined;
}

/** RFC 8878, 3.1: from frame to frame, over the headers of their blocks. */
async function zstdSize(source: ByteSource, _: Buffer, signal?: AbortSignal): Promise<number | undefined> {
  let total = 0;
  const longestHead = 18;
  for (let at = 0; at < source.size; ) {
    const head = Buffer.alloc(longestHead); // zeros where the file has ended
    await source.read(head.subarray(0, Math.min(longestHead, source.size - at)), at, signal);
    const magic = head.readUInt32LE(0);
    if ((magic & ~0xf) >>> 0 === 0x184d2a50) {
      at += 8 + head.readUInt32LE(4);
      continue;
    }
    if (magic !== 0xfd2fb528) return undefined;
    const descriptor = head[4]!;
    const single = (descriptor & 0x20) !== 0;
    const sizeBytes = [single ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
    if (sizeBytes === 0) return undefined;
    const sizeAt = 5 + (single ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]!;
    const size = sizeBytes === 8 ? head.readBigUInt64LE(sizeAt) : BigInt(head.readUIntLE(sizeAt, sizeBytes));
    if (size > 2n ** 52n) return undefined;
    total += Number(size) + (sizeBytes === 2 ? 256 : 0);
    at += sizeAt + sizeBytes;
    for (let last = false; !last; ) {
      const word = (await readBytes(source, at, 3, signal)).readUIntLE(0, 3);
      last = (word & 1) === 1;
      at += 3 + (((word >> 1) & 3) === 1 ? 1 : word >> 3);
    }
    if ((descriptor & 4) !== 0) at += 4;
    if (at > source.size) return undefined;
  }
  return total;
}

/**
 * A dynamic VHD as the server sends it, from front to back ("Virtual Hard Disk Image Format Specification" 1.0): the
 * head tells which blocks there are, and they come in the order of the disk. Only what is there is sent.
 *
 *   footer copy 512 | header 1024 | block allocation table | (sector bitmap, block) … | footer 512
 */
import { type Extent, ExtentList } from '../../../io/extents.ts';
import { AppError } from '../../../model/errors.ts';
import { MiB } from '../../../model/units.ts';
import type { ByteQueue } from './byte-queue.ts';

const sector = 512;
const headBytes = 1536;
const unused = 0xffff_ffff;
/** Blocks of 512 KiB on the largest disk that a VHD can hold. */
const mostEntries = 4 * 1024 * 1024;

export interface VhdMap {
  readonly size: number;
  readonly blockBytes: number;
  /** Numbers of the blocks that are there, ascending: in the order in which they are sent. */
  readonly blocks: readonly number[];
  /** Of each of them, the place of its bitmap in the stream. */
  readonly places: readonly number[];
  /** What is not there is as in an earlier state, and not zeros. */
  readonly isDelta: boolean;
}

/** Takes the head off the queue. @throws AppError `unsupported` for a stream that can't be read in one go, `corrupt`. */
export async function readVhdHead(queue: ByteQueue, where: string, isDelta = false): Promise<VhdMap> {
  const broken = (message: string) => new AppError('corrupt', `the server's VHD: ${message}`, { where });
  const head = await queue.exactly(headBytes);
  if (head.toString('latin1', 0, 8) !== 'conectix' || head.toString('latin1', 512, 520) !== 'cxsparse')
    throw new AppError('unsupported', 'the server sends no dynamic VHD', { where });
  checkSum(head.subarray(0, 512), 64, broken);
  checkSum(head.subarray(512), 36, broken);
  const type = head.readUInt32BE(60);
  // Some write one of differences as such, some as a dynamic one.
  if (type !== 3 && !(isDelta && type === 4))
    throw new AppError('unsupported', `the server sends a VHD of type ${type}`, { where });
  const size = Number(head.readBigUInt64BE(48));
  const tableAt = Number(head.readBigUInt64BE(512 + 16));
  const entries = head.readUInt32BE(512 + 28);
  const blockBytes = head.readUInt32BE(512 + 32);
  if (blockBytes < 4096 || blockBytes > 256 * MiB || (blockBytes & (blockBytes - 1)) !== 0)
    throw broken(`blocks of ${blockBytes} bytes`);
  if (!Number.isSafeInteger(size) || entries > mostEntries || entries < Math.ceil(size / blockBytes))
    throw broken(`${entries} blocks for ${size} bytes`);
  if (!Number.isSafeInteger(tableAt) || tableAt < queue.at || tableAt > 64 * MiB)
    throw broken(`a table at ${tableAt}`);
  await queue.skip(tableAt - queue.at);
  const table = await queue.exactly(entries * 4);
  const blocks: number[] = [];
  const places: number[] = [];
  const step = blockBytes + bitmapBytes(blockBytes);
  for (let i = 0; i < Math.ceil(size / blockBytes); i++) {
    const place = table.readUInt32BE(i * 4);
    if (place === unused) continue;
    if (place * sector < (places.length === 0 ? queue.at : places.at(-1)! + step))
      throw new AppError('unsupported', "the server's VHD: its blocks are in another order than the disk's", {
        where,
      });
    blocks.push(i);
    places.push(place * sector);
  }
  return { size, blockBytes, blocks, places, isDelta };
}

const bitmapBytes = (blockBytes: number): number => Math.ceil(blockBytes / sector / 8 / sector) * sector;

function checkSum(bytes: Buffer, at: number, broken: (message: string) => AppError): void {
  let sum = 0;
  for (let i = 0; i < bytes.length; i++) if (i < at || i >= at + 4) sum += bytes[i]!;
  if (bytes.readUInt32BE(at) !== ~sum >>> 0) throw broken('a checksum is wrong');
}

const zeros = Buffer.alloc(MiB);

/** The disk's bytes from its start to its end, zeros for what is not there. */
export async function* vhdPieces(queue: ByteQueue, map: VhdMap): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (const [i, block] of map.blocks.entries()) {
    yield* zeroPieces(block * map.blockBytes - at);
    at = block * map.blockBytes;
    await queue.skip(map.places[i]! - queue.at);
    const bitmap = await queue.exactly(bitmapBytes(map.blockBytes));
    const length = Math.min(map.blockBytes, map.size - at);
    if (map.isDelta && !isFull(bitmap, Math.ceil(length / sector)))
      throw new AppError('unsupported', "the server's VHD of changes has blocks that are there in part");
    yield* blockPieces(queue, bitmap, length);
    await queue.skip(map.blockBytes - length);
    at += length;
  }
  yield* zeroPieces(map.size - at);
}

function isFull(bitmap: Buffer, sectors: number): boolean {
  for (let i = 0; i < sectors; i++) if ((bitmap[i >> 3]! & (0x80 >> (i & 7))) === 0) return false;
  return true;
}

function* zeroPieces(length: number): Generator<Uint8Array> {
  for (let left = length; left > 0; left -= zeros.length)
    yield zeros.subarray(0, Math.min(left, zeros.length));
}

/** A sector whose bit is not set holds zeros, whatever was sent. */
async function* blockPieces(queue: ByteQueue, bitmap: Buffer, length: number): AsyncGenerator<Uint8Array> {
  const isSet = (index: number) => (bitmap[index >> 3]! & (0x80 >> (index & 7))) !== 0;
  const sectors = Math.ceil(length / sector);
  for (let from = 0; from < sectors; ) {
    let to = from + 1;
    while (to < sectors && isSet(to) === isSet(from)) to++;
    const bytes = Math.min(to * sector, length) - from * sector;
    if (isSet(from))
      for (let left = bytes; left > 0; ) {
        const piece = await queue.some(left);
        left -= piece.length;
        yield piece;
      }
    else {
      await queue.skip(bytes);
      yield* zeroPieces(bytes);
    }
    from = to;
  }
}

/** What the disk consists of, by its blocks. */
export function vhdExtents({ blocks, blockBytes }: VhdMap, from: number, to: number): Extent[] {
  const out = new ExtentList(from);
  for (let i = firstAt(blocks, Math.floor(from / blockBytes)); i < blocks.length && out.end < to; i++) {
    const start = Math.min(Math.max(blocks[i]! * blockBytes, from), to);
    out.push('zero', start - out.end);
    out.push('data', Math.min((blocks[i]! + 1) * blockBytes, to) - out.end);
  }
  out.push('zero', to - out.end);
  return out.list;
}

/** The index of the first of the ascending numbers that is not below `wanted`. */
function firstAt(numbers: readonly number[], wanted: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (numbers[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

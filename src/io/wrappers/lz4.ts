/**
 * Reading LZ4: frames one behind the other ("LZ4 Frame Format" 1.6, "LZ4 Block Format"), with their checksums; and
 * those of the legacy format (`lz4 -l`), which have none.
 */
import { AppError } from '../../model/errors.ts';

const frameMagic = 0x184d2204;
const skippableMagic = 0x184d2a50;
const legacyMagic = 0x184c2102;
const windowBytes = 64 * 1024;
const legacyBlockBytes = 8 * 1024 * 1024;
/** What does not get smaller grows by this at most; every magic is larger. */
const mostLegacyBytes = legacyBlockBytes + Math.floor(legacyBlockBytes / 255) + 16;

const damaged = (message: string) => new AppError('corrupt', `LZ4: ${message}`);

/** Exactly `length` bytes, or fewer at the end of the file. */
export type Take = (length: number) => Promise<Buffer>;

/** @throws AppError `corrupt`, `unsupported`. */
export async function* unlz4(take: Take): AsyncGenerator<Buffer> {
  const { default: load } = await import('xxhash-wasm');
  const xxhash = await load();
  let next: Buffer | undefined;
  for (let frames = 0; ; frames++) {
    const head: Buffer = next ?? (await take(4));
    next = undefined;
    if (head.length === 0 && frames > 0) return;
    const magic = head.length === 4 ? head.readUInt32LE(0) : 0;
    if (magic === frameMagic) yield* frame(take, xxhash);
    else if ((magic & ~0xf) >>> 0 === skippableMagic)
      await skip(take, (await exactly(take, 4)).readUInt32LE(0));
    else if (magic === legacyMagic) next = yield* legacyFrame(take);
    else throw damaged('no frame where one was expected');
  }
}

async function exactly(take: Take, length: number): Promise<Buffer> {
  const bytes = await take(length);
  if (bytes.length < length) throw damaged('it is cut short');
  return bytes;
}

async function skip(take: Take, length: number): Promise<void> {
  for (let left = length; left > 0; left -= windowBytes) await exactly(take, Math.min(left, windowBytes));
}

type XxHash = Awaited<ReturnType<typeof import('xxhash-wasm')['default']>>;

interface FrameHeader {
  readonly linked: boolean;
  readonly blockChecksums: boolean;
  readonly contentChecksum: boolean;
  readonly contentSize: bigint | undefined;
  readonly blockBytes: number;
}

async function readHeader(take: Take, { h32Raw }: XxHash): Promise<FrameHeader> {
  const first = await exactly(take, 2);
  const flags = first[0]!;
  const sizes = first[1]!;
  if (flags >> 6 !== 1 || (flags & 2) !== 0 || (sizes & 0x8f) !== 0) {
    throw new AppError('unsupported', `LZ4: frame flags 0x${first.toString('hex')}`);
  }
  if ((flags & 1) !== 0) throw new AppError('unsupported', 'LZ4: a frame that needs a dictionary');
  const blockCode = sizes >> 4;
  if (blockCode < 4) throw damaged(`block size code ${blockCode}`);
  const size = (flags & 8) === 0 ? Buffer.alloc(0) : await exactly(take, 8);
  const sum = (await exactly(take, 1))[0]!;
  if (sum !== ((h32Raw(Buffer.concat([first, size])) >>> 8) & 0xff)) throw damaged('the header is damaged');
  return {
    linked: (flags & 0x20) === 0,
    blockChecksums: (flags & 0x10) !== 0,
    contentChecksum: (flags & 4) !== 0,
    contentSize: size.length === 0 ? undefined : size.readBigUInt64LE(0),
    blockBytes: 2 ** (8 + 2 * blockCode),
  };
}

async function* frame(take: Take, xxhash: XxHash): AsyncGenerator<Buffer> {
  const header = await readHeader(take, xxhash);
  // The end of what came before, then the block: a linked block refers to both.
  const room = Buffer.allocUnsafe(windowBytes + header.blockBytes);
  let before = 0;
  let total = 0n;
  const hash = xxhash.create32();
  for (;;) {
    const word = (await exactly(take, 4)).readUInt32LE(0);
    if (word === 0) break;
    const length = word & 0x7fffffff;
    if (length > header.blockBytes) throw damaged(`a block of ${length} bytes, at most ${header.blockBytes}`);
    const stored = await exactly(take, length);
    if (header.blockChecksums && (await exactly(take, 4)).readUInt32LE(0) !== xxhash.h32Raw(stored)) {
      throw damaged('the checksum of a block is wrong');
    }
    const plain = word >>> 31 === 1;
    const end = plain
      ? before + stored.copy(room, before)
      : unpackBlock(stored, room, before, header.blockBytes);
    const bytes = Buffer.from(room.subarray(before, end));
    if (header.contentChecksum) hash.update(bytes);
    total += BigInt(bytes.length);
    if (bytes.length > 0) yield bytes;
    if (!header.linked) continue;
    const kept = Math.min(windowBytes, end);
    room.copyWithin(0, end - kept, end);
    before = kept;
  }
  if (header.contentChecksum && (await exactly(take, 4)).readUInt32LE(0) !== hash.digest()) {
    throw damaged('the checksum of the content is wrong');
  }
  if (header.contentSize !== undefined && header.contentSize !== total) {
    throw damaged(`${total} bytes of content, the header says ${header.contentSize}`);
  }
}

/** "Legacy frame": blocks of 8 MiB, the last one shorter, to the end of the file or the next magic, returned. */
async function* legacyFrame(take: Take): AsyncGenerator<Buffer, Buffer> {
  for (let last = false; ; ) {
    const word = await take(4);
    if (word.length === 0) return word;
    if (word.length < 4) throw damaged('it is cut short');
    const length = word.readUInt32LE(0);
    if (length > mostLegacyBytes) return word;
    if (last) throw damaged('a block behind a shorter one');
    const stored = await exactly(take, length);
    const room = Buffer.allocUnsafe(legacyBlockBytes);
    const bytes = room.subarray(0, unpackBlock(stored, room, 0, legacyBlockBytes));
    last = bytes.length < legacyBlockBytes;
    yield bytes;
  }
}

/** Sequences of literals and copies of what came before. @returns where the block ends in `room`. */
function unpackBlock(stored: Buffer, room: Buffer, start: number, blockBytes: number): number {
  const limit = start + blockBytes;
  let at = 0;
  let out = start;
  const longer = (length: number): number => {
    if (length < 15) return length;
    let sum = length;
    for (let byte = 255; byte === 255; sum += byte) {
      if (at >= stored.length) throw damaged('a block is cut short');
      byte = stored[at++]!;
    }
    return sum;
  };
  while (at < stored.length) {
    const token = stored[at++]!;
    const literals = longer(token >> 4);
    if (at + literals > stored.length || out + literals > limit)
      throw damaged('literals past the end of a block');
    stored.copy(room, out, at, at + literals);
    at += literals;
    out += literals;
    if (at === stored.length) return out;
    if (at + 2 > stored.length) throw damaged('a block is cut short');
    const distance = stored.readUInt16LE(at);
    at += 2;
    const length = longer(token & 15) + 4;
    if (distance === 0 || distance > out || out + length > limit) throw damaged('a copy from outside');
    copyInside(room, out, distance, length);
    out += length;
  }
  throw damaged('a block without an end');
}

/** What is copied may overlap what it is copied to: then it repeats. */
function copyInside(room: Buffer, out: number, distance: number, length: number): void {
  if (distance >= length) {
    room.copyWithin(out, out - distance, out - distance + length);
    return;
  }
  for (let i = 0; i < length; i++) room[out + i] = room[out - distance + i]!;
}

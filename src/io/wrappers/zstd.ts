/**
 * Reading zstd: frames one behind the other (RFC 8878, 3.1). A library unpacks; the frames are taken apart here, for
 * what they claim of memory.
 */
import { AppError } from '../../model/errors.ts';
import type { Take } from './lz4.ts';
import { zstdStream } from './zstd-stream.ts';

const frameMagic = 0xfd2fb528;
const skippableMagic = 0x184d2a50;
const largestBlock = 128 * 1024;
/** The library goes no further; `zstd -19` uses 8 MiB, `--ultra` and `--long` may use more. */
const largestWindow = 2 ** 25;

const damaged = (message: string) => new AppError('corrupt', `zstd: ${message}`);

/** @throws AppError `corrupt`, `unsupported`; and the library's own errors. */
export async function* unzstd(take: Take): AsyncGenerator<Uint8Array> {
  const exactly = async (length: number): Promise<Buffer> => {
    const bytes = await take(length);
    if (bytes.length < length) throw damaged('it is cut short');
    return bytes;
  };
  for (let frames = 0; ; frames++) {
    const start = await take(4);
    if (start.length === 0 && frames > 0) return;
    const magic = start.length === 4 ? start.readUInt32LE(0) : 0;
    if ((magic & ~0xf) >>> 0 === skippableMagic) {
      for (let left = (await exactly(4)).readUInt32LE(0); left > 0; left -= largestBlock) {
        await exactly(Math.min(left, largestBlock));
      }
      continue;
    }
    if (magic !== frameMagic) throw damaged('no frame where one was expected');
    let content = 0n;
    const { head, checked, size } = await frameHead(exactly);
    const stream = await zstdStream();
    try {
      let first: Buffer = Buffer.concat([start, head]);
      for (let last = false; !last; ) {
        const header = await exactly(3);
        const word = header.readUIntLE(0, 3);
        last = (word & 1) === 1;
        const type = (word >> 1) & 3;
        if (type === 3 || word >> 3 > largestBlock)
          throw damaged(`a block of type ${type}, size ${word >> 3}`);
        const body = await exactly(type === 1 ? 1 : word >> 3);
        const sum = last && checked ? await exactly(4) : Buffer.alloc(0);
        for (const bytes of stream.push(Buffer.concat([first, header, body, sum]), last)) {
          content += BigInt(bytes.length);
          if (bytes.length > 0) yield bytes;
        }
        first = Buffer.alloc(0);
      }
    } finally {
      stream.close();
    }
    if (size !== undefined && size !== content)
      throw damaged(`${content} bytes of content, its header says ${size}`);
  }
}

/** What follows the magic, up to the first block. */
async function frameHead(
  exactly: Take,
): Promise<{ head: Buffer; checked: boolean; size: bigint | undefined }> {
  const first = await exactly(1);
  const descriptor = first[0]!;
  if ((descriptor & 8) !== 0) throw new AppError('unsupported', 'zstd: a reserved bit is set');
  const single = (descriptor & 0x20) !== 0;
  const sizeBytes = [single ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
  if (dictionaryBytes > 0) throw new AppError('unsupported', 'zstd: a frame that needs a dictionary');
  const window = single ? Buffer.alloc(0) : await exactly(1);
  const sized = await exactly(sizeBytes);
  const padded = Buffer.alloc(8);
  sized.copy(padded);
  const size = sizeBytes === 0 ? undefined : padded.readBigUInt64LE(0) + (sizeBytes === 2 ? 256n : 0n);
  const windowBytes = single ? Number(size) : 2 ** (10 + (window[0]! >> 3)) * (1 + (window[0]! & 7) / 8);
  if (windowBytes > largestWindow) {
    throw new AppError('unsupported', `zstd: a window of ${windowBytes} bytes, at most ${largestWindow}`);
  }
  return { head: Buffer.concat([first, window, sized]), checked: (descriptor & 4) !== 0, size };
}

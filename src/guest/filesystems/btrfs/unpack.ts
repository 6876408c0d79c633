/** Compressed extents: zlib, LZO in pieces, zstd. Each may be followed by zeros up to the end of its sector. */
import { promisify } from 'node:util';
import { inflate } from 'node:zlib';
import { unzstd } from '../../../io/wrappers/zstd.ts';
import { AppError } from '../../../model/errors.ts';
import { unpackLzo } from './lzo.ts';

const inflated = promisify(inflate);

/** `length` bytes; what the stream does not reach is zeros. @throws AppError `corrupt`, `unsupported`. */
export async function unpack(
  method: number,
  packed: Buffer,
  length: number,
  sectorBytes: number,
): Promise<Buffer> {
  const target = Buffer.alloc(length);
  if (method === 1) {
    const bytes = await inflated(packed, { maxOutputLength: length + sectorBytes }).catch((cause) => {
      throw new AppError('corrupt', 'btrfs: a zlib extent is broken', { cause });
    });
    bytes.copy(target);
  } else if (method === 2) unpackSegments(packed, target, sectorBytes);
  else if (method === 3) await unpackZstd(packed, target);
  else throw new AppError('unsupported', `btrfs: compression of kind ${method}`);
  return target;
}

async function unpackZstd(packed: Buffer, target: Buffer): Promise<void> {
  let at = 0;
  const take = async (length: number) => {
    // Where the next frame's mark would be, zeros up to the end of the sector are the end.
    if (length === 4 && at > 0 && packed.subarray(at).every((byte) => byte === 0)) return Buffer.alloc(0);
    const part = packed.subarray(at, at + length);
    at += part.length;
    return part;
  };
  let done = 0;
  try {
    for await (const bytes of unzstd(take)) {
      target.set(bytes.subarray(0, target.length - done), done);
      done += bytes.length;
      if (done >= target.length) return;
    }
  } catch (cause) {
    // The library throws errors of its own.
    if (cause instanceof AppError) throw cause;
    throw new AppError('corrupt', 'btrfs: a zstd extent is broken', { cause });
  }
}

/** The total length, then pieces with a length each, none of which crosses a sector; each holds one sector. */
function unpackSegments(packed: Buffer, target: Buffer, sectorBytes: number): void {
  const total = packed.length < 4 ? 0 : packed.readUInt32LE(0);
  if (total < 4 || total > packed.length)
    throw new AppError('corrupt', `btrfs: ${total} bytes of LZO, ${packed.length} are there`);
  let at = 4;
  for (let to = 0; to < target.length && at < total; to += sectorBytes) {
    // A length is not parted by the end of a sector.
    const left = sectorBytes - (at % sectorBytes);
    if (left < 4) at += left;
    const length = at + 4 > total ? total : packed.readUInt32LE(at);
    at += 4;
    if (at + length > total) throw new AppError('corrupt', `btrfs: a piece of LZO of ${length} bytes`);
    unpackLzo(packed.subarray(at, at + length), target.subarray(to, to + sectorBytes));
    at += length;
  }
}

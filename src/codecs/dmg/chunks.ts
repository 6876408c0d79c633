/** Compressed chunks, unpacked; the last ones are kept, as a read often wants only a part. */
import { type ByteSource, memorySource, readBytes } from '../../io/byte-source.ts';
import { Bunzip2 } from '../../io/wrappers/bzip2.ts';
import { unwrap } from '../../io/wrappers/unwrap.ts';
import { AppError } from '../../model/errors.ts';
import { inflateExactly } from '../compression.ts';
import { unadc } from './adc.ts';
import { chunkType, largestChunk } from './layout.ts';
import { unlzfse } from './lzfse.ts';
import type { Chunk } from './tables.ts';

export class ChunkReader {
  readonly #source: ByteSource;
  readonly #kept = new Map<number, Promise<Buffer>>();
  #keptBytes = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** Fills `target` from `offset` of the disk on, which lies in the chunk. */
  async read(chunk: Chunk, target: Uint8Array, offset: number): Promise<void> {
    const bytes = await this.#unpacked(chunk);
    const start = offset - chunk.offset;
    bytes.copy(target, 0, start, start + target.length);
  }

  /** Shared by all who wait for it, so no one's abort may end it. */
  #unpacked(chunk: Chunk): Promise<Buffer> {
    const known = this.#kept.get(chunk.offset);
    if (known !== undefined) return known;
    const unpacking = this.#unpack(chunk);
    this.#kept.set(chunk.offset, unpacking);
    this.#keptBytes += chunk.length;
    const forget = () => {
      if (this.#kept.get(chunk.offset) !== unpacking) return;
      this.#kept.delete(chunk.offset);
      this.#keptBytes -= chunk.length;
    };
    unpacking.catch(forget);
    // The oldest go, but not the one that is asked for.
    this.#forgetters.push(forget);
    while (this.#keptBytes > largestChunk && this.#forgetters.length > 1) this.#forgetters.shift()!();
    return unpacking;
  }

  readonly #forgetters: (() => void)[] = [];

  async #unpack(chunk: Chunk): Promise<Buffer> {
    const where = `${this.#source.name} at ${chunk.host}`;
    const stored = await readBytes(this.#source, chunk.host, chunk.stored);
    switch (chunk.type) {
      case chunkType.zlib:
        return inflateExactly(stored, chunk.length, 'zlib', where);
      case chunkType.adc:
        return unadc(stored, chunk.length, where);
      case chunkType.lzfse:
        return unlzfse(stored, chunk.length, where);
      case chunkType.bzip2:
        return collected(bunzip2(stored, where), chunk.length, where);
      default:
        return collected(unwrap(memorySource(stored, where), 'xz'), chunk.length, where);
    }
  }
}

async function* bunzip2(stored: Buffer, where: string): AsyncGenerator<Uint8Array> {
  try {
    yield* new Bunzip2().push(stored, true);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw new AppError(error.kind, error.message, { where, cause: error });
  }
}

/** @throws AppError `corrupt` when it is not exactly `length` bytes. */
async function collected(pieces: AsyncIterable<Uint8Array>, length: number, where: string): Promise<Buffer> {
  const out = Buffer.allocUnsafe(length);
  let at = 0;
  for await (const piece of pieces) {
    if (at + piece.length > length)
      throw new AppError('corrupt', `a chunk holds more than ${length} bytes`, { where });
    out.set(piece, at);
    at += piece.length;
  }
  if (at !== length)
    throw new AppError('corrupt', `a chunk holds ${at} bytes, expected ${length}`, { where });
  return out;
}

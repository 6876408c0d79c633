/** A file's bytes on their way into blocks; what is zeros becomes holes. */
import { isZero } from '../../io/blocks.ts';
import { AppError } from '../../model/errors.ts';
import type { Blocks } from './blocks.ts';
import { addExtent, type FileExtent } from './extent-tree.ts';
import { blockBytes } from './layout.ts';
import type { Piece } from './tar-stream.ts';

/** Smaller holes are not made: they would take more in extents than they save. */
const unitBytes = 16 * blockBytes;
const windowBytes = 16 * unitBytes;
/** Of a file with blocks of 4 KiB. */
const largestFile = 2 ** 32 * blockBytes - blockBytes;

export class FileContent {
  readonly #blocks: Blocks;
  readonly #window = Buffer.alloc(windowBytes);
  readonly #zeros = Buffer.alloc(unitBytes);

  constructor(blocks: Blocks) {
    this.#blocks = blocks;
  }

  /** @throws AppError `unsupported`, and as `pieces` does. */
  async write(size: number, pieces: AsyncIterable<Piece>): Promise<FileExtent[]> {
    if (size > largestFile) throw new AppError('unsupported', `a file of ${size} bytes`);
    const extents: FileExtent[] = [];
    let start = 0;
    let used = 0;
    const flush = async () => {
      if (used > 0) await this.#flush(start, used, extents);
      this.#window.fill(0, 0, used);
      used = 0;
    };
    for await (const { offset, bytes } of pieces) {
      for (let at = 0; at < bytes.length; ) {
        const from = offset + at;
        if (from >= start + windowBytes) {
          await flush();
          start = from - (from % windowBytes);
        }
        const length = Math.min(bytes.length - at, start + windowBytes - from);
        bytes.copy(this.#window, from - start, at, at + length);
        used = Math.max(used, from - start + length);
        at += length;
      }
    }
    await flush();
    return extents;
  }

  /** Units in a row that are not all zeros get blocks together. */
  async #flush(start: number, used: number, extents: FileExtent[]): Promise<void> {
    const end = Math.ceil(used / blockBytes) * blockBytes;
    const isHole = (at: number) => isZero(this.#window, at, Math.min(at + unitBytes, end), this.#zeros);
    for (let at = 0; at < end; ) {
      if (isHole(at)) {
        at += unitBytes;
        continue;
      }
      let to = at + unitBytes;
      while (to < end && !isHole(to)) to += unitBytes;
      await this.#put(start + at, this.#window.subarray(at, Math.min(to, end)), extents);
      at = to;
    }
  }

  async #put(offset: number, bytes: Buffer, extents: FileExtent[]): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const run = this.#blocks.take((bytes.length - at) / blockBytes);
      const length = run.count * blockBytes;
      await this.#blocks.write(run.start, bytes.subarray(at, at + length));
      addExtent(extents, (offset + at) / blockBytes, run.start, run.count);
      at += length;
    }
  }
}

/** A file that an encoder has planned, and how it is poured into a sink. */
import { AppError } from '../model/errors.ts';
import type { Acknowledged } from './acknowledged.ts';
import type { ByteSink } from './byte-source.ts';
import { throwIfAborted } from './in-order.ts';

export interface Chunk {
  readonly offset: number;
  readonly bytes: Uint8Array;
  /**
   * Where these bytes lie on the disk, one for one; such chunks come in the disk's order. Absent where they are not
   * the disk's: tables, headers, what is compressed.
   */
  readonly disk?: number;
  /** Goes back to a place that was left open (a header that depends on the data). Comes after all others. */
  readonly late?: true;
  /** Called once `bytes` has been written. */
  release?(): void;
}

export interface EncodedFile {
  /** The file's own name, no folder. */
  readonly name: string;
  /** Bytes, where it does not depend on the data. */
  readonly size?: number;
  /** Whether any chunk is late: such a file needs a random sink. */
  readonly late: boolean;
  /** Its bytes are the disk's, one for one, from the first to the last. */
  readonly linear?: true;
  /** The time of last change that the file is to have, seconds since 1970, where another file counts on it. */
  readonly modifiedAt?: number;
  /**
   * The chunks in ascending order, late ones last; a gap means zeros. The file ends at the end of the furthest
   * chunk, or at `size` where that is given. May be called once.
   */
  chunks(signal?: AbortSignal): AsyncIterable<Chunk>;
}

export interface PourOptions {
  /** Writes under way at most. Default 4. */
  readonly width?: number;
  /** Of the disk, what is below was written by an earlier run: those bytes are passed over. */
  readonly writtenBelow?: number;
  /** Told of what is written. */
  readonly acknowledged?: Acknowledged | undefined;
}

/**
 * Writes the file to the sink and finishes it.
 * @returns the file's size in bytes.
 */
export async function pour(
  file: EncodedFile,
  sink: ByteSink,
  signal?: AbortSignal,
  { width = 4, writtenBelow = 0, acknowledged }: PourOptions = {},
): Promise<number> {
  if (file.late && sink.access === 'forward') {
    throw new AppError('bug', `${file.name} has to be written out of order, and ${sink.name} can't`);
  }
  const writing = new Set<Promise<void>>();
  let end = 0;
  let failed: unknown;
  try {
    for await (const chunk of file.chunks(signal)) {
      throwIfAborted(signal);
      if (failed !== undefined) break;
      if (chunk.late !== true && chunk.offset < end) {
        throw new AppError('bug', `${file.name}: chunk at ${chunk.offset} after the end at ${end}`);
      }
      end = Math.max(end, chunk.offset + chunk.bytes.length);
      const { bytes, offset } = unwritten(chunk, writtenBelow);
      if (bytes.length === 0 && chunk.bytes.length > 0) {
        chunk.release?.();
        continue;
      }
      const { disk } = chunk;
      const done = disk === undefined ? undefined : acknowledged?.sent({ disk, bytes: chunk.bytes });
      const write: Promise<void> = sink
        .write(bytes, offset, signal)
        .then(
          () => {
            done?.();
            chunk.release?.();
          },
          (error) => {
            failed ??= error;
          },
        )
        .finally(() => writing.delete(write));
      writing.add(write);
      while (writing.size >= width) await Promise.race(writing);
    }
  } finally {
    await Promise.all(writing);
  }
  if (failed !== undefined) throw failed;
  const size = file.size ?? end;
  if (end > size)
    throw new AppError('bug', `${file.name}: ${end} bytes written of a file planned as ${size}`);
  await sink.finish(size, file.modifiedAt);
  return size;
}

/** The part of a chunk that is still to be written. */
function unwritten({ bytes, offset, disk }: Chunk, below: number): Pick<Chunk, 'bytes' | 'offset'> {
  if (disk === undefined || disk >= below) return { bytes, offset };
  const passed = Math.min(bytes.length, below - disk);
  return { bytes: bytes.subarray(passed), offset: offset + passed };
}

/** A small file made in memory, such as a descriptor. */
export function textFile(name: string, bytes: Uint8Array): EncodedFile {
  return {
    name,
    size: bytes.length,
    late: false,
    async *chunks() {
      yield { offset: 0, bytes };
    },
  };
}

/**
 * Parts as one source, hashed as they are read: what is read in order, as a packed or a raw disk is, is read once, and
 * the rest when all is to be checked.
 */
import { createHash, type Hash } from 'node:crypto';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { type ByteSource, readBytes } from '../byte-source.ts';
import { concatenated, sourceDisk } from '../disk.ts';
import type { PartList } from './part-list.ts';

const blockBytes = 4 * MiB;

/**
 * Closing the source closes the parts, and `beside`, which may be one of them. `again` opens a part once more, for what
 * was not read: the source may have been read and closed before.
 */
export function checkedParts(
  list: PartList,
  opened: readonly ByteSource[],
  beside: ByteSource,
  again: (name: string) => Promise<ByteSource>,
): { readonly source: ByteSource; verify(signal?: AbortSignal): Promise<void> } {
  const sums = list.parts.map(({ size }) => new PartSum(size));
  const disk = concatenated(opened.map((part, i) => sourceDisk(sums[i]!.watching(part))));
  const [first] = opened;
  const source: ByteSource = {
    name: first!.name,
    size: disk.size,
    access: 'random',
    ...(first!.modifiedAt === undefined ? {} : { modifiedAt: first!.modifiedAt }),
    read: (target, offset, signal) => disk.read(target, offset, signal),
    extents: (from, to, signal) => disk.extents(from, to, signal),
    async close() {
      await Promise.all([...new Set([...opened, beside])].map((one) => one.close()));
    },
  };
  return {
    source,
    async verify(signal) {
      for (const [i, { name, sha256 }] of list.parts.entries()) {
        if (sha256 === undefined) continue;
        const found = await sums[i]!.rest(() => again(name), signal);
        if (found !== sha256) throw wrongPart(list, opened[i]!, i, found);
      }
    },
  };
}

function wrongPart({ parts }: PartList, { name }: ByteSource, index: number, found: string): AppError {
  const other = parts.findIndex(({ sha256 }) => sha256 === found);
  const number = index + 1;
  const message =
    other < 0
      ? `part ${number} of ${parts.length} is damaged: its checksum is not the one in the list`
      : `part ${number} of ${parts.length} has the bytes of part ${other + 1}: they were swapped, or one was copied twice`;
  const hint =
    other < 0 ? 'fetch this part again' : 'give the parts their own names, or fetch this one again';
  return new AppError('corrupt', message, { where: name, hint });
}

/** The sum of a part, as far as it was read in order. */
class PartSum {
  readonly #size: number;
  readonly #hash: Hash = createHash('sha256');
  /** Asked for in order so far, and hashed. */
  #asked = 0;
  #hashed = 0;
  #turn: Promise<void> = Promise.resolve();
  #sum: Promise<string> | undefined;

  constructor(size: number) {
    this.#size = size;
  }

  watching(part: ByteSource): ByteSource {
    return {
      ...part,
      read: (target, offset, signal) => this.#read(part, target, offset, signal),
      ...(part.extents === undefined ? {} : { extents: part.extents.bind(part) }),
    };
  }

  #read(part: ByteSource, target: Uint8Array, offset: number, signal?: AbortSignal): Promise<void> {
    const end = offset + target.length;
    const from = this.#asked;
    // What is behind was hashed already, what is ahead is left to be read once more.
    if (this.#sum !== undefined || from < offset || from >= end) return part.read(target, offset, signal);
    this.#asked = end;
    const before = this.#turn;
    const reading = part.read(target, offset, signal);
    const done = Promise.all([reading, before]).then(() => {
      // One before it has failed: what it would have hashed is read again.
      if (this.#hashed !== from) return;
      this.#hash.update(target.subarray(from - offset));
      this.#hashed = end;
    });
    this.#turn = done.catch(() => undefined);
    return done;
  }

  /** With what has not been read yet. */
  rest(open: () => Promise<ByteSource>, signal: AbortSignal | undefined): Promise<string> {
    this.#sum ??= this.#whole(open, signal).catch((error) => {
      this.#sum = undefined;
      throw error;
    });
    return this.#sum;
  }

  async #whole(open: () => Promise<ByteSource>, signal: AbortSignal | undefined): Promise<string> {
    await this.#turn;
    if (this.#hashed < this.#size) {
      const part = await open();
      try {
        for (let at = this.#hashed; at < this.#size; at = this.#hashed) {
          const bytes = await readBytes(part, at, Math.min(blockBytes, this.#size - at), signal);
          this.#hash.update(bytes);
          this.#hashed = at + bytes.length;
        }
      } finally {
        await part.close();
      }
    }
    return this.#hash.copy().digest('hex');
  }
}

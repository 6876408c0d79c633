/** A sink whose bytes go into parts of one size, each a file of its own. */

import { AppError } from '../../model/errors.ts';
import { formatBytes, MiB } from '../../model/units.ts';
import type { ByteSink } from '../byte-source.ts';
import { mostParts, partName } from '../part-names.ts';
import { PartHash } from './part-hash.ts';
import type { PartList } from './part-list.ts';

export interface SplitOptions {
  readonly name: string;
  readonly partBytes: number;
  /** Nothing goes back: a part is whole when the next one is begun. */
  readonly forward: boolean;
  /** @throws AppError as a delivery's sink. */
  open(name: string): Promise<ByteSink>;
  /** When all parts are whole. */
  done(list: PartList): void;
}

/** @throws AppError `unsupported`. */
export function refuseTooMany(name: string, size: number, partBytes: number): void {
  if (size <= mostParts * partBytes) return;
  throw new AppError('unsupported', `more than ${mostParts} parts of ${formatBytes(partBytes)}`, {
    where: name,
    hint: 'choose larger parts',
  });
}

interface Part {
  readonly sink: Promise<ByteSink>;
  readonly hash: PartHash;
  /** Writes that are under way. */
  readonly writing: Set<Promise<void>>;
  finished?: Promise<string | undefined>;
}

/** The first part is begun at once: whether that can be is known then. */
export async function splitSink(options: SplitOptions): Promise<ByteSink> {
  const split = new Split(options);
  const first = await split.part(0).sink;
  return {
    name: first.name,
    access: options.forward ? 'forward' : first.access,
    write: (bytes, offset, signal) => split.write(bytes, offset, signal),
    finish: (size, modifiedAt) => split.finish(size, modifiedAt),
    abort: () => split.abort(),
  };
}

class Split {
  readonly #options: SplitOptions;
  readonly #parts: Part[] = [];
  /** Of a part that is nothing but zeros. */
  #emptyHash: string | undefined;

  constructor(options: SplitOptions) {
    this.#options = options;
  }

  /** Those before it are begun as well, in their order. @throws AppError `unsupported` for too many. */
  part(index: number): Part {
    const { name, partBytes, open } = this.#options;
    refuseTooMany(name, (index + 1) * partBytes, partBytes);
    while (this.#parts.length <= index) {
      const number = this.#parts.length;
      const before = this.#parts[number - 1]?.sink.then(() => undefined) ?? Promise.resolve();
      const sink = before.then(() => open(partName(name, number + 1)));
      sink.catch(() => undefined); // whoever writes to it is told
      this.#parts.push({ sink, hash: new PartHash(), writing: new Set() });
      if (this.#options.forward && number > 0)
        void this.#finishPart(number - 1, partBytes).catch(() => undefined);
    }
    return this.#parts[index]!;
  }

  async write(bytes: Uint8Array, offset: number, signal?: AbortSignal): Promise<void> {
    const { partBytes } = this.#options;
    const writes: Promise<void>[] = [];
    for (let done = 0; done < bytes.length; ) {
      const index = Math.floor((offset + done) / partBytes);
      const at = offset + done - index * partBytes;
      const piece = bytes.subarray(done, done + Math.min(bytes.length - done, partBytes - at));
      done += piece.length;
      const part = this.part(index);
      if (part.finished !== undefined) throw new AppError('bug', `a chunk goes back to part ${index + 1}`);
      part.hash.add(piece, at);
      const write = part.sink.then((sink) => sink.write(piece, at, signal));
      const settled = write.catch(() => undefined).then(() => void part.writing.delete(settled));
      part.writing.add(settled);
      writes.push(write);
    }
    await Promise.all(writes);
  }

  async finish(size: number, modifiedAt?: number): Promise<void> {
    const { name, partBytes, done } = this.#options;
    const count = Math.max(1, Math.ceil(size / partBytes));
    this.part(count - 1);
    const sizeOf = (index: number) => Math.min(partBytes, size - index * partBytes);
    const parts: PartList['parts'][number][] = [];
    for (const index of this.#parts.keys()) {
      const sha256 = await this.#finishPart(index, sizeOf(index), modifiedAt);
      parts.push({ name: partName(name, index + 1), size: sizeOf(index), sha256 });
    }
    done({ name, size, partBytes, parts });
  }

  async abort(): Promise<void> {
    for (const { sink, finished } of this.#parts) {
      await finished?.catch(() => undefined);
      await sink.then((opened) => opened.abort()).catch(() => undefined);
    }
  }

  #finishPart(index: number, size: number, modifiedAt?: number): Promise<string | undefined> {
    const part = this.#parts[index]!;
    part.finished ??= this.#finished(part, size, modifiedAt);
    return part.finished;
  }

  async #finished(part: Part, size: number, modifiedAt: number | undefined): Promise<string | undefined> {
    const sink = await part.sink;
    while (part.writing.size > 0) await Promise.all(part.writing);
    const sha256 = this.#hashOf(part.hash, size) ?? (await readBack(sink, size));
    await sink.finish(size, modifiedAt);
    return sha256;
  }

  #hashOf(hash: PartHash, size: number): string | undefined {
    const whole = size === this.#options.partBytes;
    if (!hash.isEmpty || !whole) return hash.end(size);
    this.#emptyHash ??= hash.end(size);
    return this.#emptyHash;
  }
}

/** What was put in place later changes what was there; undefined where the sink can't be read. */
async function readBack(sink: ByteSink, size: number): Promise<string | undefined> {
  if (sink.readBack === undefined) return undefined;
  const hash = new PartHash();
  const buffer = Buffer.allocUnsafe(Math.min(4 * MiB, size));
  for (let at = 0; at < size; at += buffer.length) {
    const bytes = buffer.subarray(0, Math.min(buffer.length, size - at));
    await sink.readBack(bytes, at);
    hash.add(bytes, at);
  }
  return hash.end(size);
}

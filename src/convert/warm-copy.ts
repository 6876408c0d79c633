/**
 * A disk's copy while its machine still runs: a sparse file of the disk's bytes, one for one, written at any place and
 * read back. Where the destination can take it as it is, it is what will be there.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { checkRange } from '../io/byte-source.ts';
import { type Extent, wholeExtent } from '../io/extents.ts';
import { FileIo } from '../io/file-io.ts';
import { punchHole, seekExtents } from '../io/sparse.ts';
import { AppError, toAppError } from '../model/errors.ts';
import { MiB } from '../model/units.ts';

const zeros = Buffer.alloc(MiB);

export class WarmCopy {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #io: FileIo;
  #size: number;
  #closed = false;

  /** @throws AppError `conflict`, `auth`, `no-space`. */
  static async make(path: string, size: number, mode: number): Promise<WarmCopy> {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
    const handle = await open(path, flags, mode).catch((error) => {
      throw toAppError(error);
    });
    const copy = new WarmCopy(path, handle, size);
    try {
      await copy.grow(size);
    } catch (error) {
      await copy.remove();
      throw error;
    }
    return copy;
  }

  private constructor(path: string, handle: FileHandle, size: number) {
    this.path = path;
    this.#handle = handle;
    this.#io = new FileIo(handle);
    this.#size = size;
  }

  get size(): number {
    return this.#size;
  }

  /** What is new is zeros. */
  async grow(size: number): Promise<void> {
    await this.#handle.truncate(size).catch((error) => {
      throw this.#failed(error);
    });
    this.#size = size;
  }

  async write(bytes: Uint8Array, offset: number): Promise<void> {
    checkRange({ name: this.path, size: this.#size }, offset, bytes.length);
    for (let done = 0; done < bytes.length; ) {
      done += await this.#io.writeAt(bytes, done, offset + done).catch((error) => {
        throw this.#failed(error);
      });
    }
  }

  async read(target: Uint8Array, offset: number): Promise<void> {
    checkRange({ name: this.path, size: this.#size }, offset, target.length);
    for (let done = 0; done < target.length; ) {
      const count = await this.#io.readAt(target, done, offset + done).catch((error) => {
        throw this.#failed(error);
      });
      if (count === 0)
        throw new AppError('io', 'the copy became shorter while it was written', { where: this.path });
      done += count;
    }
  }

  /** Takes the room back where the system can. */
  async zero(offset: number, length: number): Promise<void> {
    checkRange({ name: this.path, size: this.#size }, offset, length);
    if (length === 0 || punchHole(this.#handle.fd, offset, length)) return;
    const end = offset + length;
    for (let at = offset; at < end; at += zeros.length) {
      await this.write(zeros.subarray(0, Math.min(zeros.length, end - at)), at);
    }
  }

  /** Where it may hold anything but zeros. */
  extents(from: number, to: number): Extent[] {
    return seekExtents(this.#handle.fd, from, to) ?? wholeExtent('data', from, to);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#io.close();
  }

  /** Closes it, and takes it away unless it was moved to where it belongs. Never throws. */
  async remove(): Promise<void> {
    await this.close().catch(() => undefined);
    await rm(this.path, { force: true }).catch(() => undefined);
  }

  #failed(error: unknown): AppError {
    const { kind, message, hint } = toAppError(error);
    return new AppError(kind, message, {
      where: this.path,
      cause: error,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

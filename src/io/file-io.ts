/**
 * Reads and writes at a place of an open file, by callbacks: their promises cost half as much as a FileHandle's.
 * As with that, closing waits for what is under way: a descriptor may be another file's right after.
 */
import { read, write } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';

export class FileIo {
  readonly #handle: FileHandle;
  #underWay = 0;
  #idle: (() => void) | undefined;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** Fills `target` from its byte `from` on; resolves to the bytes read: 0 at the end of the file. */
  readAt(target: Uint8Array, from: number, offset: number): Promise<number> {
    return this.#run((done) => read(this.#handle.fd, target, from, target.length - from, offset, done));
  }

  /** Writes `bytes` from its byte `from` on; resolves to the bytes written. */
  writeAt(bytes: Uint8Array, from: number, offset: number): Promise<number> {
    return this.#run((done) => write(this.#handle.fd, bytes, from, bytes.length - from, offset, done));
  }

  async close(): Promise<void> {
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    await this.#handle.close();
  }

  #run(start: (done: (error: Error | null, count: number) => void) => void): Promise<number> {
    return new Promise((resolve, reject) => {
      start((error, count) => {
        this.#underWay--;
        if (this.#underWay === 0) this.#idle?.();
        if (error === null) resolve(count);
        else reject(error);
      });
      this.#underWay++; // after a start that throws there is nothing under way
    });
  }
}

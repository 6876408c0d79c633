/** SHA-256 of a part while it is written from its start to its end; gaps are zeros. */
import { createHash } from 'node:crypto';
import { MiB } from '../../model/units.ts';

const zeros = Buffer.alloc(MiB);

export class PartHash {
  readonly #hash = createHash('sha256');
  #at = 0;
  #inOrder = true;

  /** In the order of the calls. */
  add(bytes: Uint8Array, offset: number): void {
    if (!this.#inOrder) return;
    if (offset < this.#at) {
      this.#inOrder = false;
      return;
    }
    this.#zerosTo(offset);
    this.#hash.update(bytes);
    this.#at = offset + bytes.length;
  }

  /** Undefined where something was written at a place before. */
  end(size: number): string | undefined {
    if (!this.#inOrder || this.#at > size) return undefined;
    this.#zerosTo(size);
    return this.#hash.digest('hex');
  }

  /** Nothing was written but gaps. */
  get isEmpty(): boolean {
    return this.#at === 0 && this.#inOrder;
  }

  #zerosTo(offset: number): void {
    for (; this.#at < offset; this.#at += zeros.length)
      this.#hash.update(zeros.subarray(0, Math.min(zeros.length, offset - this.#at)));
    this.#at = offset;
  }
}

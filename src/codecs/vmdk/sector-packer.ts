/** Packs pieces, each starting at a sector and padded to a whole one, into chunks of about 1 MiB. */
import type { Chunk } from '../../io/encoded-file.ts';
import { MiB } from '../../model/units.ts';
import { sectorBytes } from './layout.ts';

const chunkBytes = MiB;

export class SectorPacker {
  readonly #pool: Buffer[] = [];
  #full: Chunk[] = [];
  #buffer: Buffer | undefined;
  #used = 0;
  #at = 0;

  /** Where the next piece will lie. */
  get sector(): number {
    return (this.#at + this.#used) / sectorBytes;
  }

  append(...parts: readonly Uint8Array[]): void {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const whole = Math.ceil(length / sectorBytes) * sectorBytes;
    for (const part of parts) this.#put(part);
    this.#put(zeros.subarray(0, whole - length));
  }

  /** The chunks that are complete. */
  full(): readonly Chunk[] {
    const full = this.#full;
    this.#full = [];
    return full;
  }

  /** All that is left. */
  rest(): readonly Chunk[] {
    this.#close();
    return this.full();
  }

  #put(part: Uint8Array): void {
    for (let done = 0; done < part.length; ) {
      this.#buffer ??= this.#pool.pop() ?? Buffer.allocUnsafe(chunkBytes);
      const count = Math.min(part.length - done, chunkBytes - this.#used);
      this.#buffer.set(part.subarray(done, done + count), this.#used);
      this.#used += count;
      done += count;
      if (this.#used === chunkBytes) this.#close();
    }
  }

  #close(): void {
    const buffer = this.#buffer;
    if (buffer === undefined) return;
    this.#full.push({
      offset: this.#at,
      bytes: buffer.subarray(0, this.#used),
      release: () => void this.#pool.push(buffer),
    });
    this.#at += this.#used;
    this.#used = 0;
    this.#buffer = undefined;
  }
}

const zeros = new Uint8Array(sectorBytes);

/**
 * Buffers of one size, used again and again: a fresh one per block costs page faults, and the collector runs for
 * each 64 MiB of them.
 */
export class BufferPool {
  readonly bytes: number;
  readonly #free: Buffer[] = [];

  constructor(bytes: number) {
    this.bytes = bytes;
  }

  /** A buffer with unknown content. */
  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.bytes);
  }

  /** Nobody may use the buffer any more. */
  give(buffer: Buffer): void {
    this.#free.push(buffer);
  }
}

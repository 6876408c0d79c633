/** A socket read by exact counts, and written with back-pressure: what both sides of the protocol stand on. */
import type { Duplex } from 'node:stream';
import { AppError } from '../../model/errors.ts';
import { KiB, MiB } from '../../model/units.ts';

/** Received and not yet asked for: past this the other side waits. */
const mostWaiting = MiB;

export class ByteStream {
  readonly #socket: Duplex;
  readonly #where: string;
  readonly #chunks: Buffer[] = [];
  #waiting = 0;
  #ended: AppError | undefined;
  #wake: (() => void) | undefined;
  #drained: (() => void)[] = [];

  constructor(socket: Duplex, where: string) {
    this.#socket = socket;
    this.#where = where;
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onEnd);
    socket.on('error', this.#onError);
    socket.on('drain', this.#onDrain);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#chunks.push(chunk);
    this.#waiting += chunk.length;
    if (this.#waiting > mostWaiting) this.#socket.pause();
    this.#wake?.();
  };
  readonly #onEnd = (): void => this.fail(lostLink(this.#where));
  readonly #onError = (error: Error): void => this.fail(lostLink(this.#where, error));
  readonly #onDrain = (): void => {
    const waiting = this.#drained;
    this.#drained = [];
    for (const go of waiting) go();
  };

  /** Whoever reads or waits is told; what has arrived can still be read. */
  fail(error: AppError): void {
    this.#ended ??= error;
    this.#wake?.();
    this.#onDrain();
  }

  /**
   * Hands over the next `length` bytes in the pieces in which they came; a piece is good until `take` returns.
   * @throws AppError `unreachable` when the other side ends before.
   */
  async each(length: number, take: (bytes: Buffer, at: number) => void): Promise<void> {
    for (let done = 0; done < length; ) {
      const chunk = this.#chunks[0];
      if (chunk === undefined) {
        if (this.#ended !== undefined) throw this.#ended;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
        continue;
      }
      const part = chunk.subarray(0, length - done);
      if (part.length === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(part.length);
      this.#waiting -= part.length;
      if (this.#socket.isPaused() && this.#waiting <= mostWaiting / 2) this.#socket.resume();
      take(part, done);
      done += part.length;
    }
  }

  /** The next bytes; `length` must be bounded by the caller. @throws AppError `unreachable`. */
  async bytes(length: number): Promise<Buffer> {
    const target = Buffer.allocUnsafe(length);
    await this.each(length, (part, at) => void target.set(part, at));
    return target;
  }

  /** Bytes that nobody wants. */
  skip(length: number): Promise<void> {
    return this.each(length, () => undefined);
  }

  /** Sends the parts, nothing of others in between. Resolves when there is room for more. */
  async send(...parts: Uint8Array[]): Promise<void> {
    if (this.#ended !== undefined) throw this.#ended;
    const small = parts.length > 1 && parts.reduce((sum, part) => sum + part.length, 0) <= 64 * KiB;
    let room = true;
    if (small) room = this.#socket.write(Buffer.concat(parts));
    else {
      this.#socket.cork();
      for (const part of parts) if (part.length > 0) room = this.#socket.write(part);
      this.#socket.uncork();
    }
    if (room) return;
    await new Promise<void>((resolve) => this.#drained.push(resolve));
    if (this.#ended !== undefined) throw this.#ended;
  }

  /**
   * Leaves the socket to another reader, such as TLS.
   * @throws AppError `corrupt` for bytes that came too early: somebody in between may have put them there.
   */
  release(): Duplex {
    if (this.#waiting > 0) {
      throw new AppError('corrupt', 'bytes in plain text follow the word to begin TLS', {
        where: this.#where,
      });
    }
    this.#socket.pause();
    this.#socket.off('data', this.#onData);
    this.#socket.off('end', this.#onEnd);
    this.#socket.off('close', this.#onEnd);
    this.#socket.off('error', this.#onError);
    this.#socket.off('drain', this.#onDrain);
    return this.#socket;
  }
}

export const lostLink = (where: string, cause?: unknown): AppError =>
  new AppError('unreachable', 'NBD: the connection was lost', {
    where,
    hint: 'check that the server still runs and the network, then try again',
    ...(cause === undefined ? {} : { cause }),
  });

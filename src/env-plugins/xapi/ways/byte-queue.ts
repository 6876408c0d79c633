/** A transfer's bytes by exact counts. */
import { throwIfAborted } from '../../../io/in-order.ts';
import { AppError } from '../../../model/errors.ts';
import type { Transfer } from './transfer.ts';

export class ByteQueue {
  readonly #transfer: Transfer;
  readonly #where: string;
  readonly #signal: AbortSignal;
  #piece: Uint8Array = new Uint8Array(0);
  /** Bytes that were taken. */
  at = 0;

  constructor(transfer: Transfer, where: string, signal: AbortSignal) {
    this.#transfer = transfer;
    this.#where = where;
    this.#signal = signal;
  }

  /** From 1 to `most` bytes, as they came. @throws AppError `unreachable` at the end of the transfer. */
  async some(most: number): Promise<Uint8Array> {
    while (this.#piece.length === 0) {
      throwIfAborted(this.#signal);
      // Where there must be more, an end is an error.
      this.#piece = (await this.#transfer.next(true))!;
    }
    const taken = this.#piece.subarray(0, most);
    this.#piece = this.#piece.subarray(taken.length);
    this.at += taken.length;
    return taken;
  }

  /** `length` is bounded by the caller. */
  async exactly(length: number): Promise<Buffer> {
    const target = Buffer.allocUnsafe(length);
    for (let filled = 0; filled < length; ) {
      const bytes = await this.some(length - filled);
      target.set(bytes, filled);
      filled += bytes.length;
    }
    return target;
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0; ) left -= (await this.some(left)).length;
  }

  /** Reads on to the end, where zeros may fill it up. @throws AppError `corrupt` when more comes than is known of. */
  async end(mostPadding: number): Promise<void> {
    const known = this.at;
    let next: Uint8Array | undefined = this.#piece;
    for (; next !== undefined; next = await this.#transfer.next()) {
      throwIfAborted(this.#signal);
      this.at += next.length;
      if (this.at - known <= mostPadding && next.every((byte) => byte === 0)) continue;
      throw new AppError('corrupt', `the server sends more than the ${known} bytes that it tells of`, {
        where: this.#where,
        hint: 'the disk was made larger meanwhile, or its record there is wrong: list the machine again',
      });
    }
  }
}

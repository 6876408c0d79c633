/** LZO1X, as Linux Documentation/staging/lzo.rst describes the stream (version 0). */
import { AppError } from '../../../model/errors.ts';

/** Fills `out` from its start. @returns how many bytes came out. @throws AppError `corrupt`. */
export function unpackLzo(bytes: Buffer, out: Buffer): number {
  const stream = new Stream(bytes, out);
  // How many literals the last instruction had: 0, 1 to 3, or 4 for more.
  let state = 0;
  const first = bytes[0] ?? 0;
  if (first > 17) {
    stream.at = 1;
    stream.literals(first - 17);
    state = Math.min(first - 17, 4);
  }
  for (;;) {
    const code = stream.byte();
    if (code >= 16) {
      const match = stream.longMatch(code);
      if (match === undefined) return stream.to;
      state = match;
    } else if (state === 0) {
      stream.literals(3 + (code === 0 ? 15 + stream.long() : code));
      state = 4;
    } else {
      const high = stream.byte() << 2;
      const near = high + (code >> 2) + 1;
      if (state === 4) stream.copy(3, near + 2048);
      else stream.copy(2, near);
      state = code & 3;
      stream.literals(state);
    }
  }
}

class Stream {
  at = 0;
  to = 0;
  readonly #bytes: Buffer;
  readonly #out: Buffer;

  constructor(bytes: Buffer, out: Buffer) {
    this.#bytes = bytes;
    this.#out = out;
  }

  byte(): number {
    if (this.at >= this.#bytes.length) throw new AppError('corrupt', 'LZO: it is cut short');
    return this.#bytes[this.at++]!;
  }

  /** A length that did not fit: 255 for each zero, and the byte behind them. */
  long(): number {
    let zeros = 0;
    let last = this.byte();
    for (; last === 0; last = this.byte()) zeros++;
    return zeros * 255 + last;
  }

  literals(count: number): void {
    if (this.at + count > this.#bytes.length || this.to + count > this.#out.length)
      throw new AppError('corrupt', `LZO: ${count} literals at ${this.to}`);
    this.#bytes.copy(this.#out, this.to, this.at, this.at + count);
    this.at += count;
    this.to += count;
  }

  copy(count: number, distance: number): void {
    if (distance > this.to || this.to + count > this.#out.length)
      throw new AppError('corrupt', `LZO: ${count} bytes from ${distance} back, at ${this.to}`);
    for (let i = 0; i < count; i++, this.to++) this.#out[this.to] = this.#out[this.to - distance]!;
  }

  /** Instructions from 16 on. @returns the literals behind it; undefined at the end of the stream. */
  longMatch(code: number): number | undefined {
    if (code >= 64) {
      const distance = (this.byte() << 3) + ((code >> 2) & 7) + 1;
      this.copy((code >> 5) + 1, distance);
      this.literals(code & 3);
      return code & 3;
    }
    const lengthBits = code >= 32 ? 31 : 7;
    const short = code & lengthBits;
    const length = 2 + (short === 0 ? lengthBits + this.long() : short);
    const word = this.byte() + this.byte() * 256;
    const far = code >= 32 ? 1 : 16384 + ((code & 8) << 11);
    const distance = far + (word >> 2);
    if (code < 32 && distance === 16384) return undefined;
    this.copy(length, distance);
    this.literals(word & 3);
    return word & 3;
  }
}

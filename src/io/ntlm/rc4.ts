/** RC4 (RFC 6229 has its test vectors), for NTLM alone: OpenSSL 3 leaves it out. */

export class Rc4 {
  readonly #state = Uint8Array.from({ length: 256 }, (_, index) => index);
  #i = 0;
  #j = 0;

  constructor(key: Uint8Array) {
    const state = this.#state;
    for (let i = 0, j = 0; i < 256; i++) {
      j = (j + state[i]! + key[i % key.length]!) & 255;
      [state[i], state[j]] = [state[j]!, state[i]!];
    }
  }

  /** Encrypts, or decrypts, as the next part of the stream. */
  apply(bytes: Uint8Array): Buffer {
    const state = this.#state;
    const result = Buffer.allocUnsafe(bytes.length);
    let i = this.#i;
    let j = this.#j;
    for (let at = 0; at < bytes.length; at++) {
      i = (i + 1) & 255;
      const x = state[i]!;
      j = (j + x) & 255;
      const y = state[j]!;
      state[i] = y;
      state[j] = x;
      result[at] = bytes[at]! ^ state[(x + y) & 255]!;
    }
    this.#i = i;
    this.#j = j;
    return result;
  }
}

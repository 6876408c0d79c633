/** Numbers and bytes that look random and are the same in every run. */

/** Numbers in [0, 1) from a seed: a 32-bit mixing generator. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let x = state;
    x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
    return ((x ^ (x >>> 15)) >>> 0) / 2 ** 32;
  };
}

/** Bytes that can't be compressed. */
export function randomBytes(length: number, seed: number): Buffer {
  const random = randomNumbers(seed);
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let i = 0; i < words.length; i++) words[i] = random() * 2 ** 32;
  return Buffer.from(words.buffer, 0, length);
}

/** Bytes that compress to about a quarter, with no zero among them. */
export function textBytes(length: number, seed: number): Buffer {
  const random = randomNumbers(seed);
  const words = ['ferry ', 'harbour ', 'crane ', 'tide ', 'cargo ', 'deck ', 'rope ', 'lighthouse '];
  const out = Buffer.alloc(length, '.');
  for (let at = 0; at < length; )
    at += out.write(words[Math.floor(random() * words.length)]!, at, 'latin1') || 1;
  return out;
}

/** The items in another order. */
export function shuffled<T>(items: readonly T[], seed: number): T[] {
  const random = randomNumbers(seed);
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}

/** MD4 (RFC 1320), for NTLM alone: OpenSSL 3 leaves it out. It protects nothing. */

const shifts = [
  [3, 7, 11, 19],
  [3, 5, 9, 13],
  [3, 9, 11, 15],
] as const;
const thirdOrder = [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15];
const rotate = (x: number, by: number): number => (x << by) | (x >>> (32 - by));

export function md4(message: Uint8Array): Buffer {
  const padded = Buffer.alloc((Math.floor((message.length + 8) / 64) + 1) * 64);
  padded.set(message);
  padded[message.length] = 0x80;
  padded.writeBigUInt64LE(BigInt(message.length) * 8n, padded.length - 8);
  const state = new Uint32Array([0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476]);
  for (let at = 0; at < padded.length; at += 64) addBlock(state, padded.subarray(at, at + 64));
  const digest = Buffer.alloc(16);
  for (const [index, word] of state.entries()) digest.writeUInt32LE(word, index * 4);
  return digest;
}

/** 3.4: three rounds of sixteen operations; after each one the four words change places. */
function addBlock(state: Uint32Array, block: Buffer): void {
  let [a, b, c, d] = state as unknown as [number, number, number, number];
  for (let step = 0; step < 48; step++) {
    const round = step >> 4;
    const index = step & 15;
    const [mixed, word, constant] =
      round === 0
        ? [(b & c) | (~b & d), index, 0]
        : round === 1
          ? [(b & c) | (b & d) | (c & d), (index >> 2) | ((index & 3) << 2), 0x5a827999]
          : [b ^ c ^ d, thirdOrder[index]!, 0x6ed9eba1];
    const sum = (a + mixed + block.readUInt32LE(word * 4) + constant) | 0;
    [a, b, c, d] = [d, rotate(sum, shifts[round]![index & 3]!), b, c];
  }
  state.set([state[0]! + a, state[1]! + b, state[2]! + c, state[3]! + d]);
}

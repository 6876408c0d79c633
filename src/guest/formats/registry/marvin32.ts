/** Marvin32, the checksum of registry logs, over 32-bit words, little endian (patent US 20130262421, figure 4). */

/** The seed that hives use. */
const hiveSeed = { low: 0x884def82, high: 0xc5554e7a };

const rotated = (value: number, by: number) => (value << by) | (value >>> (32 - by)) | 0;

export function marvin32(bytes: Buffer, { low, high }: { low: number; high: number } = hiveSeed): bigint {
  let a = low | 0;
  let b = high | 0;
  const mix = () => {
    b ^= a;
    a = (rotated(a, 20) + b) | 0;
    b = rotated(b, 9) ^ a;
    a = (rotated(a, 27) + b) | 0;
    b = rotated(b, 19);
  };
  let at = 0;
  for (; at + 4 <= bytes.length; at += 4) {
    a = (a + bytes.readInt32LE(at)) | 0;
    mix();
  }
  // What is left, ended by one 0x80.
  let end = 0x80;
  for (let i = bytes.length - 1; i >= at; i--) end = (end << 8) | bytes[i]!;
  a = (a + end) | 0;
  mix();
  mix();
  return (BigInt(b >>> 0) << 32n) | BigInt(a >>> 0);
}

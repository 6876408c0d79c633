/**
 * ADC, "Apple Data Compression", of the first UDIF images: literals, and copies of what came before with a distance
 * of 10 or 16 bits. The first byte of each tells which.
 */
import { AppError } from '../../model/errors.ts';

/** @throws AppError `corrupt` when it is not exactly `length` bytes. */
export function unadc(stored: Buffer, length: number, where: string): Buffer {
  const out = Buffer.alloc(length);
  const damaged = (message: string) => new AppError('corrupt', `ADC: ${message}`, { where });
  let at = 0;
  let filled = 0;
  // A padding byte may follow; what is there is enough when the chunk is full.
  while (filled < length) {
    if (at >= stored.length) throw damaged(`${filled} bytes, expected ${length}`);
    const code = stored[at]!;
    if (code >= 0x80) {
      const count = (code & 0x7f) + 1;
      if (at + 1 + count > stored.length || filled + count > length) throw damaged('literals past the end');
      stored.copy(out, filled, at + 1, at + 1 + count);
      at += 1 + count;
      filled += count;
      continue;
    }
    const long = code >= 0x40;
    if (at + (long ? 3 : 2) > stored.length) throw damaged('it is cut short');
    const count = long ? (code & 0x3f) + 4 : (code >> 2) + 3;
    const distance = (long ? stored.readUInt16BE(at + 1) : ((code & 3) << 8) | stored[at + 1]!) + 1;
    if (distance > filled || filled + count > length) throw damaged('a copy from outside');
    for (let i = 0; i < count; i++) out[filled + i] = out[filled - distance + i]!;
    at += long ? 3 : 2;
    filled += count;
  }
  return out;
}

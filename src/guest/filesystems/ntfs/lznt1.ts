/** LZNT1: chunks of 4096 bytes, each with a header. [MS-XCA] 2.5. */
import { AppError } from '../../../model/errors.ts';

const chunkBytes = 4096;

/** Fills `target`; what the chunks don't reach is zeros. @throws AppError `corrupt`. */
export function unpackLznt1(bytes: Buffer, target: Buffer): void {
  let from = 0;
  let to = 0;
  for (; to < target.length && from + 2 <= bytes.length; to += chunkBytes) {
    const header = bytes.readUInt16LE(from);
    if (header === 0) break;
    const end = from + 2 + (header & 0xfff) + 1;
    if (end > bytes.length) throw new AppError('corrupt', 'LZNT1: a chunk goes past the end');
    const chunk = bytes.subarray(from + 2, end);
    const out = target.subarray(to, to + chunkBytes);
    if ((header & 0x8000) === 0) out.fill(0, chunk.copy(out));
    else out.fill(0, unpackChunk(chunk, out));
    from = end;
  }
  target.fill(0, Math.min(to, target.length));
}

/** Eight tokens follow each byte of flags: a literal, or 16 bits of distance and length, parted by the position. */
function unpackChunk(chunk: Buffer, out: Buffer): number {
  let at = 0;
  let to = 0;
  while (at < chunk.length) {
    let flags = chunk[at++]!;
    for (let i = 0; i < 8 && at < chunk.length; i++, flags >>= 1) {
      if ((flags & 1) === 0) {
        if (to >= out.length) throw new AppError('corrupt', 'LZNT1: a chunk holds more than 4096 bytes');
        out[to++] = chunk[at++]!;
        continue;
      }
      if (at + 2 > chunk.length) throw new AppError('corrupt', 'LZNT1: a cut token');
      const token = chunk.readUInt16LE(at);
      at += 2;
      const lengthBits = 12 - Math.max(0, 28 - Math.clz32(Math.max(0, to - 1)));
      const distance = (token >> lengthBits) + 1;
      const length = (token & (2 ** lengthBits - 1)) + 3;
      if (distance > to || to + length > out.length)
        throw new AppError('corrupt', `LZNT1: ${length} bytes from ${distance} back, at ${to}`);
      for (let n = 0; n < length; n++, to++) out[to] = out[to - distance]!;
    }
  }
  return to;
}

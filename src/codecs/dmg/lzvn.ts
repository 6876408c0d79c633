/**
 * LZVN, Apple's fast byte-wise compression, as it is found in LZFSE streams. Each operation is some literals and a
 * copy; its first byte says how the numbers of both, and the distance, are laid out:
 *
 *   LLMMMDDD DDDDDDDD            L literals, a copy of M + 3 from distance D (DDD up to 5)
 *   LLMMM110                     … from the distance before
 *   LLMMM111 D16                 … from a distance of 16 bits, little-endian
 *   101LLMMM DDDDDDMM DDDDDDDD   … of M + 3 (the low bits of M are in the second byte)
 *   1110LLLL | 11100000 L8       only literals: L, or L8 + 16
 *   1111MMMM | 11110000 M8       only a copy: M, or M8 + 16, from the distance before
 *   00000110                     the end, 8 bytes long; 0000E and 00016 (hexadecimal) do nothing
 */
import type { Window } from './lzfse.ts';

const end = 0x06;
const nothing = [0x0e, 0x16];

/** Decodes up to the end mark. `stored` is the block's payload; throws by `damaged` for what is none. */
export function unlzvn(stored: Buffer, out: Window, damaged: (message: string) => Error): void {
  let at = 0;
  let distance = 0;
  const byte = (offset: number): number => {
    const value = stored[at + offset];
    if (value === undefined) throw damaged('LZVN is cut short');
    return value;
  };
  const apply = (operationBytes: number, literals: number, copied: number): void => {
    at += operationBytes;
    if (at + literals > stored.length) throw damaged('LZVN literals past the end');
    out.literals(stored, at, literals);
    at += literals;
    if (copied > 0) out.copy(distance, copied);
  };
  for (;;) {
    const code = byte(0);
    if (code === end) return;
    if (nothing.includes(code)) {
      at++;
    } else if (code >= 0xf0) {
      if (code === 0xf0) apply(2, 0, byte(1) + 16);
      else apply(1, 0, code & 15);
    } else if (code >= 0xe0) {
      if (code === 0xe0) apply(2, byte(1) + 16, 0);
      else apply(1, code & 15, 0);
    } else if (code >= 0xa0 && code < 0xc0) {
      const word = byte(1) | (byte(2) << 8);
      distance = word >> 2;
      apply(3, (code >> 3) & 3, (((code & 7) << 2) | (word & 3)) + 3);
    } else {
      const literals = code >> 6;
      const low = code & 7;
      const undefinedCode = (code & 0xf0) === 0x70 || (code & 0xf0) === 0xd0 || (literals === 0 && low === 6);
      if (undefinedCode) throw damaged(`LZVN operation 0x${code.toString(16)}`);
      if (low === 7) distance = byte(1) | (byte(2) << 8);
      else if (low !== 6) distance = (low << 8) | byte(1);
      apply(low === 7 ? 3 : low === 6 ? 1 : 2, literals, ((code >> 3) & 7) + 3);
    }
  }
}

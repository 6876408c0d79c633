/** The plain bytes of what is encrypted sector by sector. */
import { type ByteSource, checkRange } from '../byte-source.ts';
import type { SectorCipher } from './sector-cipher.ts';

/** Decrypted at once: it is done on this thread. */
const stepBytes = 256 * 1024;
const numberedBytes = 512;

/** The bytes of `source`, whose sectors of `sectorBytes` are numbered from its start, the first with `first`. */
export function decrypted(
  source: Pick<ByteSource, 'name' | 'size' | 'read'>,
  decrypt: SectorCipher,
  { sectorBytes = 512, first = 0 } = {},
): Pick<ByteSource, 'read'> {
  return {
    async read(target, offset, signal) {
      checkRange(source, offset, target.length);
      for (let done = 0; done < target.length; ) {
        const at = offset + done;
        const inside = at % sectorBytes;
        const length = Math.min(target.length - done, stepBytes - inside);
        const whole = inside === 0 && length % sectorBytes === 0;
        const bytes = whole
          ? target.subarray(done, done + length)
          : Buffer.allocUnsafe(Math.ceil((inside + length) / sectorBytes) * sectorBytes);
        await source.read(bytes, at - inside, signal);
        decrypt(bytes, first + (at - inside) / numberedBytes);
        if (!whole) target.set(bytes.subarray(inside, inside + length), done);
        done += length;
      }
    },
  };
}

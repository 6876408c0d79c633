/** The bitmap in pages, the most recently used of them kept, and runs of equal bits. */
import type { ByteSource } from '../../io/byte-source.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { AppError } from '../../model/errors.ts';
import { KiB } from '../../model/units.ts';
import { type Piece, pushPiece } from '../mapped-disk.ts';
import type { Header } from './header.ts';

const pageBytes = 64 * KiB;
const pagesKept = 64;

/** The layer's pieces: sectors of this file, and holes. */
export function bitmapPieces(source: ByteSource, header: Header) {
  const kept = new Map<number, Buffer>();
  const page = async (index: number, signal: AbortSignal | undefined): Promise<Buffer> => {
    let bits = kept.get(index);
    if (bits === undefined) {
      const at = index * pageBytes;
      // Bits that the bitmap does not have are clear.
      const there = Math.max(0, Math.min(pageBytes, header.bitmapBytes - at));
      bits = Buffer.alloc(pageBytes);
      if (there > 0) await source.read(bits.subarray(0, there), header.bitmapOffset + at, signal);
    }
    kept.delete(index);
    kept.set(index, bits);
    if (kept.size > pagesKept) kept.delete(kept.keys().next().value!);
    return bits;
  };
  const covered = pageBytes * 8 * header.sectorBytes;
  return async function* pieces(from: number, to: number, signal?: AbortSignal): AsyncGenerator<Piece[]> {
    for (let at = from; at < to; ) {
      throwIfAborted(signal);
      const index = Math.floor(at / covered);
      const end = Math.min(to, (index + 1) * covered);
      yield runsOf(await page(index, signal), index * covered, at, end, source, header);
      at = end;
    }
  };
}

function runsOf(
  bits: Buffer,
  start: number,
  from: number,
  to: number,
  source: ByteSource,
  header: Header,
): Piece[] {
  const { sectorBytes, dataOffset } = header;
  const out: Piece[] = [];
  const last = Math.ceil((to - start) / sectorBytes);
  for (let at = from; at < to; ) {
    const bit = Math.floor((at - start) / sectorBytes);
    const set = isSet(bits, bit);
    const end = Math.min(to, start + nextOther(bits, bit, last, set) * sectorBytes);
    if (set && dataOffset + end > source.size) {
      throw new AppError(
        'corrupt',
        `bytes ${at} to ${end} of the disk lie past the end of the file (${source.size})`,
        { where: source.name, hint: 'the file is cut short; fetch it again' },
      );
    }
    pushPiece(out, set ? 'data' : 'hole', at, end - at, dataOffset + at);
    at = end;
  }
  return out;
}

const isSet = (bits: Buffer, bit: number): boolean => ((bits[bit >> 3]! >> (bit & 7)) & 1) === 1;

/** The first bit from `bit` on that is not `set`, at most `end`; whole bytes are passed over. */
function nextOther(bits: Buffer, bit: number, end: number, set: boolean): number {
  const same = set ? 0xff : 0;
  let at = bit;
  while (at < end) {
    if ((at & 7) === 0 && bits[at >> 3] === same) at += 8;
    else if (isSet(bits, at) === set) at++;
    else return at;
  }
  return end;
}

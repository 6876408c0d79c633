/** Several disks of one size as one, a stripe of each in turn. */
import { checkRange } from '../../io/byte-source.ts';
import type { Disk } from '../../io/disk.ts';
import { type Extent, ExtentList } from '../../io/extents.ts';

/** Each leg has at least its share of `size`. Closing it closes nothing. */
export function striped(legs: readonly Disk[], stripeBytes: number, size: number): Disk {
  const rowBytes = legs.length * stripeBytes;
  /** Up to where a leg has been passed when the whole is read up to `offset`. */
  const legOffset = (leg: number, offset: number) => {
    const row = Math.floor(offset / rowBytes);
    const inside = Math.max(0, Math.min(stripeBytes, offset - row * rowBytes - leg * stripeBytes));
    return row * stripeBytes + inside;
  };
  /** Calls back for each piece of a stripe in [from, to). */
  const pieces = (
    from: number,
    to: number,
    call: (leg: number, at: number, offset: number, length: number) => void,
  ) => {
    for (let at = from; at < to; ) {
      const stripe = Math.floor(at / stripeBytes);
      const length = Math.min(to, (stripe + 1) * stripeBytes) - at;
      const leg = stripe % legs.length;
      call(leg, legOffset(leg, at), at, length);
      at += length;
    }
  };
  return {
    size,
    sectorSize: Math.max(...legs.map((leg) => leg.sectorSize)),
    async read(target, offset, signal) {
      checkRange({ name: 'striped disk', size }, offset, target.length);
      const end = offset + target.length;
      // Neighbouring stripes of one leg are read at once.
      const parts = await Promise.all(
        legs.map(async (disk, i) => {
          const from = legOffset(i, offset);
          const bytes = Buffer.allocUnsafe(legOffset(i, end) - from);
          if (bytes.length > 0) await disk.read(bytes, from, signal);
          return { from, bytes };
        }),
      );
      pieces(offset, end, (leg, at, place, length) => {
        const { from, bytes } = parts[leg]!;
        target.set(bytes.subarray(at - from, at - from + length), place - offset);
      });
    },
    async extents(from, to, signal) {
      const found = await Promise.all(
        legs.map((disk, i) => {
          const [a, b] = [legOffset(i, from), legOffset(i, to)];
          return a === b ? [] : disk.extents(a, b, signal);
        }),
      );
      const next = legs.map(() => 0);
      const out = new ExtentList(from);
      pieces(from, to, (leg, at, _offset, length) => {
        next[leg] = pushPart(out, found[leg]!, next[leg]!, at, length);
      });
      return out.list;
    },
    async close() {
      // nothing is held
    },
  };
}

/** Pushes what [at, at + length) consists of; `index` is where to look from, and what is returned for the next call. */
function pushPart(
  out: ExtentList,
  extents: readonly Extent[],
  index: number,
  at: number,
  length: number,
): number {
  const end = at + length;
  let i = index;
  for (let done = at; done < end; ) {
    const extent = extents[i]!;
    const until = Math.min(end, extent.offset + extent.length);
    if (until > done) out.push(extent.kind, until - done);
    done = Math.max(done, until);
    if (done < end) i++;
  }
  return i;
}

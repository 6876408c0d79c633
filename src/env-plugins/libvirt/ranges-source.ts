/** A file that can only be read by commands, each of which gives a range of it. */
import { type ByteSource, checkRange } from '../../io/byte-source.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { KiB, MiB } from '../../model/units.ts';

type Fetch = (offset: number, length: number, signal: AbortSignal | undefined) => Promise<Buffer>;

interface Range {
  readonly offset: number;
  readonly length: number;
  readonly bytes: Promise<Buffer>;
}

/** Each fetch is a process of its own: near ones are made one, and what follows on is fetched in large pieces. */
export const smallFetch = 256 * KiB;
const largeFetch = 8 * MiB;
const rangesKept = 6;

/** A source whose bytes come by commands, each giving one range that starts at a multiple of `smallFetch`. */
export function rangesSource(name: string, size: number, fetch: Fetch): ByteSource {
  let kept: Range[] = [];
  const rangeFor = (at: number, end: number, signal: AbortSignal | undefined): Range => {
    const found = kept.find((r) => r.offset <= at && at < r.offset + r.length);
    if (found !== undefined) {
      kept = [...kept.filter((r) => r !== found), found];
      return found;
    }
    const offset = at - (at % smallFetch);
    const follows = kept.some((r) => r.offset + r.length === offset);
    const wanted = Math.min(largeFetch, Math.ceil((end - offset) / smallFetch) * smallFetch);
    const length = Math.min(follows ? largeFetch : wanted, size - offset);
    const range: Range = { offset, length, bytes: fetch(offset, length, signal) };
    kept = [...kept, range].slice(-rangesKept);
    // A failed fetch is not kept: the next one may do better.
    range.bytes.catch(() => {
      kept = kept.filter((r) => r !== range);
    });
    return range;
  };
  const source: ByteSource = {
    name,
    size,
    access: 'random',
    async read(target, offset, signal) {
      checkRange(source, offset, target.length);
      for (let done = 0; done < target.length; ) {
        throwIfAborted(signal);
        const at = offset + done;
        const range = rangeFor(at, offset + target.length, signal);
        const bytes = await range.bytes;
        const inside = at - range.offset;
        const part = bytes.subarray(inside, inside + target.length - done);
        target.set(part, done);
        done += part.length;
      }
    },
    async close() {
      kept = [];
    },
  };
  return source;
}

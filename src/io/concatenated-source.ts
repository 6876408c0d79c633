/** Sources one behind the other, as one: a file that was stored in pieces. */
import { type ByteSource, checkRange } from './byte-source.ts';

/** Closing it closes all. */
export function concatenatedSource(parts: readonly ByteSource[], name: string): ByteSource {
  const starts: number[] = [];
  let size = 0;
  for (const part of parts) {
    starts.push(size);
    size += part.size;
  }
  return {
    name,
    size,
    access: parts.some((p) => p.access === 'forward') ? 'forward' : 'random',
    async read(target, offset, signal) {
      checkRange({ name, size }, offset, target.length);
      const end = offset + target.length;
      for (let i = indexAt(starts, offset); i < parts.length && starts[i]! < end; i++) {
        const start = starts[i]!;
        const from = Math.max(offset, start);
        const to = Math.min(end, start + parts[i]!.size);
        if (from < to)
          await parts[i]!.read(target.subarray(from - offset, to - offset), from - start, signal);
      }
    },
    async close() {
      await Promise.all(parts.map((part) => part.close()));
    },
  };
}

/** The last part that starts at or before `offset`. */
function indexAt(starts: readonly number[], offset: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (starts[middle]! <= offset) low = middle;
    else high = middle - 1;
  }
  return Math.max(0, low);
}

/** A disk seen through a small cache: many small reads near each other become few larger ones. */
import { checkRange } from './byte-source.ts';
import type { Disk } from './disk.ts';

export interface CacheOptions {
  /** The unit that is read and kept, bytes. Default 32 KiB. */
  readonly blockBytes?: number;
  /** Blocks kept; the least recently used is dropped. Default 256. */
  readonly blocks?: number;
}

/** A read of this many blocks is content: it goes past the cache, as one. */
const pastBlocks = 4;

/**
 * The same disk, read in whole aligned blocks, each kept for the next time. For metadata, not for copying: the
 * disk must not change meanwhile. Closing it closes the disk.
 */
export function cached(disk: Disk, options: CacheOptions = {}): Disk {
  const { blockBytes = 32 * 1024, blocks = 256 } = options;
  // A Map keeps the order of insertion: the first key is the one not used for longest.
  const kept = new Map<number, Promise<Buffer>>();

  const load = async (index: number, signal: AbortSignal | undefined) => {
    const offset = index * blockBytes;
    const block = Buffer.allocUnsafe(Math.min(blockBytes, disk.size - offset));
    await disk.read(block, offset, signal);
    return block;
  };
  const block = (index: number, signal: AbortSignal | undefined): Promise<Buffer> => {
    const found = kept.get(index) ?? load(index, signal);
    kept.delete(index);
    kept.set(index, found);
    // A failed read is not kept: the next one may do better.
    found.catch(() => kept.get(index) === found && kept.delete(index));
    if (kept.size > blocks) kept.delete(kept.keys().next().value!);
    return found;
  };

  return {
    size: disk.size,
    sectorSize: disk.sectorSize,
    async read(target, offset, signal) {
      checkRange({ name: 'disk', size: disk.size }, offset, target.length);
      if (target.length >= pastBlocks * blockBytes) return disk.read(target, offset, signal);
      for (let done = 0; done < target.length; ) {
        const at = offset + done;
        const index = Math.floor(at / blockBytes);
        const inside = at - index * blockBytes;
        const bytes = await block(index, signal);
        const part = bytes.subarray(inside, Math.min(bytes.length, inside + target.length - done));
        target.set(part, done);
        done += part.length;
      }
    },
    extents: (from, to, signal) => disk.extents(from, to, signal),
    close: () => disk.close(),
  };
}

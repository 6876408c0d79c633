/**
 * A disk whose beginning was written by an earlier run. What of it held data is known, and its bytes are not needed
 * again: an encoder that goes by what holds data alone (`Encoder.steady`) lays the same file out over it, and the
 * chunks of that part are passed over (`pour`).
 */
import type { Disk } from './disk.ts';
import type { StoredRuns } from './stored-runs.ts';

/** Anything but zeros: those would be left out. */
const filler = 0xa5;

/** Below `below`, bytes of data are made up; from there on they are the disk's. */
export function remembered(disk: Disk, runs: StoredRuns, below: number): Disk {
  if (below === 0) return disk;
  return {
    size: disk.size,
    sectorSize: disk.sectorSize,
    async read(target, offset, signal) {
      const known = Math.min(target.length, Math.max(0, below - offset));
      if (known > 0) {
        const part = target.subarray(0, known);
        part.fill(0);
        for (const run of runs.within(offset, offset + known))
          part.fill(filler, run.offset - offset, run.offset - offset + run.length);
      }
      if (known < target.length) await disk.read(target.subarray(known), offset + known, signal);
    },
    async extents(from, to, signal) {
      if (from >= below) return disk.extents(from, to, signal);
      const known = runs.extents(from, Math.min(to, below));
      if (to <= below) return known;
      const rest = await disk.extents(below, to, signal);
      const [last, first] = [known.at(-1)!, rest[0]!];
      if (last.kind !== first.kind) return [...known, ...rest];
      const joined = { ...last, length: last.length + first.length };
      return [...known.slice(0, -1), joined, ...rest.slice(1)];
    },
    close: () => disk.close(),
  };
}

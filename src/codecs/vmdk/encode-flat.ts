/** A flat extent: the bytes as they are, zeros left as gaps, padded to a whole sector. */
import { dataBlocks } from '../../io/blocks.ts';
import type { Disk } from '../../io/disk.ts';
import type { EncodedFile } from '../../io/encoded-file.ts';
import { KiB } from '../../model/units.ts';
import { sectorBytes } from './layout.ts';
import { shared } from './shared-release.ts';

export function flatFile(disk: Disk, name: string, from: number, to: number): EncodedFile {
  return {
    name,
    size: Math.ceil((to - from) / sectorBytes) * sectorBytes,
    late: false,
    async *chunks(signal) {
      for await (const block of dataBlocks(disk, { grainBytes: 64 * KiB, from, to, signal })) {
        const release = shared(block.runs.length, block.release);
        for (const run of block.runs)
          yield { offset: run.offset - from, bytes: run.bytes, release, disk: run.offset };
      }
    },
  };
}

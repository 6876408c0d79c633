/** The block map of a VDI: every block inside the file, at a place of its own, and as many as the header says. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import type { CheckReport } from '../../model/check-report.ts';
import type { OpenContext } from '../codec.ts';
import { CheckNotes, SpaceMap } from '../structure.ts';
import { blockOffset, readHeader } from './header.ts';
import { largestTableBytes, sectorBytes, zeroBlock } from './layout.ts';

export async function checkVdi(source: ByteSource, { signal }: OpenContext): Promise<CheckReport> {
  const notes = new CheckNotes('vdi', source.name);
  const h = await readHeader(source, signal);
  const entries = Math.ceil(h.diskSize / h.blockSize);
  // A map may have more entries than the disk needs; they count as in use, and nobody sees them.
  const whole = h.blocks * 4 <= Math.min(largestTableBytes, h.dataOffset - h.blocksOffset);
  const read = whole ? h.blocks : entries;
  const map = await readBytes(source, h.blocksOffset, read * 4, signal);
  // Counted from the first block on: only there places are whole sectors.
  const area = { name: source.name, size: Math.max(0, source.size - h.dataOffset) };
  const space = new SpaceMap(area, sectorBytes, notes);
  let allocated = 0;
  let fragmented = 0;
  let next = -1;
  for (let block = 0; block < read; block++) {
    const place = map.readUInt32LE(block * 4);
    if (place >= zeroBlock) continue;
    allocated++;
    if (next >= 0 && place !== next) fragmented++;
    next = place + 1;
    if (place >= h.blocks) notes.error('place', `block ${block} has the place ${place} of ${h.blocks}`);
    const needed = Math.max(0, Math.min(h.blockSize, h.diskSize - block * h.blockSize));
    space.take(`block ${block} (counted from the first one)`, blockOffset(h, place) - h.dataOffset, needed);
  }
  if (whole && allocated !== h.blocksAllocated) {
    notes.error('count', `the header counts ${h.blocksAllocated} blocks in use, the map has ${allocated}`);
  }
  return notes.report({
    'total-clusters': entries,
    'allocated-clusters': allocated,
    'fragmented-clusters': fragmented,
  });
}

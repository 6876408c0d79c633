/** The bitmap of a COW file: every sector that it says is here lies in the file. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import type { CheckReport } from '../../model/check-report.ts';
import { MiB } from '../../model/units.ts';
import type { OpenContext } from '../codec.ts';
import { CheckNotes } from '../structure.ts';
import { readHeader } from './header.ts';

export async function checkCow(source: ByteSource, { signal }: OpenContext): Promise<CheckReport> {
  const notes = new CheckNotes('cow', source.name);
  const header = await readHeader(source, signal);
  const { bitmapOffset, bitmapBytes, dataOffset, sectorBytes, size } = header;
  const total = Math.ceil(size / sectorBytes);
  const there = Math.floor((source.size - dataOffset) / sectorBytes);
  let allocated = 0;
  let lost = 0;
  for (let from = 0; from < bitmapBytes; from += MiB) {
    throwIfAborted(signal);
    const bits = await readBytes(source, bitmapOffset + from, Math.min(MiB, bitmapBytes - from), signal);
    for (let i = 0; i < bits.length; i++) {
      const byte = bits[i]!;
      for (let bit = 0; byte >> bit !== 0; bit++) {
        const sector = (from + i) * 8 + bit;
        if (((byte >> bit) & 1) === 0 || sector >= total) continue;
        allocated++;
        // The last sector ends with the disk.
        if (sector >= there && dataOffset + Math.min(size, (sector + 1) * sectorBytes) > source.size) lost++;
      }
    }
  }
  if (lost > 0) notes.error('outside', `${lost} sectors lie past the end of the file (${source.size} bytes)`);
  return notes.report({ 'total-clusters': total, 'allocated-clusters': allocated });
}

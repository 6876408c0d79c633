/**
 * The label of the BSDs: a table of up to 16 partitions, in the second sector of an MBR partition of theirs or of the
 * disk. FreeBSD sys/disklabel.h; the magic number stands at its start and behind the geometry.
 */
import { bytesAt, type Looking } from '../looking.ts';

const labelAt = 512;
const magic = 0x82564557;
const entriesAt = 148;
const entryBytes = 16;
const maxPartitions = 16;
/** The partition that stands for all of the slice. */
const whole = 2;

export interface BsdPartition {
  /** `a`, `b`, … */
  readonly letter: string;
  /** From the start of `looking.disk`, and inside it. */
  readonly startBytes: number;
  readonly lengthBytes: number;
}

/**
 * `looking.disk` is the slice, `sliceStart` where it begins on the disk: some systems count from there, others from
 * the disk's start, as the start of their partition `c` tells. Undefined where there is no label.
 */
export async function readBsdLabel(
  looking: Looking,
  sliceStart: number,
): Promise<BsdPartition[] | undefined> {
  const label = await bytesAt(looking, labelAt, 512);
  if (label.readUInt32LE(0) !== magic || label.readUInt32LE(132) !== magic) return undefined;
  const count = Math.min(label.readUInt16LE(138), maxPartitions);
  const end = entriesAt + count * entryBytes;
  let sum = 0;
  for (let at = 0; at < end; at += 2) sum ^= label.readUInt16LE(at);
  const sectorBytes = label.readUInt32LE(40);
  if (sum !== 0 || (sectorBytes !== 512 && sectorBytes !== 4096)) return undefined;
  const entry = (i: number) => ({
    length: label.readUInt32LE(entriesAt + i * entryBytes) * sectorBytes,
    start: label.readUInt32LE(entriesAt + i * entryBytes + 4) * sectorBytes,
    type: label[entriesAt + i * entryBytes + 12]!,
  });
  // OpenBSD's `c` is the whole disk, from 0, and still all of its others count from the disk's start.
  const base = count > whole && entry(whole).start === sliceStart ? sliceStart : 0;
  const found: BsdPartition[] = [];
  for (let i = 0; i < count; i++) {
    const { start, length, type } = entry(i);
    if (i === whole || length === 0 || type === 0) continue;
    const relative = start - base;
    const fromDisk = start - sliceStart;
    const inSlice = (at: number) => at >= 0 && at + length <= looking.disk.size;
    const startBytes = inSlice(relative) ? relative : fromDisk;
    if (inSlice(startBytes))
      found.push({ letter: String.fromCharCode(97 + i), startBytes, lengthBytes: length });
  }
  return found;
}

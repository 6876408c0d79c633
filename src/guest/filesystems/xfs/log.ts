/**
 * Whether the log holds changes that are not in the filesystem yet: a clean unmount ends with a record of its own.
 * XFS Algorithms & Data Structures, "Journaling Log".
 */
import { readBytes } from '../../../io/byte-source.ts';
import type { VolumeState } from '../../../model/guest-report.ts';
import { checkInside } from '../runs.ts';
import type { XfsVolume } from './volume.ts';

/** The log counts in blocks of 512 bytes, whatever the sector. */
const block = 512;
const magic = 0xfeedbabe;
/** A record has at most 256 KiB behind a header of up to 8 blocks. */
const maxRecordBlocks = 512 + 8;
const unmountFlag = 0x20;

/** `unknown` when the log is on another disk, or in disorder. */
export async function logState(volume: XfsVolume): Promise<VolumeState> {
  const { sb } = volume.layout;
  if (sb.logstart === 0) return 'unknown';
  const start = volume.placeOf(sb.logstart, sb.logblocks);
  const count = Math.floor((sb.logblocks * sb.blocksize) / block);
  const read = (index: number, blocks = 1) => {
    checkInside(volume.looking, start + index * block, blocks * block);
    return readBytes(volume.looking.disk, start + index * block, blocks * block, volume.looking.signal);
  };
  const cycleOf = async (index: number) => cycleIn(await read(index));
  if (count < 2) return 'unknown';
  const head = await findHead(cycleOf, count);
  // The last record before the head; at the log's start it may have begun at its end.
  const back = Math.min(maxRecordBlocks, count);
  const from = head - back;
  const bytes =
    from >= 0
      ? await read(from, back)
      : Buffer.concat([await read(count + from, -from), await read(0, head)]);
  for (let at = back - 1; at >= 0; at--) {
    const record = bytes.subarray(at * block);
    if (record.readUInt32BE(0) === magic) return isUnmount(record, back - at) ? 'clean' : 'dirty';
  }
  return 'unknown';
}

/** Each block begins with the number of the round in which it was written; a header has it behind its mark. */
const cycleIn = (bytes: Buffer): number =>
  bytes.readUInt32BE(0) === magic ? bytes.readUInt32BE(4) : bytes.readUInt32BE(0);

/** The first block that is older than the first of all: what is behind it was written a round ago, or never. */
async function findHead(cycleOf: (index: number) => Promise<number>, count: number): Promise<number> {
  const first = await cycleOf(0);
  if ((await cycleOf(count - 1)) === first) return count;
  let low = 0;
  let high = count - 1;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if ((await cycleOf(middle)) === first) low = middle;
    else high = middle;
  }
  return high;
}

/** A record of one operation with the flag, and nothing behind it. */
function isUnmount(record: Buffer, blocks: number): boolean {
  const bodyBytes = record.readUInt32BE(12);
  const version2 = (record.readUInt32BE(8) & 2) !== 0;
  // xlog_rec_header.h_size: one header block for each 32 KiB that a record may have.
  const headers = version2 ? Math.max(1, Math.ceil(record.readUInt32BE(320) / 32768)) : 1;
  const flagsAt = headers * block + 9;
  return (
    record.readUInt32BE(40) === 1 &&
    headers + Math.ceil(bodyBytes / block) === blocks &&
    flagsAt < record.length &&
    (record[flagsAt]! & unmountFlag) !== 0
  );
}

/** Free blocks of XFS: the tree by block number of each allocation group. XFS Algorithms & Data Structures, "Free Space". */
import { readBytes } from '../../../io/byte-source.ts';
import { AppError } from '../../../model/errors.ts';
import type { Looking } from '../../looking.ts';
import type { FreeExtent } from '../free-extents.ts';
import { checkInside } from '../runs.ts';
import { logState } from './log.ts';
import { checkCrc, readSuperblock } from './superblock.ts';
import { type XfsVolume, xfsVolume } from './volume.ts';

const maxLevel = 9;

/** Undefined when the log holds changes. @throws AppError `corrupt`, `unsupported`. */
export async function freeOfXfs(looking: Looking): Promise<AsyncIterable<FreeExtent> | undefined> {
  const layout = await readSuperblock(looking);
  const volume = xfsVolume(looking, layout);
  return layout.needsRepair || (await logState(volume)) !== 'clean' ? undefined : free(volume);
}

interface Group {
  readonly number: number;
  readonly blocks: number;
}

async function* free(volume: XfsVolume): AsyncGenerator<FreeExtent> {
  const { sb, v5 } = volume.layout;
  for (let number = 0; number < sb.agcount; number++) {
    const start = number * sb.agblocks * sb.blocksize;
    const bad = (what: string) => new AppError('corrupt', `XFS group ${number}: ${what}`);
    // Behind the superblock's copy.
    checkInside(volume.looking, start + sb.sectsize, sb.sectsize);
    const header = await readBytes(
      volume.looking.disk,
      start + sb.sectsize,
      sb.sectsize,
      volume.looking.signal,
    );
    const blocks = header.readUInt32BE(12);
    if (
      header.toString('latin1', 0, 4) !== 'XAGF' ||
      header.readUInt32BE(8) !== number ||
      blocks > sb.agblocks
    )
      throw bad('no list of its free space');
    if (v5) checkCrc(header, 216, `XFS group ${number}`);
    const level = header.readUInt32BE(28);
    if (level < 1 || level > maxLevel) throw bad(`a tree of ${level} levels`);
    let end = 0;
    let sum = 0;
    volume.budget.refill(blocks);
    for await (const [from, count] of below(volume, { number, blocks }, header.readUInt32BE(16), level - 1)) {
      if (count === 0 || from < end || from + count > blocks) throw bad(`${count} free blocks at ${from}`);
      end = from + count;
      sum += count;
      yield { offset: start + from * sb.blocksize, length: count * sb.blocksize };
    }
    if (sum !== header.readUInt32BE(52)) throw bad(`${sum} free blocks, ${header.readUInt32BE(52)} expected`);
  }
}

/** Records and keys are a block and a count; levels fall, so it ends. */
async function* below(
  volume: XfsVolume,
  group: Group,
  block: number,
  level: number,
): AsyncGenerator<readonly [from: number, count: number]> {
  const { sb, v5 } = volume.layout;
  const bytes = await volume.block(group.number * 2 ** sb.agblklog + block);
  const headerBytes = v5 ? 56 : 16;
  const count = bytes.readUInt16BE(6);
  const room = Math.floor((bytes.length - headerBytes) / (level === 0 ? 8 : 12));
  if (
    bytes.toString('latin1', 0, 4) !== (v5 ? 'AB3B' : 'ABTB') ||
    bytes.readUInt16BE(4) !== level ||
    count > room
  )
    throw new AppError(
      'corrupt',
      `XFS group ${group.number}: block ${block} is not its tree's level ${level}`,
    );
  if (v5) checkCrc(bytes, 52, `XFS group ${group.number}, block ${block}`);
  for (let i = 0; i < count; i++) {
    const at = headerBytes + i * 8;
    if (level === 0) yield [bytes.readUInt32BE(at), bytes.readUInt32BE(at + 4)];
    else yield* below(volume, group, bytes.readUInt32BE(headerBytes + room * 8 + i * 4), level - 1);
  }
}

/**
 * The journal of ext3/4 (jbd2), replayed in memory: whole transactions that were not yet written to their places,
 * as an overlay of blocks. Linux Documentation/filesystems/ext4/journal.rst. Big endian.
 */
import { checkRange } from '../../../io/byte-source.ts';
import { crc32c } from '../../../io/crc32c.ts';
import type { Disk } from '../../../io/disk.ts';
import { AppError } from '../../../model/errors.ts';
import { readRuns } from '../runs.ts';
import { runsOf } from './blocks.ts';
import type { Inode } from './inode.ts';
import type { ExtVolume } from './volume.ts';

const magic = 0xc03b3998;
const types = { descriptor: 1, commit: 2, superblockV1: 3, superblockV2: 4, revoke: 5 } as const;
const features = {
  revoke: 1,
  bits64: 2,
  asyncCommit: 4,
  checksumV2: 8,
  checksumV3: 0x10,
  fastCommit: 0x20,
} as const;
const known = 0x3f;
const tagFlags = { escaped: 1, sameUuid: 2, deleted: 4, last: 8 } as const;
/** Blocks looked at: a journal has at most a million, of which few are in use. */
const maxBlocks = 2 ** 18;

interface Journal {
  readonly volume: ExtVolume;
  readonly inode: Inode;
  readonly first: number;
  readonly end: number;
  readonly incompat: number;
  /** What checksums begin with. */
  readonly seed: number;
}

/** A block's newest content: its place in the journal. */
interface Logged {
  readonly sequence: number;
  readonly at: number;
  readonly escaped: boolean;
}

export interface Replayed {
  readonly disk: Disk;
  readonly transactions: number;
}

/** @throws AppError `corrupt`, `unsupported` (unknown features). The volume's own disk is not changed. */
export async function replayJournal(volume: ExtVolume, inode: Inode): Promise<Replayed> {
  const { blockBytes } = volume.geometry;
  const head = await blockAt({ volume, inode }, 0);
  const type = head.readUInt32BE(4);
  const incompat = type === types.superblockV2 ? head.readUInt32BE(40) : 0;
  if (head.readUInt32BE(0) !== magic || (type !== types.superblockV1 && type !== types.superblockV2))
    throw new AppError('corrupt', 'ext journal: no superblock');
  if ((incompat & ~known) !== 0)
    throw new AppError('unsupported', `ext journal: unknown features 0x${(incompat & ~known).toString(16)}`);
  const end = Math.min(head.readUInt32BE(16), Math.floor(inode.size / blockBytes));
  const first = head.readUInt32BE(20);
  const start = head.readUInt32BE(28);
  if (head.readUInt32BE(12) !== blockBytes || first < 1 || first >= end || start >= end)
    throw new AppError('corrupt', `ext journal: blocks ${first} to ${end}, it begins in ${start}`);
  const fastBlocks = (incompat & features.fastCommit) !== 0 ? head.readUInt32BE(84) || 256 : 0;
  const journal = {
    volume,
    inode,
    first,
    end: end - fastBlocks,
    incompat,
    seed: crc32c(head.subarray(48, 64)),
  };
  if (start === 0) return { disk: volume.looking.disk, transactions: 0 };
  return collect(journal, start, head.readUInt32BE(24));
}

async function blockAt(journal: Pick<Journal, 'volume' | 'inode'>, index: number): Promise<Buffer> {
  const { volume, inode } = journal;
  const { blockBytes } = volume.geometry;
  const bytes = Buffer.alloc(blockBytes);
  const from = index * blockBytes;
  volume.budget.refill();
  await readRuns(volume.looking, bytes, runsOf(volume, inode, from, from + blockBytes));
  return bytes;
}

/** Only what a commit follows counts; a block revoked later, or in the same transaction, is not brought back. */
async function collect(journal: Journal, start: number, sequence: number): Promise<Replayed> {
  const logged = new Map<number, Logged>();
  const revoked = new Map<number, number>();
  let open: [block: number, logged: Logged][] = [];
  let openRevokes: number[] = [];
  let transactions = 0;
  let expected = sequence;
  const next = (at: number) => (at + 1 >= journal.end ? journal.first : at + 1);
  for (let at = start, seen = 0; seen < maxBlocks; seen++) {
    const bytes = await blockAt(journal, at);
    if (bytes.readUInt32BE(0) !== magic || bytes.readUInt32BE(8) !== expected >>> 0) break;
    const type = bytes.readUInt32BE(4);
    at = next(at);
    if (type === types.descriptor) {
      for (const tag of tagsIn(journal, bytes)) {
        if (!(await isWhole(journal, at, expected, tag)))
          return overlaid(journal, logged, revoked, transactions);
        open.push([tag.block, { sequence: expected, at, escaped: (tag.flags & tagFlags.escaped) !== 0 }]);
        at = next(at);
        if (++seen > maxBlocks) break;
      }
    } else if (type === types.revoke) openRevokes.push(...revokesIn(journal, bytes));
    else if (type === types.commit) {
      for (const [block, entry] of open) logged.set(block, entry);
      for (const block of openRevokes) revoked.set(block, expected);
      open = [];
      openRevokes = [];
      transactions++;
      expected++;
    } else break;
  }
  return overlaid(journal, logged, revoked, transactions);
}

interface Tag {
  readonly block: number;
  readonly flags: number;
  readonly checksum: number;
}

function* tagsIn({ incompat }: Journal, bytes: Buffer): Generator<Tag> {
  const v3 = (incompat & features.checksumV3) !== 0;
  const v2 = (incompat & features.checksumV2) !== 0;
  const wide = (incompat & features.bits64) !== 0;
  const tagBytes = v3 ? 16 : 8 + (wide ? 4 : 0) + (v2 ? 2 : 0);
  const end = bytes.length - (v2 || v3 ? 4 : 0);
  for (let at = 12; at + tagBytes <= end; ) {
    const flags = v3 ? bytes.readUInt32BE(at + 4) : bytes.readUInt16BE(at + 6);
    const high = wide ? bytes.readUInt32BE(at + 8) : 0;
    yield {
      block: bytes.readUInt32BE(at) + high * 2 ** 32,
      flags,
      checksum: v3 ? bytes.readUInt32BE(at + 12) : v2 ? bytes.readUInt16BE(at + 4) : 0,
    };
    if ((flags & tagFlags.last) !== 0) return;
    at += tagBytes + ((flags & tagFlags.sameUuid) !== 0 ? 0 : 16);
  }
}

/** Whether the block was written as a whole: over the transaction's number and the content. */
async function isWhole(journal: Journal, at: number, sequence: number, tag: Tag): Promise<boolean> {
  const v3 = (journal.incompat & features.checksumV3) !== 0;
  if (!v3 && (journal.incompat & features.checksumV2) === 0) return true;
  const number = Buffer.alloc(4);
  number.writeUInt32BE(sequence >>> 0);
  const found = ~crc32c(await blockAt(journal, at), crc32c(number, journal.seed)) >>> 0;
  return (v3 ? found : found & 0xffff) === tag.checksum;
}

function revokesIn({ incompat }: Journal, bytes: Buffer): number[] {
  const size = (incompat & features.bits64) !== 0 ? 8 : 4;
  const end = Math.min(bytes.readUInt32BE(12), bytes.length);
  const blocks: number[] = [];
  for (let at = 16; at + size <= end; at += size)
    blocks.push(size === 8 ? Number(bytes.readBigUInt64BE(at)) : bytes.readUInt32BE(at));
  return blocks;
}

function overlaid(
  journal: Journal,
  logged: Map<number, Logged>,
  revoked: ReadonlyMap<number, number>,
  transactions: number,
): Replayed {
  for (const [block, { sequence }] of logged) {
    if ((revoked.get(block) ?? -1) >= sequence) logged.delete(block);
  }
  const { disk } = journal.volume.looking;
  const { blockBytes } = journal.volume.geometry;
  const newest = async ({ at, escaped }: Logged) => {
    const bytes = await blockAt(journal, at);
    // A block that begins with the journal's own mark had it taken out.
    if (escaped) bytes.writeUInt32BE(magic, 0);
    return bytes;
  };
  return {
    transactions,
    disk: {
      ...disk,
      async read(target, offset, signal) {
        checkRange({ name: 'disk', size: disk.size }, offset, target.length);
        await disk.read(target, offset, signal);
        const last = Math.floor((offset + target.length - 1) / blockBytes);
        for (let block = Math.floor(offset / blockBytes); block <= last; block++) {
          const entry = logged.get(block);
          if (entry === undefined) continue;
          const bytes = await newest(entry);
          const from = Math.max(0, offset - block * blockBytes);
          const to = block * blockBytes + from - offset;
          target.set(bytes.subarray(from, Math.min(blockBytes, from + target.length - to)), to);
        }
      },
    },
  };
}

/**
 * Read-only XFS of versions 4 and 5: inodes, extents in lists and trees, folders of every form, links. The log is
 * looked at and not replayed: a volume that was not unmounted may show older content.
 */
import { AppError } from '../../../model/errors.ts';
import { bytesAt, type Looking } from '../../looking.ts';
import { fixedText, given, uuidAt } from '../../text.ts';
import type { VolumeFacts, VolumeFiles } from '../files.ts';
import { nameOf } from '../names.ts';
import { filesOf, type Reader } from '../reader.ts';
import { readRuns } from '../runs.ts';
import { extentsOf, runsOf } from './extents.ts';
import { entriesOf } from './folder.ts';
import type { XfsInode } from './inode.ts';
import { logState } from './log.ts';
import { checkCrc, readSuperblock, type Superblock } from './superblock.ts';
import { type XfsVolume, xfsVolume } from './volume.ts';

const maxLinkBytes = 1024;

/** @throws AppError `corrupt`, `unsupported` (unknown features). */
export async function openXfs(looking: Looking): Promise<VolumeFiles> {
  const layout = await readSuperblock(looking);
  const volume = xfsVolume(looking, layout);
  const reader: Reader<XfsInode> = {
    root: await volume.inode(layout.sb.rootino),
    facts: await factsOf(volume),
    budget: volume.budget,
    key: (inode) => inode.number,
    stat: (inode) => inode.stat,
    entries: (folder) => entriesOf(volume, folder),
    fold: () => (layout.ignoresCase ? asciiLower : undefined),
    async readInto(file, target, offset) {
      await readRuns(looking, target, runsOf(volume, file, offset, offset + target.length));
    },
    target: async (link) => nameOf(await linkTarget(volume, link)),
  };
  return filesOf(reader);
}

const asciiLower = (name: string): string => name.replace(/[A-Z]+/g, (part) => part.toLowerCase());

async function factsOf(volume: XfsVolume): Promise<VolumeFacts> {
  const { sb, needsRepair } = volume.layout;
  const bytes = await bytesAt(volume.looking, 0, 256);
  const state = await logState(volume);
  const notes: string[] = [];
  if (state === 'dirty') notes.push('the log was not replayed: the latest changes may be missing');
  if (needsRepair) notes.push('it is marked as in need of xfs_repair');
  return {
    ...given('label', fixedText(bytes, 108, 12)),
    ...given('uuid', uuidAt(bytes, 32)),
    blockBytes: sb.blocksize,
    sizeBytes: sb.dblocks * sb.blocksize,
    ...(sb.fdblocks <= sb.dblocks ? { freeBytes: sb.fdblocks * sb.blocksize } : {}),
    ...inodesOf(sb),
    state,
    notes,
  };
}

/** They are made of free blocks as needed, up to a share of all blocks: as statfs(2) counts them. */
function inodesOf(sb: Superblock): Pick<VolumeFacts, 'inodes' | 'freeInodes'> {
  if (sb.fdblocks > sb.dblocks || sb.ifree > sb.icount) return {};
  const share = sb.imaxpct === 0 ? 100 : Math.min(sb.imaxpct, 100);
  const most = Math.floor((sb.dblocks * share) / 100) * sb.inopblock;
  const inodes = Math.max(Math.min(sb.icount + sb.fdblocks * sb.inopblock, most), sb.icount);
  return { inodes, freeInodes: inodes - (sb.icount - sb.ifree) };
}

async function linkTarget(volume: XfsVolume, link: XfsInode): Promise<Buffer> {
  const { size } = link.stat;
  if (size > maxLinkBytes) throw new AppError('corrupt', `XFS inode ${link.number}: a link of ${size} bytes`);
  if (link.format === 'local') return link.fork.subarray(0, size);
  const target = Buffer.alloc(size);
  if (!volume.layout.v5) {
    await readRuns(volume.looking, target, runsOf(volume, link, 0, size));
    return target;
  }
  // Each extent has a header of 56 bytes: mark, offset, bytes, checksum, …
  let done = 0;
  for await (const { start, count } of extentsOf(volume, link, 0)) {
    if (done >= size) break;
    const whole = Math.min(count, 8) * volume.layout.sb.blocksize;
    const bytes = await bytesAt(volume.looking, volume.placeOf(start, count), whole);
    const here = bytes.readUInt32BE(8);
    if (bytes.toString('latin1', 0, 4) !== 'XSLM' || here > whole - 56 || here === 0)
      throw new AppError('corrupt', `XFS inode ${link.number}: no link where it leads to`);
    checkCrc(bytes, 12, `XFS inode ${link.number}: its link`);
    done += bytes.copy(target, done, 56, 56 + here);
  }
  if (done < size)
    throw new AppError('corrupt', `XFS inode ${link.number}: ${done} bytes of a link of ${size}`);
  return target;
}

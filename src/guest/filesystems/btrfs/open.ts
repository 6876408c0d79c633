/**
 * Read-only btrfs on one device: subvolumes, inline, plain and compressed extents, every copy of a node tried. The
 * checksums of nodes are checked, those of data are not. The log of the last fsyncs is not replayed.
 */
import { AppError } from '../../../model/errors.ts';
import type { Looking } from '../../looking.ts';
import { fixedText, given, uuidAt } from '../../text.ts';
import type { VolumeFacts, VolumeFiles } from '../files.ts';
import { nameOf } from '../names.ts';
import { filesOf, type Reader } from '../reader.ts';
import { readInto } from './extents.ts';
import { type BtrfsNode, childOf, entriesOf, rootOf } from './inode.ts';
import { defaultSubvolume, type Subvolume, subvolumeNumbers, subvolumeOf, topLevel } from './subvolumes.ts';
import { type BtrfsVolume, openVolume } from './tree.ts';

const maxLinkBytes = 65536;

/**
 * `subvolume` is a number or a path from the top, as the mount options `subvolid` and `subvol` name them; left out:
 * the default one.
 * @throws AppError `corrupt`, `unsupported` (unknown features), `not-found` (no such subvolume).
 */
export async function openBtrfs(looking: Looking, subvolume?: number | string): Promise<VolumeFiles> {
  const volume = await openVolume(looking);
  return filesOf(readerOf(volume, await named(volume, subvolume)));
}

/** What `openBtrfs` takes for each of them, likely roots first. @throws AppError `corrupt`, `unsupported`. */
export async function btrfsSubvolumes(looking: Looking, most: number): Promise<number[]> {
  return subvolumeNumbers(await openVolume(looking), most);
}

async function named(volume: BtrfsVolume, subvolume: number | string | undefined): Promise<BtrfsNode> {
  const start = async (found: Subvolume) => rootOf(volume, found);
  if (subvolume === undefined) return start(await defaultSubvolume(volume));
  if (typeof subvolume === 'number') {
    // 0 stands for the top, too.
    return start(await subvolumeOf(volume, subvolume === 0 ? topLevel : BigInt(subvolume)));
  }
  let node = await start(await subvolumeOf(volume, topLevel));
  for (const name of subvolume.split('/').filter((part) => part !== '')) {
    const below = node.stat.kind === 'folder' ? await childOf(volume, node, name) : undefined;
    if (below === undefined) throw new AppError('not-found', `btrfs: there is no subvolume ${subvolume}`);
    node = below;
  }
  return node;
}

function readerOf(volume: BtrfsVolume, root: BtrfsNode): Reader<BtrfsNode> {
  return {
    root,
    facts: factsOf(volume),
    budget: volume.budget,
    key: ({ subvolume, inode }) => `${subvolume.id}/${inode}`,
    stat: (node) => node.stat,
    entries: (folder) => entriesOf(volume, folder),
    child: (folder, name) => childOf(volume, folder, name),
    readInto: (file, target, offset) => readInto(volume, file, target, offset),
    async target(link) {
      const { size } = link.stat;
      if (size > maxLinkBytes)
        throw new AppError('corrupt', `btrfs inode ${link.inode}: a link of ${size} bytes`);
      const target = Buffer.alloc(size);
      await readInto(volume, link, target, 0);
      return nameOf(target);
    },
  };
}

function factsOf({ head }: BtrfsVolume): VolumeFacts {
  const { sb, bytes, checksum } = head;
  const notes: string[] = [];
  if (sb.logRoot !== 0) notes.push('the log was not replayed: what was synced last may be missing');
  if (sb.numDevices > 1) notes.push(`it spans ${sb.numDevices} devices, of which this is number ${sb.devid}`);
  if (checksum === undefined) notes.push('its checksums are of a kind that is not checked here (BLAKE2)');
  return {
    ...given('label', fixedText(bytes, 0x12b, 256)),
    ...given('uuid', uuidAt(bytes, 0x20)),
    blockBytes: sb.sectorsize,
    sizeBytes: sb.totalBytes,
    ...(sb.bytesUsed <= sb.totalBytes ? { freeBytes: sb.totalBytes - sb.bytesUsed } : {}),
    // A tree of unwritten fsyncs is replayed at the next mount.
    state: sb.logRoot === 0 ? 'clean' : 'dirty',
    notes,
  };
}

/** ext2/3/4 written by the library in its thread, and what it can't write rightly, told from the superblock. */
import { readBytes } from '../../../../io/byte-source.ts';
import type { Disk } from '../../../../io/disk.ts';
import type { WritableDisk } from '../../../../io/writable-disk.ts';
import { AppError } from '../../../../model/errors.ts';
import {
  checkReadable,
  compat,
  type Geometry,
  geometryOf,
  incompat,
  magic,
  roCompat,
  type Superblock,
  superblock,
} from '../../../filesystems/ext/superblock.ts';
import { nameBytes } from '../../../filesystems/names.ts';
import { noSpace } from './apply-edits.ts';
import { extThread } from './ext-thread.ts';
import { type LibraryFailure, LibraryThread, pieceBytes } from './library-thread.ts';
import type { Owner, VolumeWriter, WrittenStat } from './volume-writer.ts';

/** Features with which e2fsck found nothing to say afterwards. Linux Documentation/filesystems/ext4/super.rst. */
const writable = {
  compat: compat.hasJournal | compat.sparseSuper2 | 0x1 | 0x8 | 0x10 | 0x20 | 0x400 | 0x800 | 0x1000,
  incompat:
    incompat.filetype |
    incompat.metaBg |
    incompat.extents |
    incompat.bits64 |
    incompat.flexBg |
    incompat.eaInode |
    incompat.csumSeed |
    incompat.largeDir |
    incompat.encrypt,
  roCompat: roCompat.sparseSuper | roCompat.metadataCsum | 0x2 | 0x8 | 0x10 | 0x20 | 0x40,
};
const named: readonly (readonly [field: keyof typeof writable, bit: number, name: string])[] = [
  ['incompat', incompat.mmp, 'mmp'],
  ['incompat', incompat.casefold, 'casefold'],
  ['incompat', 0x8, 'an external journal'],
  // The library crashes on a file that grows out of its inode.
  ['incompat', incompat.inlineData, 'inline_data'],
  ['roCompat', 0x100, 'quota'],
  ['roCompat', 0x200, 'bigalloc'],
  ['roCompat', 0x1000, 'read-only'],
  ['roCompat', 0x2000, 'project quota'],
  ['roCompat', 0x8000, 'verity'],
];
const journalFirst = 'its journal must be replayed first';
/** The library counts blocks in 31 bits and their bytes in 15. */
const mostBlocks = 2 ** 31;
const mostBlockBytes = 16 * 1024;

async function lookAt(disk: Disk, signal: AbortSignal): Promise<{ sb: Superblock; geometry: Geometry }> {
  const bytes = await readBytes(disk, 1024, superblock.bytes, signal);
  const sb = superblock.decode(bytes);
  if (sb.magic !== magic) throw new AppError('corrupt', 'no ext superblock');
  checkReadable(sb, bytes);
  return { sb, geometry: geometryOf(sb) };
}

/** Why this volume can't be written to; undefined when it can. */
export async function extRefusal(disk: Disk, signal: AbortSignal): Promise<string | undefined> {
  const { sb, geometry } = await lookAt(disk, signal);
  // RO_COMPAT_ORPHAN_PRESENT: the orphan file is to be worked off like a journal.
  if ((sb.featureIncompat & incompat.recover) !== 0 || (sb.featureRoCompat & 0x10000) !== 0)
    return journalFirst;
  if ((sb.state & 2) !== 0) return 'it says that it has errors: it must be checked first';
  if ((sb.state & 1) === 0) return 'it was not unmounted: it must be checked first';
  const features = {
    compat: sb.featureCompat,
    incompat: sb.featureIncompat,
    roCompat: sb.featureRoCompat,
  };
  for (const [field, bit, name] of named)
    if ((features[field] & bit) !== 0) return `it is not written with ${name}`;
  for (const field of ['compat', 'incompat', 'roCompat'] as const) {
    const unknown = (features[field] & ~writable[field]) >>> 0;
    if (unknown !== 0) return `it has features that are not known here (${field} 0x${unknown.toString(16)})`;
  }
  if (geometry.blockBytes > mostBlockBytes) return `its blocks have ${geometry.blockBytes} bytes`;
  if (geometry.blocksCount >= mostBlocks) return `it has ${geometry.blocksCount} blocks`;
  return undefined;
}

const kindOf = (mode: number): WrittenStat['kind'] => {
  const type = mode & 0o170000;
  if (type === 0o100000) return 'file';
  if (type === 0o040000) return 'folder';
  return type === 0o120000 ? 'link' : 'other';
};
/** EXT2_ET_DIR_NO_SPACE of e2fsprogs: a folder's blocks are full, and this call does not add one. */
const folderIsFull = 2133571366;
/** EXT2_ET_BLOCK_ALLOC_FAIL and EXT2_ET_INODE_ALLOC_FAIL. */
const noBlock = 2133571400;
const noInode = 2133571401;

interface Inode {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
}

export async function extWriter(
  disk: WritableDisk,
  volume: string,
  signal: AbortSignal,
): Promise<VolumeWriter> {
  const { sb, geometry } = await lookAt(disk, signal);
  let folderWasFull = false;
  const inWords = (failure: LibraryFailure): AppError => {
    const { code, number, message } = failure;
    folderWasFull = number === folderIsFull;
    if (code === 'ENOSPC' || number === noBlock) return noSpace(volume, 'no block is left');
    if (number === noInode) return noSpace(volume, 'no inode is left');
    return new AppError('io', `the filesystem could not be changed: ${message}`, { where: volume });
  };
  const thread = new LibraryThread({
    ...{ library: 'ext2fs', source: extThread, data: { pieceBytes }, disk, volume, signal, inWords },
  });
  const inode = (path: string) => thread.call<Inode | undefined>('stat', nameBytes(path));
  const own = async (path: string, inner: Owner & { mode: number }) => {
    const { mode, uid = 0, gid = 0 } = inner;
    if (uid > 0xffff || gid > 0xffff)
      throw new AppError('unsupported', `the owner ${uid}:${gid} is past 65535`, { where: path });
    await thread.call('own', nameBytes(path), mode & 0o7777, uid, gid);
  };
  try {
    await thread.call('mount');
  } catch (error) {
    await thread.end();
    throw error;
  }
  return {
    room: {
      blockBytes: geometry.blockBytes,
      freeBlocks: geometry.freeBlocks,
      freeFiles: sb.freeInodesCount,
    },
    async stat(path) {
      const found = await inode(path);
      return found && { kind: kindOf(found.mode), size: found.size };
    },
    async write(path, content, { mode, uid, gid }) {
      const old = await inode(path);
      await thread.call('write', nameBytes(path), content, mode ?? 0o644);
      if (old === undefined) await own(path, { mode: mode ?? 0o644, uid, gid });
      else if (mode !== undefined || uid !== undefined || gid !== undefined)
        await own(path, { mode: mode ?? old.mode, uid: uid ?? old.uid, gid: gid ?? old.gid });
    },
    append: (path, content) => thread.call('append', nameBytes(path), content),
    async copy(from, to, size) {
      const source = await inode(from);
      if (source === undefined || source.size !== size || kindOf(source.mode) !== 'file')
        throw new AppError('conflict', `a file of ${size} bytes was expected`, { where: from });
      await thread.call('copy', nameBytes(from), nameBytes(to), source.mode & 0o7777, size);
      await own(to, source);
    },
    remove: (path) => thread.call('remove', nameBytes(path)),
    removeFolder: (path) => thread.call('removeFolder', nameBytes(path)),
    link: (path, target) => thread.call('link', nameBytes(path), nameBytes(target)),
    async folder(path, as) {
      const make = () => thread.call('folder', nameBytes(path), as.mode);
      try {
        await make();
      } catch (error) {
        if (!folderWasFull) throw error;
        // Making a file does add a block.
        await thread.call('write', nameBytes(path), Buffer.alloc(0), 0o600);
        await thread.call('remove', nameBytes(path));
        await make();
      }
      if (as.uid !== undefined || as.gid !== undefined) await own(path, as);
    },
    async close() {
      await thread.call('unmount');
      await thread.flush();
      await thread.end();
    },
    end: () => thread.end(),
  };
}

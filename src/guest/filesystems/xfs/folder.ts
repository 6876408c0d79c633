/** Folders: in the inode, or in blocks of entries before the 32 GiB mark. XFS Algorithms & Data Structures, "Directories". */
import { AppError } from '../../../model/errors.ts';
import type { FileKind } from '../files.ts';
import { nameOf } from '../names.ts';
import type { Entry } from '../reader.ts';
import { readRuns } from '../runs.ts';
import { extentsOf, runsOf } from './extents.ts';
import type { XfsInode } from './inode.ts';
import { checkCrc } from './superblock.ts';
import type { XfsVolume } from './volume.ts';

/** The hash tables lie behind it. */
const leafOffset = 2 ** 35;
const kinds: Readonly<Record<number, FileKind>> = { 1: 'file', 2: 'folder', 7: 'link' };

export async function* entriesOf(volume: XfsVolume, folder: XfsInode): AsyncGenerator<Entry<XfsInode>> {
  if (folder.format === 'local') {
    yield* inInode(volume, folder);
    return;
  }
  const { sb, folderBlockBytes } = volume.layout;
  const perFolderBlock = folderBlockBytes / sb.blocksize;
  let next = 0;
  for await (const { offset, start, count, unwritten } of extentsOf(volume, folder, 0)) {
    if (offset * sb.blocksize >= leafOffset) return;
    for (let at = Math.max(next, offset); at < offset + count; at += perFolderBlock) {
      volume.budget.spend();
      const bytes = Buffer.alloc(folderBlockBytes);
      const from = at * sb.blocksize;
      const inside = at + perFolderBlock <= offset + count && !unwritten;
      // A folder block may be put together of several extents.
      const runs = inside
        ? [{ length: folderBlockBytes, at: volume.placeOf(start + (at - offset), perFolderBlock) }]
        : runsOf(volume, folder, from, from + folderBlockBytes);
      await readRuns(volume.looking, bytes, runs);
      yield* inBlock(volume, folder, bytes);
      next = at + perFolderBlock;
    }
  }
}

const entry = (volume: XfsVolume, name: Buffer, number: bigint, type: number): Entry<XfsInode> => ({
  name: nameOf(name),
  ...(type === 0 ? {} : { kind: kinds[type] ?? 'other' }),
  node: () => volume.inode(Number(number)),
});

/** Two counts, the parent, then length, offset, name, kind, number; numbers of 4 or 8 bytes. */
function* inInode(volume: XfsVolume, folder: XfsInode): Generator<Entry<XfsInode>> {
  const { stat, number } = folder;
  const bytes = folder.fork.subarray(0, stat.size);
  const bad = () => new AppError('corrupt', `XFS inode ${number}: its folder goes past the inode`);
  if (bytes.length < 6 || stat.size > folder.fork.length) throw bad();
  const wide = bytes[1]! > 0;
  const numberBytes = wide ? 8 : 4;
  const typeBytes = volume.layout.hasFtype ? 1 : 0;
  let at = 2 + numberBytes;
  for (let i = 0; i < (wide ? Math.max(bytes[0]!, bytes[1]!) : bytes[0]!); i++) {
    const nameAt = at + 3;
    const end = nameAt + (bytes[at] ?? 0);
    if (end + typeBytes + numberBytes > bytes.length) throw bad();
    const typeAt = end + typeBytes;
    const inode = wide ? bytes.readBigUInt64BE(typeAt) : BigInt(bytes.readUInt32BE(typeAt));
    yield entry(volume, bytes.subarray(nameAt, end), inode, typeBytes === 0 ? 0 : bytes[end]!);
    at = typeAt + numberBytes;
  }
}

/** Entries are multiples of 8: number, length, name, kind, tag; what is unused starts with 0xFFFF and its length. */
function* inBlock(volume: XfsVolume, folder: XfsInode, bytes: Buffer): Generator<Entry<XfsInode>> {
  const { v5, hasFtype } = volume.layout;
  const bad = (what: string) =>
    new AppError('corrupt', `XFS inode ${folder.number}: folder block with ${what}`);
  const mark = bytes.toString('latin1', 0, 4);
  const single = mark === (v5 ? 'XDB3' : 'XD2B');
  if (!single && mark !== (v5 ? 'XDD3' : 'XD2D')) throw bad('no mark');
  if (v5) checkCrc(bytes, 4, `XFS inode ${folder.number}: folder block`);
  // A folder of one block keeps its hash table at the block's end.
  const end = single ? bytes.length - 8 - bytes.readUInt32BE(bytes.length - 8) * 8 : bytes.length;
  for (let at = v5 ? 64 : 16; at < end; ) {
    if (at + 8 > end) throw bad(`an entry past its end at ${at}`);
    if (bytes.readUInt16BE(at) === 0xffff) {
      const length = bytes.readUInt16BE(at + 2);
      if (length < 8 || length % 8 !== 0) throw bad(`${length} unused bytes at ${at}`);
      at += length;
      continue;
    }
    const nameBytes = bytes[at + 8]!;
    const nameEnd = at + 9 + nameBytes;
    const length = Math.ceil((9 + nameBytes + (hasFtype ? 1 : 0) + 2) / 8) * 8;
    if (at + length > end || nameBytes === 0) throw bad(`an entry of ${length} bytes at ${at}`);
    const type = hasFtype ? bytes[nameEnd]! : 0;
    yield entry(volume, bytes.subarray(at + 9, nameEnd), bytes.readBigUInt64BE(at), type);
    at += length;
  }
}

/**
 * Read-only ext2/3/4, as far as small files need it: linear and hashed folders (a hashed one is a linear one
 * with its index hidden in empty entries), links, extents, indirect blocks, inline data.
 * The journal is not replayed: a volume that needs it may show older content.
 */
import { AppError } from '../../../model/errors.ts';
import type { Looking } from '../../looking.ts';
import { type Files, type Nodes, walk } from '../files.ts';
import { blockOf, checkPlain, type Inode, inlineData, isFastLink, isInline } from './inode.ts';
import { checkReadable, findSuperblock, geometryOf } from './superblock.ts';
import { type ExtVolume, extVolume } from './volume.ts';

const rootInode = 2;
const maxLinkBytes = 4096;
/** A folder of this size holds some hundred thousand names; none that is read here comes near. */
const maxFolderBytes = 16 * 2 ** 20;
const maxNames = 20_000;

/** @throws AppError `corrupt`, `unsupported` (unknown features). */
export async function openExt(looking: Looking): Promise<Files> {
  const found = await findSuperblock(looking);
  if (found === undefined) throw new AppError('corrupt', 'no ext superblock at 1024');
  checkReadable(found.sb, found.bytes);
  const volume = extVolume(looking, found.sb, geometryOf(found.sb));
  const nodes: Nodes<Inode> = {
    root: await volume.inode(rootInode),
    kind: (inode) => inode.kind,
    async child(folder, name) {
      for await (const entry of entriesOf(volume, folder)) {
        if (entry.name === name) return volume.inode(entry.inode);
      }
      return undefined;
    },
    target: async (link) => (await linkTarget(volume, link)).toString('utf8'),
  };
  return {
    async stat(path) {
      const inode = await walk(nodes, path);
      return inode && { kind: inode.kind, size: inode.size };
    },
    async read(path, maxBytes) {
      const inode = await walk(nodes, path);
      return inode?.kind === 'file' ? content(volume, inode, maxBytes) : undefined;
    },
    async list(path) {
      const folder = await walk(nodes, path);
      if (folder?.kind !== 'folder') return [];
      const names: string[] = [];
      for await (const { name } of entriesOf(volume, folder)) {
        if (name === '.' || name === '..') continue;
        if (names.push(name) >= maxNames) break;
      }
      return names;
    },
  };
}

/** The inode's first bytes. */
async function content(volume: ExtVolume, inode: Inode, maxBytes: number): Promise<Buffer> {
  checkPlain(inode);
  if (isInline(inode)) return inlineData(inode).subarray(0, maxBytes);
  const { blockBytes } = volume.geometry;
  const out = Buffer.alloc(Math.min(inode.size, maxBytes));
  for (let at = 0; at < out.length; at += blockBytes) {
    const block = await blockOf(volume, inode, at / blockBytes);
    if (block !== undefined) (await volume.block(block)).copy(out, at);
  }
  return out;
}

async function linkTarget(volume: ExtVolume, link: Inode): Promise<Buffer> {
  if (isFastLink(link)) return link.block.subarray(0, link.size);
  if (link.size > maxLinkBytes)
    throw new AppError('corrupt', `ext inode ${link.number}: a link of ${link.size} bytes`);
  return content(volume, link, maxLinkBytes);
}

interface FolderEntry {
  readonly inode: number;
  readonly name: string;
}

async function* entriesOf(volume: ExtVolume, folder: Inode): AsyncGenerator<FolderEntry> {
  checkPlain(folder);
  if (isInline(folder)) {
    // Four bytes of the parent's number, entries up to 60, and more of them in the attribute.
    const data = inlineData(folder);
    yield* entriesIn(folder, data.subarray(4, 60));
    yield* entriesIn(folder, data.subarray(60));
    return;
  }
  if (folder.size > maxFolderBytes) {
    throw new AppError('corrupt', `ext inode ${folder.number}: a folder of ${folder.size} bytes`);
  }
  const { blockBytes } = volume.geometry;
  for (let index = 0; index * blockBytes < folder.size; index++) {
    const block = await blockOf(volume, folder, index);
    if (block !== undefined) yield* entriesIn(folder, await volume.block(block));
  }
}

/** Inode, length of the entry, length of the name, kind, name; inode 0 is an unused entry. */
function* entriesIn(folder: Inode, bytes: Buffer): Generator<FolderEntry> {
  for (let at = 0; at + 8 <= bytes.length; ) {
    const inode = bytes.readUInt32LE(at);
    const entryBytes = lengthOf(bytes.readUInt16LE(at + 4));
    const nameBytes = bytes[at + 6]!;
    if (entryBytes < 8 + nameBytes || entryBytes % 4 !== 0 || at + entryBytes > bytes.length) {
      throw new AppError(
        'corrupt',
        `ext inode ${folder.number}: folder entry of ${entryBytes} bytes at ${at}`,
      );
    }
    if (inode !== 0 && nameBytes > 0)
      yield { inode, name: bytes.toString('utf8', at + 8, at + 8 + nameBytes) };
    at += entryBytes;
  }
}

/** 64 KiB does not fit into 16 bits: 0 and 0xFFFF both mean it (dir rec_len of blocks of that size). */
const lengthOf = (field: number): number => (field === 0 || field === 0xffff ? 65536 : field);

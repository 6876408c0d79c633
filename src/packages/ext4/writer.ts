/**
 * A new ext4 filesystem from a stream of files, written in one go: data where it comes, the tables at the end, when it
 * is known how many there are. Without a journal, which `tune2fs -j` adds. Owners, modes, times, links, devices, holes
 * and extended attributes are as in the stream.
 */
import type { ByteSink } from '../../io/byte-source.ts';
import { AppError } from '../../model/errors.ts';
import { Blocks } from './blocks.ts';
import { addExtent, extentTree, type FileExtent } from './extent-tree.ts';
import { FileContent } from './file-content.ts';
import { type Child, type Folder, Folders, folderBlocks, namesOf } from './folders.ts';
import { type InodeFields, Inodes } from './inodes.ts';
import { blockBytes, type Kind, kind, lostFoundInode, rootInode } from './layout.ts';
import { finishTables } from './tables.ts';
import type { Piece, TarEntry } from './tar-stream.ts';
import { placeXattrs } from './xattrs.ts';

export interface Ext4Options {
  /** It is at least so large, in bytes. */
  readonly minimumBytes?: number | undefined;
  /** 16 bytes. */
  readonly uuid: Uint8Array;
  /** Seconds since 1970. */
  readonly now: number;
  readonly signal?: AbortSignal;
}

const kinds: Readonly<Record<string, Kind>> = {
  '0': 'file',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'folder',
  '6': 'fifo',
};
/** A symbolic link that is shorter lies in the inode. */
const inlineLink = 60;
const longestLink = 4095;

/** Resolves to the size. @throws AppError `corrupt`, `unsupported`, `no-space`, `cancelled`. */
export async function writeExt4(
  entries: AsyncIterable<TarEntry>,
  sink: ByteSink,
  where: string,
  options: Ext4Options,
): Promise<number> {
  const writer = new Ext4Writer(sink, where, options);
  for await (const entry of entries) {
    options.signal?.throwIfAborted();
    await writer.add(entry);
  }
  return writer.finish();
}

class Ext4Writer {
  readonly #where: string;
  readonly #options: Ext4Options;
  readonly #sink: ByteSink;
  readonly #blocks: Blocks;
  readonly #inodes = new Inodes();
  readonly #folders = new Folders();
  readonly #content: FileContent;
  /** Folders that the stream has not described yet. */
  readonly #bare = new Set([rootInode]);

  constructor(sink: ByteSink, where: string, options: Ext4Options) {
    this.#where = where;
    this.#options = options;
    this.#sink = sink;
    this.#blocks = new Blocks(sink, options.signal);
    this.#content = new FileContent(this.#blocks);
    this.#inodes.setFields(rootInode, this.#plainFolder(0o755));
  }

  #plainFolder(mode: number): InodeFields {
    const modifiedAt = { seconds: this.#options.now, nanoseconds: 0 };
    return { mode: kind.folder.mode | mode, uid: 0, gid: 0, modifiedAt };
  }

  async add(entry: TarEntry): Promise<void> {
    try {
      await this.#add(entry);
    } catch (error) {
      if (!(error instanceof AppError) || error.where !== undefined) throw error;
      const { kind: what, message, hint, cause } = error;
      throw new AppError(what, `${message}: ${JSON.stringify(entry.path)}`, {
        where: this.#where,
        ...(hint === undefined ? {} : { hint }),
        cause,
      });
    }
  }

  async #add(entry: TarEntry): Promise<void> {
    const names = namesOf(entry.path, this.#where);
    const name = names.pop();
    const type = kinds[entry.type];
    if (name === undefined) {
      if (type !== 'folder' || !this.#bare.delete(rootInode))
        throw new AppError('corrupt', 'a root that is no folder, or is there twice');
      return this.#describe(rootInode, 'folder', entry);
    }
    const parent = this.#parent(names);
    const before = parent.children.get(name);
    if (type === 'folder' && before !== undefined && this.#bare.delete(before.ino))
      return this.#describe(before.ino, 'folder', entry);
    if (before !== undefined) throw new AppError('corrupt', 'a name that is there twice');
    if (entry.type === '1') return this.#hardLink(parent, name, entry.link);
    if (type === undefined) throw new AppError('unsupported', `a tar member of type "${entry.type}"`);
    const isLostFound = parent.ino === rootInode && name === 'lost+found' && type === 'folder';
    const ino = isLostFound ? lostFoundInode : this.#inodes.make();
    parent.children.set(name, { ino, kind: type });
    if (type === 'folder') this.#folders.add(ino, parent);
    await this.#describe(ino, type, entry);
    this.#inodes.setLinks(ino, 1);
    if (type === 'file') await this.#fill(ino, entry.size, entry.pieces());
    else if (type === 'symlink') await this.#symlink(ino, entry.link);
    else if (type === 'character' || type === 'block') this.#device(ino, entry);
  }

  /** Folders that the stream does not have before what is in them are made. */
  #parent(names: readonly string[]): Folder {
    let at = this.#folders.all.get(rootInode)!;
    for (const name of names) {
      let next: Child | undefined = at.children.get(name);
      if (next === undefined) {
        next = { ino: this.#inodes.make(), kind: 'folder' };
        at.children.set(name, next);
        this.#folders.add(next.ino, at);
        this.#bare.add(next.ino);
        this.#inodes.setFields(next.ino, this.#plainFolder(0o755));
      }
      if (next.kind !== 'folder') throw new AppError('corrupt', 'a path through something that is no folder');
      at = this.#folders.all.get(next.ino)!;
    }
    return at;
  }

  /** Owner, mode, time and extended attributes. */
  async #describe(ino: number, type: Kind, entry: TarEntry): Promise<void> {
    const { uid, gid, modifiedAt } = entry;
    if (Math.max(uid, gid) >= 2 ** 32 || Math.min(uid, gid) < 0)
      throw new AppError('corrupt', `an owner ${uid}:${gid}`);
    this.#inodes.setFields(ino, { mode: kind[type].mode | entry.mode, uid, gid, modifiedAt });
    const block = placeXattrs(entry.xattrs, this.#inodes.inner(ino));
    if (block === undefined) return;
    const { start } = this.#blocks.take(1);
    await this.#blocks.write(start, block);
    this.#inodes.setXattrBlock(ino, start);
  }

  #hardLink(parent: Folder, name: string, link: string): void {
    const target = this.#folders.find(namesOf(link, this.#where));
    if (target === undefined || target.kind === 'folder')
      throw new AppError('corrupt', `a hard link to ${JSON.stringify(link)}, which is not before it`);
    this.#inodes.addLink(target.ino);
    parent.children.set(name, target);
  }

  async #fill(ino: number, size: number, pieces: AsyncIterable<Piece>): Promise<void> {
    const extents = await this.#content.write(size, pieces);
    await this.#setContent(ino, size, extents);
  }

  async #setContent(ino: number, size: number, extents: readonly FileExtent[]): Promise<void> {
    const { root, treeBlocks } = await extentTree(this.#blocks, extents);
    const data = extents.reduce((sum, { count }) => sum + count, 0);
    this.#inodes.setContent(ino, size, data + treeBlocks, root);
  }

  async #symlink(ino: number, link: string): Promise<void> {
    const bytes = Buffer.from(link, 'latin1');
    if (bytes.length === 0 || bytes.length > longestLink || bytes.includes(0))
      throw new AppError('corrupt', 'a symbolic link to nothing that can be');
    if (bytes.length < inlineLink) {
      const inode = this.#inodes.bytes(ino);
      inode.writeUInt32LE(bytes.length, 4);
      bytes.copy(inode, 40);
      return;
    }
    async function* whole() {
      yield { offset: 0, bytes };
    }
    await this.#fill(ino, bytes.length, whole());
  }

  /** As the kernel has them: the old form where both numbers fit into a byte, else the new one. */
  #device(ino: number, { major, minor }: TarEntry): void {
    if (major < 0 || minor < 0 || major >= 2 ** 12 || minor >= 2 ** 20)
      throw new AppError('unsupported', `a device ${major}:${minor}`);
    const inode = this.#inodes.bytes(ino);
    if (major < 256 && minor < 256) inode.writeUInt32LE(major * 256 + minor, 40);
    else inode.writeUInt32LE(((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0, 44);
  }

  async finish(): Promise<number> {
    const root = this.#folders.all.get(rootInode)!;
    if (!root.children.has('lost+found')) {
      root.children.set('lost+found', { ino: lostFoundInode, kind: 'folder' });
      this.#folders.add(lostFoundInode, root);
      this.#inodes.setFields(lostFoundInode, this.#plainFolder(0o700));
    }
    for (const folder of this.#folders.all.values()) {
      const bytes = folderBlocks(folder);
      const extents: FileExtent[] = [];
      for (let at = 0; at < bytes.length; ) {
        const run = this.#blocks.take((bytes.length - at) / blockBytes);
        await this.#blocks.write(run.start, bytes.subarray(at, at + run.count * blockBytes));
        addExtent(extents, at / blockBytes, run.start, run.count);
        at += run.count * blockBytes;
      }
      await this.#setContent(folder.ino, bytes.length, extents);
      this.#inodes.setLinks(folder.ino, this.#folders.links(folder));
    }
    const size = await finishTables(this.#sink, this.#blocks, this.#inodes, {
      ...this.#options,
      folders: this.#folders.all.keys(),
    });
    await this.#sink.finish(size);
    return size;
  }
}

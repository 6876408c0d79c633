/** The tree of names, and how a folder's names lie in its blocks. */
import { AppError } from '../../model/errors.ts';
import { blockBytes, type Kind, kind, rootInode } from './layout.ts';

export interface Child {
  readonly ino: number;
  readonly kind: Kind;
}

export interface Folder {
  readonly ino: number;
  readonly parent: number;
  /** Names are latin1. */
  readonly children: Map<string, Child>;
}

const longestName = 255;
/** More subfolders are not counted (dir_nlink). */
const mostLinks = 65_000;

/** A path's names: relative, below the root. @throws AppError `corrupt`. */
export function namesOf(path: string, where: string): string[] {
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  for (const name of names) {
    if (name === '..' || name.length > longestName || name.includes('\0'))
      throw new AppError('corrupt', `the archive has a name that can't be: ${JSON.stringify(path)}`, {
        where,
      });
  }
  return names;
}

export class Folders {
  readonly all = new Map<number, Folder>();

  constructor() {
    this.all.set(rootInode, { ino: rootInode, parent: rootInode, children: new Map() });
  }

  add(ino: number, parent: Folder): Folder {
    const folder = { ino, parent: parent.ino, children: new Map() };
    this.all.set(ino, folder);
    return folder;
  }

  /** Undefined where there is none. */
  find(names: readonly string[]): Child | undefined {
    let at: Child = { ino: rootInode, kind: 'folder' };
    for (const name of names) {
      const next = this.all.get(at.ino)?.children.get(name);
      if (next === undefined) return undefined;
      at = next;
    }
    return at;
  }

  links({ children }: Folder): number {
    let links = 2;
    for (const child of children.values()) if (child.kind === 'folder') links++;
    return links > mostLinks ? 1 : links;
  }
}

/** Its names, one block after the other; an entry never lies in two. */
export function folderBlocks({ ino, parent, children }: Folder): Buffer {
  const entries: [Buffer, number, number][] = [
    [Buffer.from('.'), ino, kind.folder.entry],
    [Buffer.from('..'), parent, kind.folder.entry],
  ];
  for (const [name, child] of children)
    entries.push([Buffer.from(name, 'latin1'), child.ino, kind[child.kind].entry]);
  const blocks: Buffer[] = [];
  let block = Buffer.alloc(blockBytes);
  let at = 0;
  let last = 0;
  const close = () => {
    block.writeUInt16LE(blockBytes - last, last + 4);
    blocks.push(block);
  };
  for (const [name, child, type] of entries) {
    const length = 8 + Math.ceil(name.length / 4) * 4;
    if (at + length > blockBytes) {
      close();
      block = Buffer.alloc(blockBytes);
      at = 0;
    }
    block.writeUInt32LE(child, at);
    block.writeUInt16LE(length, at + 4);
    block[at + 6] = name.length;
    block[at + 7] = type;
    name.copy(block, at + 8);
    last = at;
    at += length;
  }
  close();
  return Buffer.concat(blocks);
}

/** What one filesystem has to know; everything that works by path is made of it here. */
import { AppError } from '../../model/errors.ts';
import type { Budget, FileStat, FolderEntry, OpenFile, VolumeFacts, VolumeFiles } from './files.ts';
import { isPathPart } from './names.ts';
import { type Nodes, walk } from './walk.ts';

/** One name in a folder. */
export interface Entry<N> extends FolderEntry {
  /** Another name that finds it and is not listed: the 8.3 name. */
  readonly alias?: string;
  node(): Promise<N>;
}

export interface Reader<N> {
  readonly root: N;
  readonly facts: VolumeFacts;
  readonly budget: Budget;
  /** The same for the same node, and for no other. */
  key(node: N): number | string;
  stat(node: N): FileStat;
  /** `.` and `..` may be among them. */
  entries(folder: N): AsyncIterable<Entry<N>>;
  /** What makes two names equal in this folder; left out: nothing but being the same. */
  fold?(folder: N): ((name: string) => string) | undefined;
  /** Where a tree finds a name quicker than reading the whole folder does. */
  child?(folder: N, name: string): Promise<N | undefined>;
  /** Fills `target` with the file's bytes from `offset`; the range is inside the file. */
  readInto(file: N, target: Buffer, offset: number): Promise<void>;
  target(link: N): Promise<string>;
}

/** A folder with more names than this is refused rather than cut. */
const maxNames = 1_000_000;
/** Names kept in memory, of the folders that were looked into last; a folder with more is kept until the next such. */
const maxKept = 50_000;
/** Of what is read at once, the part that a step of the budget pays for. */
const bytesPerStep = 512;

export function filesOf<N>(reader: Reader<N>): VolumeFiles {
  const folders = new Folders(reader);
  const nodes: Nodes<N> = {
    root: reader.root,
    kind: (node) => reader.stat(node).kind,
    child: (folder, name) =>
      reader.child === undefined ? folders.child(folder, name) : reader.child(folder, name),
    target: (link) => reader.target(link),
  };
  const find = (path: string, followLast = true) => {
    reader.budget.refill();
    return walk(nodes, path, followLast);
  };
  const openNode = (node: N): OpenFile => {
    const stat = reader.stat(node);
    return {
      stat,
      async readAt(offset, length) {
        if (!(offset >= 0 && length >= 0))
          throw new AppError('bug', `a read of ${length} bytes at ${offset}`);
        const there = Math.max(0, Math.min(length, stat.size - offset));
        reader.budget.refill(Math.ceil(there / bytesPerStep));
        const target = Buffer.alloc(there);
        if (there > 0) await reader.readInto(node, target, offset);
        return target;
      },
    };
  };
  const open = async (path: string) => {
    const node = await find(path);
    return node !== undefined && nodes.kind(node) === 'file' ? openNode(node) : undefined;
  };
  const entries = async (path: string): Promise<FolderEntry[]> => {
    const folder = await find(path);
    if (folder === undefined || nodes.kind(folder) !== 'folder') return [];
    const found = await folders.entries(folder);
    return found.map(({ name, kind }) => (kind === undefined ? { name } : { name, kind }));
  };
  return {
    facts: reader.facts,
    async stat(path) {
      const node = await find(path);
      return node && reader.stat(node);
    },
    async lstat(path) {
      const node = await find(path, false);
      return node && reader.stat(node);
    },
    async readlink(path) {
      const node = await find(path, false);
      return node !== undefined && nodes.kind(node) === 'link' ? reader.target(node) : undefined;
    },
    read: async (path, maxBytes) => (await open(path))?.readAt(0, maxBytes),
    open,
    entries,
    list: async (path) => (await entries(path)).map((entry) => entry.name),
  };
}

interface Folder<N> {
  readonly entries: readonly Entry<N>[];
  readonly byName: ReadonlyMap<string, Entry<N>>;
  readonly fold: ((name: string) => string) | undefined;
}

/** The folders that were looked into last. */
class Folders<N> {
  readonly #reader: Reader<N>;
  readonly #kept = new Map<number | string, Folder<N>>();
  /** A walk goes through small folders to each name in it: none of them pushes it out. */
  #large: { readonly key: number | string; readonly folder: Folder<N> } | undefined;
  #names = 0;

  constructor(reader: Reader<N>) {
    this.#reader = reader;
  }

  async child(folder: N, name: string): Promise<N | undefined> {
    const { byName, fold } = await this.#load(folder);
    return (byName.get(name) ?? (fold && byName.get(fold(name))))?.node();
  }

  async entries(folder: N): Promise<readonly Entry<N>[]> {
    return (await this.#load(folder)).entries;
  }

  async #load(node: N): Promise<Folder<N>> {
    const key = this.#reader.key(node);
    const known = this.#large?.key === key ? this.#large.folder : this.#kept.get(key);
    if (known !== undefined) return known;
    const folder = await this.#read(node);
    if (folder.entries.length >= maxKept) {
      this.#large = { key, folder };
      return folder;
    }
    if (this.#names + folder.entries.length > maxKept) {
      this.#kept.clear();
      this.#names = 0;
    }
    // An empty folder takes room as well.
    this.#names += folder.entries.length + 1;
    this.#kept.set(key, folder);
    return folder;
  }

  async #read(node: N): Promise<Folder<N>> {
    const fold = this.#reader.fold?.(node);
    const entries: Entry<N>[] = [];
    const byName = new Map<string, Entry<N>>();
    for await (const entry of this.#reader.entries(node)) {
      const { name, alias } = entry;
      if (name === '.' || name === '..') continue;
      if (!isPathPart(name)) throw new AppError('corrupt', `a file is called ${JSON.stringify(name)}`);
      if (entries.push(entry) > maxNames)
        throw new AppError('unsupported', `a folder of more than ${maxNames} names`);
      if (!byName.has(name)) byName.set(name, entry);
      for (const other of fold === undefined ? [] : [name, alias ?? name]) {
        if (!byName.has(fold!(other))) byName.set(fold!(other), entry);
      }
    }
    return { entries, byName, fold };
  }
}

/**
 * A guest's files with the edits that are planned on top: each change is worked out against what the ones before it
 * leave behind. Nothing is written here.
 */
import { AppError, toAppError } from '../../model/errors.ts';
import type { ChangeNeed } from '../../model/guest-change.ts';
import type { FileStat, Files } from '../filesystems/files.ts';
import type { Edit, Owner, RegistryEdit, Replaced, Upload } from './edit.ts';

export interface PlannedChange {
  readonly id: string;
  readonly title: string;
  readonly reason: string;
  readonly need: ChangeNeed;
  readonly edits: readonly Edit[];
  /** Written to the disks beside all filesystems, where nothing was. */
  readonly sectors?: readonly SectorEdit[];
}

export interface SectorEdit {
  /** Number of the disk in the machine, from 0. */
  readonly disk: number;
  /** Bytes. */
  readonly offset: number;
  readonly content: Buffer;
}

/** What a change is handed to read and to edit with. */
export interface Editor {
  /** Links are followed. Undefined when there is no file. @throws AppError `unsupported` when it is too large. */
  text(path: string): Promise<string | undefined>;
  bytes(path: string): Promise<Buffer | undefined>;
  stat(path: string): Promise<FileStat | undefined>;
  /** Of the last name itself, where that is a link. */
  lstat(path: string): Promise<FileStat | undefined>;
  readlink(path: string): Promise<string | undefined>;
  list(path: string): Promise<string[]>;
  /** Where the path really is: no link on the way, nor at the end. The last name need not be there. */
  real(path: string): Promise<string>;
  /** Nothing happens when the content is what is there already. Folders on the way are made. */
  write(path: string, content: string | Buffer, as?: Owner & { readonly secret?: boolean }): Promise<void>;
  /** A file of any size; what it holds is not known here from then on. */
  upload(path: string, what: Upload, as?: Owner): Promise<void>;
  /** `content` is what the file becomes; nothing happens where there is no file. */
  edit(path: string, change: (text: string) => string): Promise<void>;
  append(path: string, content: Buffer): Promise<void>;
  /** Nothing happens when `to` is there already. */
  copy(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Nothing happens where it is not there, or not empty. */
  removeFolder(path: string): Promise<void>;
  link(path: string, target: string): Promise<void>;
  /** A folder that is there stays as it is. */
  folder(path: string, as?: Owner): Promise<void>;
  registry(edit: Omit<RegistryEdit, 'kind'>): void;
}

/** Files that are edited are configuration: what is larger is something else. */
const maxEditBytes = 8 * 2 ** 20;
const maxLinks = 40;

/** What the edits so far make of one path. */
type Layer =
  | { readonly kind: 'file'; readonly content: Buffer; readonly stat: FileStat }
  /** A file whose bytes are not held. */
  | { readonly kind: 'grown'; readonly size: number }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'folder' }
  | { readonly kind: 'gone' };

const parent = (path: string) => path.slice(0, path.lastIndexOf('/')) || '/';

/** `/a//b/./c/` → `/a/b/c`; `..` is left for `real`, as a link may be before it. */
function parts(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

export class PlannedTree {
  readonly #files: Files;
  #layers = new Map<string, Layer>();
  readonly #without: ReadonlySet<string>;
  readonly changes: PlannedChange[] = [];
  /** What would have been changed, and is left as it is. */
  readonly leftOut: PlannedChange[] = [];

  /** `without`: ids of changes, or what is before their first point. */
  constructor(files: Files, without: readonly string[] = []) {
    this.#files = files;
    this.#without = new Set(without);
  }

  /** Collects what `work` edits as one change; no change when it edits nothing. */
  async change(what: Omit<PlannedChange, 'edits'>, work: (editor: Editor) => Promise<void>): Promise<void> {
    const edits: Edit[] = [];
    const before = new Map(this.#layers);
    const isWanted = !this.#without.has(what.id) && !this.#without.has(what.id.split('.')[0]!);
    let failed = false;
    try {
      await work(this.#editor(edits));
    } catch (error) {
      failed = true;
      const { kind, message, where, hint } = toAppError(error);
      if (kind === 'cancelled' || kind === 'bug') throw error;
      if (isWanted)
        throw new AppError(kind, message, {
          ...{ cause: error, hint: hint ?? `leave it out: --without-change ${what.id}` },
          ...(where === undefined ? {} : { where }),
        });
    }
    if (edits.length === 0 && !failed) return;
    if (isWanted) {
      this.changes.push({ ...what, edits });
      return;
    }
    this.leftOut.push({ ...what, edits });
    this.#layers = before;
  }

  /** For looking only. */
  get view(): Pick<Editor, 'text' | 'bytes' | 'stat' | 'lstat' | 'readlink' | 'list' | 'real'> {
    return this.#editor([]);
  }

  #editor(edits: Edit[]): Editor {
    const bytes = async (path: string) => this.#bytes(await this.#real(path));
    const write: Editor['write'] = async (given, content, as = {}) => {
      const path = await this.#real(given);
      await this.#folders(parent(path), edits);
      const after = typeof content === 'string' ? Buffer.from(content, 'utf8') : content;
      const before = await this.#bytes(path);
      if (before?.equals(after) && as.mode === undefined) return;
      const old = await this.#stat(path);
      const { secret: _secret, ...owner } = as;
      const stat: FileStat = {
        ...(old ?? { mode: 0o644, uid: 0, gid: 0 }),
        ...owner,
        kind: 'file',
        size: after.length,
      };
      this.#layers.set(path, { kind: 'file', content: after, stat });
      edits.push({ kind: 'write', path, content: after, ...(before === undefined ? {} : { before }), ...as });
    };
    const remove: Editor['remove'] = async (given) => {
      const path = await this.#real(given, false);
      const stat = await this.#lstat(path);
      if (stat === undefined) return;
      if (stat.kind === 'folder')
        throw new AppError('unsupported', 'a folder is not removed', { where: path });
      const replaced = await this.#replaced(path, stat);
      this.#layers.set(path, { kind: 'gone' });
      const { mode, uid, gid } = stat;
      edits.push({
        kind: 'remove',
        path,
        ...replaced,
        ...(mode === undefined ? {} : { mode }),
        ...(uid === undefined ? {} : { uid }),
        ...(gid === undefined ? {} : { gid }),
      });
    };
    return {
      bytes,
      text: async (path) => (await bytes(path))?.toString('utf8'),
      stat: async (path) => this.#stat(await this.#real(path)),
      lstat: async (path) => this.#lstat(await this.#real(path, false)),
      readlink: async (path) => this.#readlink(await this.#real(path, false)),
      list: async (path) => this.#list(await this.#real(path)),
      real: (path) => this.#real(path),
      write,
      async edit(path, change) {
        const before = await bytes(path);
        if (before === undefined) return;
        // Latin-1 keeps every byte of a file in whatever encoding; what is put in must be ASCII then.
        const text = before.toString('utf8');
        const lossless = Buffer.from(text, 'utf8').equals(before);
        const encoding = lossless ? 'utf8' : 'latin1';
        await write(path, Buffer.from(change(before.toString(encoding)), encoding));
      },
      upload: async (given, what, as = {}) => {
        const path = await this.#real(given);
        const stat = await this.#stat(path);
        if (stat?.kind === 'folder')
          throw new AppError('conflict', 'a folder is there, where a file is to be', { where: path });
        await this.#folders(parent(path), edits);
        const replaced = stat === undefined ? {} : { replaced: await this.#replaced(path, stat) };
        this.#layers.set(path, { kind: 'grown', size: what.size });
        edits.push({ kind: 'upload', path, ...what, ...as, ...replaced });
      },
      append: async (given, content) => {
        const path = await this.#real(given);
        const size = (await this.#stat(path))?.size;
        if (size === undefined)
          throw new AppError('not-found', 'there is no such file in the guest', { where: path });
        this.#layers.set(path, { kind: 'grown', size: size + content.length });
        edits.push({ kind: 'append', path, content, size });
      },
      copy: async (givenFrom, givenTo) => {
        const [from, path] = [await this.#real(givenFrom), await this.#real(givenTo)];
        if ((await this.#stat(path)) !== undefined) return;
        const size = (await this.#stat(from))?.size;
        if (size === undefined)
          throw new AppError('not-found', 'there is no such file in the guest', { where: from });
        await this.#folders(parent(path), edits);
        this.#layers.set(path, { kind: 'grown', size });
        edits.push({ kind: 'copy', path, from, size });
      },
      remove,
      removeFolder: async (given) => {
        const path = await this.#real(given, false);
        if ((await this.#lstat(path))?.kind !== 'folder' || (await this.#list(path)).length > 0) return;
        this.#layers.set(path, { kind: 'gone' });
        edits.push({ kind: 'remove-folder', path });
      },
      link: async (given, target) => {
        const path = await this.#real(given, false);
        const before = await this.#readlink(path);
        if (before === target) return;
        await this.#folders(parent(path), edits);
        // What a link takes the place of can be put back.
        if (before === undefined) await remove(path);
        this.#layers.set(path, { kind: 'link', target });
        edits.push({ kind: 'link', path, target, ...(before === undefined ? {} : { before }) });
      },
      folder: async (path, as) => this.#folders(await this.#real(path), edits, as),
      registry: (edit) => void edits.push({ kind: 'registry', ...edit }),
    };
  }

  async #bytes(path: string): Promise<Buffer | undefined> {
    const layer = this.#layers.get(path);
    if (layer?.kind === 'file') return layer.content;
    if (layer !== undefined && layer.kind !== 'grown') return undefined;
    const stat = await this.#stat(path);
    if (stat === undefined || stat.kind !== 'file') return undefined;
    if (layer !== undefined || stat.size > maxEditBytes) {
      throw new AppError('unsupported', `the file has ${stat.size} bytes: too large to be edited`, {
        where: path,
      });
    }
    return this.#files.read(path, maxEditBytes);
  }

  /** What is kept of what is there. */
  async #replaced(path: string, { kind, size }: FileStat): Promise<Replaced> {
    if (kind === 'link') {
      const target = await this.#readlink(path);
      return target === undefined ? {} : { target };
    }
    const isHeld = kind === 'file' && size <= maxEditBytes && this.#layers.get(path)?.kind !== 'grown';
    const before = isHeld ? await this.#bytes(path) : undefined;
    return before === undefined ? {} : { before };
  }

  async #stat(path: string): Promise<FileStat | undefined> {
    return this.#lstat(path); // paths here have no link left
  }

  async #lstat(path: string): Promise<FileStat | undefined> {
    const layer = this.#layers.get(path);
    if (layer === undefined) return this.#files.lstat(path);
    if (layer.kind === 'file') return layer.stat;
    if (layer.kind === 'grown')
      return { ...((await this.#files.lstat(path)) ?? {}), kind: 'file', size: layer.size };
    if (layer.kind === 'link') return { kind: 'link', size: layer.target.length };
    return layer.kind === 'folder' ? { kind: 'folder', size: 0 } : undefined;
  }

  async #readlink(path: string): Promise<string | undefined> {
    const layer = this.#layers.get(path);
    if (layer === undefined) return this.#files.readlink(path);
    return layer.kind === 'link' ? layer.target : undefined;
  }

  async #list(path: string): Promise<string[]> {
    const names = new Set(await this.#files.list(path));
    for (const [at, layer] of this.#layers) {
      if (at === '/' || parent(at) !== path) continue;
      const name = at.slice(at.lastIndexOf('/') + 1);
      if (layer.kind === 'gone') names.delete(name);
      else names.add(name);
    }
    return [...names].sort();
  }

  /** Makes what is missing of the folders on the way. */
  async #folders(path: string, edits: Edit[], as: Owner = {}): Promise<void> {
    if (path === '/') return;
    const there = (await this.#lstat(path))?.kind;
    if (there === 'folder') return;
    if (there !== undefined)
      throw new AppError('conflict', `a ${there} is there, where a folder is to be`, { where: path });
    await this.#folders(parent(path), edits);
    this.#layers.set(path, { kind: 'folder' });
    edits.push({ kind: 'folder', path, ...as });
  }

  /** @throws AppError `corrupt` when links go in circles. */
  async #real(given: string, followLast = true): Promise<string> {
    let ahead = parts(given).reverse();
    let here: string[] = [];
    for (let links = 0; ahead.length > 0; ) {
      const name = ahead.pop()!;
      if (name === '..') {
        here.pop();
        continue;
      }
      const path = `/${[...here, name].join('/')}`;
      const target = ahead.length === 0 && !followLast ? undefined : await this.#readlink(path);
      if (target === undefined) {
        here.push(name);
        continue;
      }
      if (++links > maxLinks)
        throw new AppError('corrupt', `more than ${maxLinks} links on the way`, { where: given });
      if (target.startsWith('/')) here = [];
      ahead = [...ahead, ...parts(target).reverse()];
    }
    return `/${here.join('/')}`;
  }
}

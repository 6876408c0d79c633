/**
 * The copies that conversions keep, a folder `<run>-<stage>` each. What is no copy of ours is neither told nor touched;
 * no link is followed.
 */
import { lstat, readdir, readFile, rmdir, statfs, unlink } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import {
  copyFileName,
  isUnfinishedFile,
  type KeptCopy,
  largestCopyFile,
  splitCopyId,
} from '../../env-plugins/kept-copy.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { KeepStage } from '../../model/plan.ts';

export interface KeptEntry {
  readonly id: string;
  readonly run: string;
  readonly stage: KeepStage;
  /** `half-made`: it is being made, or its run was killed. `broken`: its description can't be read. */
  readonly status: 'whole' | 'half-made' | 'broken';
  /** What it takes on the disk. */
  readonly bytes: number;
  /** Its description, where it is whole. */
  readonly copy?: KeptCopy;
  /** Why it is broken. */
  readonly problem?: string;
}

export interface KeptList {
  readonly folder: string;
  /** The latest first. */
  readonly entries: readonly KeptEntry[];
  readonly bytes: number;
  /** Absent where nothing was ever kept and no folder above is there. */
  readonly freeBytes?: number;
  readonly totalBytes?: number;
}

export class KeptStore {
  readonly #usual: string;
  readonly #preferred: () => Promise<string | undefined>;

  /** `preferred`: the folder that the user prefers to `usual`. */
  constructor(usual: string, preferred: () => Promise<string | undefined> = async () => undefined) {
    this.#usual = usual;
    this.#preferred = preferred;
  }

  async folder(): Promise<string> {
    const preferred = await this.#preferred();
    return preferred !== undefined && isAbsolute(preferred) ? preferred : this.#usual;
  }

  /** @throws AppError `auth`, `io`. */
  async list(folder?: string): Promise<KeptList> {
    const store = folder ?? (await this.folder());
    const entries: KeptEntry[] = [];
    for (const id of (await names(store)).sort().reverse()) {
      const entry = await this.#entry(store, id);
      if (entry !== undefined) entries.push(entry);
    }
    const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
    return { folder: store, entries, bytes, ...(await spaceOf(store)) };
  }

  /**
   * Removes it and nothing else.
   * @throws AppError `not-found`, `conflict` when something else lies in its folder: then nothing is removed.
   */
  async remove(id: string, folder?: string): Promise<KeptEntry> {
    const store = folder ?? (await this.folder());
    const entry = await this.#entry(store, id);
    if (entry === undefined)
      throw new AppError('not-found', `there is no kept copy "${id}"`, {
        where: store,
        hint: 'see "vmferry kept"',
      });
    const place = join(store, id);
    try {
      const files = await filesIn(place);
      const own = new Set([copyFileName, ...(entry.copy?.files ?? []).map(({ name }) => name)]);
      // Of one that is broken nobody knows.
      const isOwn = (name: string) =>
        entry.copy === undefined || own.has(name) || isUnfinishedFile(name, entry.run);
      const foreign = files.find(({ name, isFolder }) => isFolder || !isOwn(name));
      if (foreign !== undefined)
        throw new AppError('conflict', `"${foreign.name}" in its folder is not of this copy`, {
          where: place,
          hint: 'put it elsewhere, then remove the copy again',
        });
      // The description last: what is left of a removal that was cut is still known for a copy.
      const last = (name: string) => (name === copyFileName ? 1 : 0);
      for (const { name } of files.sort((a, b) => last(a.name) - last(b.name)))
        await unlink(join(place, name));
      await rmdir(place);
    } catch (error) {
      throw toAppError(error);
    }
    return entry;
  }

  async #entry(store: string, id: string): Promise<KeptEntry | undefined> {
    const named = splitCopyId(id);
    if (named === undefined) return undefined;
    const place = join(store, id);
    const files = await filesIn(place).catch((error) => {
      if (['not-found', 'conflict'].includes(toAppError(error).kind)) return undefined;
      throw toAppError(error);
    });
    if (files === undefined) return undefined;
    const known = { id, ...named, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) };
    const description = files.find(({ name }) => name === copyFileName);
    if (description === undefined) {
      const ours = files.every(({ name, isFolder }) => !isFolder && isUnfinishedFile(name, named.run));
      return ours ? { ...known, status: 'half-made' } : undefined;
    }
    try {
      return { ...known, status: 'whole', copy: await read(join(place, copyFileName), id) };
    } catch (error) {
      const { kind, message } = toAppError(error);
      if (kind === 'auth' || kind === 'bug') throw error;
      return { ...known, status: 'broken', problem: message };
    }
  }
}

async function read(path: string, id: string): Promise<KeptCopy> {
  const { size, isFile } = await lstat(path).then((found) => ({ size: found.size, isFile: found.isFile() }));
  if (!isFile) throw new AppError('corrupt', 'its description is not a file', { where: path });
  if (size > largestCopyFile)
    throw new AppError('corrupt', `its description has ${size} bytes`, { where: path });
  // Loaded only to read: whoever keeps nothing has no need of it.
  const { parseCopy } = await import('../../env-plugins/parse-copy.ts');
  return parseCopy(await readFile(path, 'utf8'), id, path);
}

async function names(folder: string): Promise<string[]> {
  return readdir(folder).catch((error) => {
    if (toAppError(error).kind === 'not-found') return [];
    throw toAppError(error);
  });
}

/** Of a folder that is no link. @throws AppError `not-found`, `conflict` where it is none. */
async function filesIn(folder: string) {
  const found = await lstat(folder).catch((error) => {
    throw toAppError(error);
  });
  if (!found.isDirectory()) throw new AppError('conflict', 'this is not a folder', { where: folder });
  const files = [];
  for (const name of await readdir(folder)) {
    // It may be finished, or removed, at this moment.
    const stats = await lstat(join(folder, name)).catch(() => undefined);
    if (stats === undefined) continue;
    // Windows does not tell blocks.
    const bytes = stats.isFile() ? (stats.blocks === 0 ? stats.size : stats.blocks * 512) : 0;
    files.push({ name, bytes, isFolder: stats.isDirectory() });
  }
  return files;
}

/** Of its filesystem, or of the one that it would be on. */
async function spaceOf(folder: string): Promise<{ freeBytes?: number; totalBytes?: number }> {
  for (let path = folder; ; path = dirname(path)) {
    try {
      const { bavail, blocks, bsize } = await statfs(path);
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
    } catch (error) {
      if (toAppError(error).kind !== 'not-found' || dirname(path) === path) return {};
    }
  }
}

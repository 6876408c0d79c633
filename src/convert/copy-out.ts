/**
 * Files copied out of a guest. All names and links in it are hostile: nothing is written outside of the folder that was
 * named, links are made and never followed, and what is there already is not touched.
 */
import { lstat, mkdir, open, readdir, rm, symlink, utimes } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { FileStat, Files } from '../guest/filesystems/files.ts';
import { throwIfAborted } from '../io/in-order.ts';
import { AppError, toAppError } from '../model/errors.ts';
import { MiB } from '../model/units.ts';

export interface CopyOutOptions {
  readonly recursive: boolean;
  /** Replaces files and links, and adds to folders. */
  readonly force: boolean;
  readonly signal: AbortSignal;
  remark(text: string): void;
}

export interface CopiedOut {
  readonly files: number;
  readonly folders: number;
  readonly links: number;
  readonly bytes: number;
  readonly skipped: number;
}

const maxDepth = 200;
const maxEntries = 20_000_000;
const pieceBytes = 4 * MiB;

/** `to`: a folder that is there takes it under its own name; else it is the new name. @throws AppError. */
export async function copyOut(
  files: Files,
  path: string,
  to: string,
  options: CopyOutOptions,
): Promise<CopiedOut> {
  const stat = await files.stat(path);
  if (stat === undefined)
    throw new AppError('not-found', 'there is nothing of this name in the guest', { where: path });
  if (stat.kind === 'folder' && !options.recursive)
    throw new AppError('usage', 'it is a folder', { where: path, hint: 'to copy all that is in it, say -r' });
  if (stat.kind === 'other')
    throw new AppError('unsupported', 'it is no file, but a device, a pipe or a socket', { where: path });
  const name = path.split('/').findLast((part) => part !== '' && part !== '.' && part !== '..');
  const inFolder = await lstat(to).then(
    (there) => there.isDirectory(),
    () => false,
  );
  const target = inFolder && name !== undefined ? join(to, safeName(name, path)) : to;
  const copy = new Copy(files, options);
  // The one that was named is taken even through a link; what is below is taken as it is.
  if (stat.kind === 'folder') await copy.folder(path, target, stat, 0, inFolder && name === undefined);
  else await copy.file(path, target, stat);
  return copy.done;
}

/** Names of a guest's files hold no `/` (see `Files`); a backslash would part names on Windows alone. */
function safeName(name: string, where: string): string {
  if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name) || basename(name) !== name)
    throw new AppError('corrupt', `"${name}" is no name of a file`, { where });
  return name;
}

class Copy {
  readonly #files: Files;
  readonly #options: CopyOutOptions;
  #done = { files: 0, folders: 0, links: 0, bytes: 0, skipped: 0 };
  #entries = 0;

  constructor(files: Files, options: CopyOutOptions) {
    this.#files = files;
    this.#options = options;
  }

  get done(): CopiedOut {
    return this.#done;
  }

  async folder(path: string, target: string, stat: FileStat, depth: number, itself = false): Promise<void> {
    if (depth > maxDepth)
      throw new AppError('corrupt', `folders are more than ${maxDepth} deep`, { where: path });
    if (!itself) await this.#makeFolder(target);
    this.#done.folders++;
    const seen = new Set<string>();
    for (const { name } of await this.#files.entries(path)) {
      throwIfAborted(this.#options.signal);
      if (++this.#entries > maxEntries)
        throw new AppError('unsupported', `more than ${maxEntries} files`, { where: path });
      if (seen.has(name)) {
        this.#skip(`${path}/${name}`, 'the name is there twice');
        continue;
      }
      seen.add(name);
      const inside = path.endsWith('/') ? `${path}${name}` : `${path}/${name}`;
      await this.#entry(inside, join(target, safeName(name, path)), depth);
    }
    if (!itself) await this.#settle(target, stat);
  }

  async #entry(path: string, target: string, depth: number): Promise<void> {
    const stat = await this.#files.lstat(path);
    if (stat === undefined) return this.#skip(path, 'it can not be found again');
    if (stat.kind === 'folder') return this.folder(path, target, stat, depth + 1);
    if (stat.kind === 'link') return this.#link(path, target);
    if (stat.kind === 'other') return this.#skip(path, 'it is a device, a pipe or a socket');
    await this.file(path, target, stat);
  }

  /** One that is there must be a folder itself: a link would lead elsewhere. */
  async #makeFolder(target: string): Promise<void> {
    try {
      await mkdir(target, { mode: 0o755 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw toAppError(error);
      const there = await lstat(target);
      const empty = there.isDirectory() && (await readdir(target)).length === 0;
      if (!there.isDirectory() || !(this.#options.force || empty)) throw exists(target);
    }
  }

  async file(path: string, target: string, stat: FileStat): Promise<void> {
    const file = await this.#files.open(path);
    if (file === undefined) return this.#skip(path, 'it can not be opened');
    const out = await this.#create(target, (at) => open(at, 'wx', 0o600));
    try {
      for (let offset = 0; offset < stat.size; ) {
        throwIfAborted(this.#options.signal);
        const bytes = await file.readAt(offset, Math.min(pieceBytes, stat.size - offset));
        if (bytes.length === 0)
          throw new AppError('corrupt', `it ends at byte ${offset} of ${stat.size}`, { where: path });
        // Zeros are left out: a sparse file stays one.
        if (!isZero(bytes)) await writeAll(out, bytes, offset);
        offset += bytes.length;
        this.#done.bytes += bytes.length;
      }
      await out.truncate(stat.size);
      if (stat.mode !== undefined) await out.chmod(stat.mode & 0o777);
    } catch (error) {
      await out.close();
      await rm(target, { force: true });
      throw toAppError(error);
    }
    await out.close();
    await this.#settle(target, stat);
    this.#done.files++;
  }

  async #link(path: string, target: string): Promise<void> {
    const leads = await this.#files.readlink(path);
    if (leads === undefined || leads === '' || leads.includes('\0'))
      return this.#skip(path, 'it is a broken link');
    await this.#create(target, (at) => symlink(leads, at));
    this.#done.links++;
  }

  async #create<T>(target: string, make: (target: string) => Promise<T>): Promise<T> {
    try {
      return await make(target);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw toAppError(error);
      const there = await lstat(target);
      if (!this.#options.force || there.isDirectory()) throw exists(target);
      await rm(target);
      return make(target);
    }
  }

  async #settle(target: string, { modifiedAt }: FileStat): Promise<void> {
    if (modifiedAt !== undefined && Math.abs(modifiedAt) < 2 ** 40)
      await utimes(target, modifiedAt, modifiedAt);
  }

  #skip(path: string, why: string): void {
    this.#done.skipped++;
    this.#options.remark(`left out: ${path}: ${why}`);
  }
}

const exists = (where: string): AppError =>
  new AppError('conflict', 'it is there already', { where, hint: 'choose another place, or say --force' });

async function writeAll(out: Awaited<ReturnType<typeof open>>, bytes: Buffer, offset: number): Promise<void> {
  for (let at = 0; at < bytes.length; )
    at += (await out.write(bytes, at, bytes.length - at, offset + at)).bytesWritten;
}

const zeros = Buffer.alloc(pieceBytes);
const isZero = (bytes: Buffer): boolean => bytes.equals(zeros.subarray(0, bytes.length));

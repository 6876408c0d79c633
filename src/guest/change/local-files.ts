/** Files and folders of this computer that go into a guest. They are read when they are written there. */
import { createReadStream } from 'node:fs';
import { lstat, readdir, readFile, readlink, realpath, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Files } from '../filesystems/files.ts';
import type { Upload } from './edit.ts';
import type { Editor } from './tree.ts';

/** So small a file is shown as a diff, as long as not too much is held. */
const shownBytes = 64 * 1024;
const heldBytes = 8 * 2 ** 20;
const maxFiles = 100_000;
const chunkBytes = 2 ** 20;

/** Bytes that may still be held, for all copies of one plan together. */
export class Held {
  #left = heldBytes;
  take(bytes: number): boolean {
    if (bytes > shownBytes || bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }
}

/** @throws AppError `not-found`, and `unsupported` for what is no file. */
export async function localUpload(path: string): Promise<Upload> {
  const { size } = await fileStat(path);
  return {
    from: path,
    size,
    async *chunks() {
      let seen = 0;
      try {
        for await (const chunk of createReadStream(path, { highWaterMark: chunkBytes })) {
          seen += chunk.length;
          if (seen > size) break;
          yield chunk as Buffer;
        }
      } catch (error) {
        throw toAppError(error);
      }
      if (seen !== size)
        throw new AppError(
          'conflict',
          `the file had ${size} bytes when the changes were worked out, not now`,
          {
            where: path,
            hint: 'start again when nobody writes to it',
          },
        );
    },
  };
}

async function fileStat(path: string) {
  const found = await stat(path).catch((error) => {
    throw toAppError(error);
  });
  if (!found.isFile()) throw new AppError('unsupported', 'this is not a file', { where: path });
  return found;
}

/** Text of the operator's own that is small: a script. @throws AppError. */
export async function localText(path: string, maxBytes: number): Promise<Buffer> {
  const { size } = await fileStat(path);
  if (size > maxBytes)
    throw new AppError('unsupported', `the file has ${size} bytes, at most ${maxBytes} were expected`, {
      where: path,
    });
  return readFile(path).catch((error) => {
    throw toAppError(error);
  });
}

/**
 * `to` is what the file or folder becomes; it goes into `to` where that ends in a slash, or is a folder of the guest
 * and a file is copied. A folder is merged with one that is there. All of it belongs to root; modes are as they are here.
 * @throws AppError for what is neither file, folder nor link.
 */
export async function copyIn(editor: Editor, from: string, to: string, held: Held): Promise<void> {
  const source = await realpath(from).catch((error) => {
    throw toAppError(error);
  });
  const isFile = (await stat(source)).isFile();
  const into = to.endsWith('/') || (isFile && (await editor.stat(to))?.kind === 'folder');
  const target = into ? `${to.replace(/\/+$/, '')}/${basename(resolve(from))}` : to;
  const count = { files: 0 };
  await copyOne(editor, source, target, held, count);
}

async function copyOne(
  editor: Editor,
  from: string,
  to: string,
  held: Held,
  count: { files: number },
): Promise<void> {
  if (++count.files > maxFiles)
    throw new AppError('unsupported', `more than ${maxFiles} files are to be copied into the guest`, {
      where: from,
      hint: 'pack them into an archive, and unpack it in the guest',
    });
  const found = await lstat(from);
  const as = { mode: found.mode & 0o7777, uid: 0, gid: 0 };
  if (found.isSymbolicLink()) return editor.link(to, await readlink(from));
  if (found.isFile()) {
    if (held.take(found.size)) return editor.write(to, await localText(from, shownBytes), as);
    return editor.upload(to, await localUpload(from), as);
  }
  if (!found.isDirectory())
    throw new AppError('unsupported', 'neither a file, a folder nor a link', { where: from });
  await editor.folder(to, as);
  for (const name of (await readdir(from)).sort())
    await copyOne(editor, join(from, name), `${to}/${name}`, held, count);
}

/** A folder of modules of this computer, wherever it lies, as a guest has it: /lib/modules/VERSION. */
export const localFiles = (folder: string, version: string): Pick<Files, 'read'> => ({
  async read(path, maxBytes) {
    const home = `/lib/modules/${version}/`;
    if (!path.startsWith(home)) return undefined;
    const bytes = await readFile(join(folder, path.slice(home.length))).catch((error) => {
      const failure = toAppError(error);
      if (failure.kind === 'not-found') return undefined;
      throw failure;
    });
    return bytes?.subarray(0, maxBytes);
  },
});

/** A plain disk image here: one file (and those it names) is one machine. */
import { readdir, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileSource } from '../../io/file-source.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Machine } from '../../model/machine.ts';
import { imageFileMachine, isInside, relativesFolders, siblingPath } from '../image-paths.ts';
import type { OpenDisk } from '../plugin.ts';

/** The machine that an image file stands for. Its disk is called `disk0`. @throws AppError `not-found`. */
export async function imageMachine(path: string): Promise<Machine> {
  const found = await stat(path).catch((error) => {
    throw toAppError(error);
  });
  if (found.isDirectory()) {
    throw new AppError('unsupported', 'this is a folder, not an image', {
      where: path,
      hint: 'name a file in it, or add the folder to those that are searched',
    });
  }
  if (!found.isFile() && !found.isBlockDevice()) {
    throw new AppError('unsupported', 'neither a file nor a block device', { where: path });
  }
  return imageFileMachine(path, found.blocks * 512);
}

/** The image's bytes; names inside it are looked for beside it. */
export function openImageFile(path: string): Promise<OpenDisk> {
  return openFrom(path, dirname(path), false);
}

/** `home`: the folder of the image that the user named. */
async function openFrom(path: string, home: string, named: boolean): Promise<OpenDisk> {
  return {
    source: await fileSource(path),
    ...(named && (await leadsOut(home, path)) ? { outside: true } : {}),
    sibling: async (name) => openFrom(siblingPath(name, path), home, true),
    neighbours: () => filesBeside(path),
  };
}

/** Whether the file lies outside of the folder, by its name or through a link. */
export async function leadsOut(folder: string, path: string): Promise<boolean> {
  if (!isInside(folder, path)) return true;
  const [realFolder, real] = await Promise.all([realpath(folder), realpath(path)]).catch((error) => {
    throw toAppError(error);
  });
  return !isInside(realFolder, real);
}

/** In name order; a folder that can't be read has none. */
async function filesBeside(path: string): Promise<string[]> {
  const names = await Promise.all(
    relativesFolders(path).map(async (folder) => {
      const entries = await readdir(folder.path, { withFileTypes: true }).catch(() => []);
      return entries.filter((e) => e.isFile() || e.isSymbolicLink()).map((e) => folder.prefix + e.name);
    }),
  );
  return names.flatMap((list) => list.sort());
}

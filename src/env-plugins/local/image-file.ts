/** A plain disk image here: one file (and those it names) is one machine. */
import { readdir, stat } from 'node:fs/promises';
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
  return imageFileMachine(path, found.blocks * 512);
}

/** The image's bytes; names inside it are looked for beside it. */
export async function openImageFile(path: string, home = dirname(path)): Promise<OpenDisk> {
  return {
    source: await fileSource(path),
    ...(isInside(home, path) ? {} : { outside: true }),
    sibling: async (name) => openImageFile(siblingPath(name, path), home),
    neighbours: () => filesBeside(path),
  };
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

/** Images that are folders: a Parallels bundle is known by the descriptor in it, and is opened by that. */
import { stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import type { Machine } from '../../model/machine.ts';
import { imageMachine } from './image-file.ts';

const descriptorName = 'DiskDescriptor.xml';

export const isBundle = (entries: readonly { readonly name: string }[]): boolean =>
  entries.some((entry) => entry.name === descriptorName);

/** The file to open for what is at `path`. */
export async function imagePath(path: string): Promise<string> {
  const inside = join(path, descriptorName);
  const found = await stat(inside).catch(() => undefined);
  return found?.isFile() ? inside : path;
}

/** The machine of an image file or a bundle; a bundle is called as its folder. */
export async function fileOrBundleMachine(path: string): Promise<Machine> {
  const file = await imagePath(path);
  const machine = await imageMachine(file);
  if (file === path) return machine;
  const name = basename(path);
  return {
    ...machine,
    id: path,
    name: basename(path, extname(path)) || name,
    disks: machine.disks.map((disk) => ({ ...disk, name })),
  };
}

/** A plain disk image here: one file (and those it names) is one machine. */
import { stat } from 'node:fs/promises';
import { basename, dirname, extname, isAbsolute, relative, resolve } from 'node:path';
import { fileSource } from '../../io/file-source.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Machine } from '../../model/machine.ts';
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
  const name = basename(path);
  return {
    id: path,
    name: basename(path, extname(path)) || name,
    state: 'unknown',
    packaging: 'disk image',
    disks: [{ id: 'disk0', name, allocatedSizeBytes: found.blocks * 512, files: [path], bootable: true }],
    nics: [],
    findings: [],
  };
}

/** The image's bytes; names inside it are looked for beside it. */
export async function openImageFile(path: string, home = dirname(path)): Promise<OpenDisk> {
  return {
    source: await fileSource(path),
    ...(isInside(home, path) ? {} : { outside: true }),
    sibling: (name) => openImageFile(resolve(dirname(path), siblingPath(name, path)), home),
  };
}

/** @throws AppError `unsupported` for a name that is not a path here. */
function siblingPath(name: string, from: string): string {
  if (name === '' || name.includes('\0')) {
    throw new AppError('corrupt', 'the image names a file with an empty or impossible name', { where: from });
  }
  const plain = name.startsWith('file:') && !name.startsWith('file://') ? name.slice('file:'.length) : name;
  if (/^(json:|[a-z][a-z0-9+.-]+:)/i.test(plain) && !isAbsolute(plain)) {
    throw new AppError('unsupported', `the image names "${name}", which is not a file on this computer`, {
      where: from,
      hint: 'fetch that image to this computer and make the name point to it (qemu-img rebase -u)',
    });
  }
  return plain;
}

/** Whether `path` lies in `folder` or below. */
function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '' && !way.startsWith('..') && !isAbsolute(way);
}

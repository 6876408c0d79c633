/** What a plain image file means in any environment that has files: its machine, and the names it may use. */
import path, { type PlatformPath } from 'node:path';
import { splitPartName } from '../io/part-names.ts';
import { withoutWrappers } from '../io/wrappers/wrapper.ts';
import { AppError } from '../model/errors.ts';
import type { Machine } from '../model/machine.ts';

/** Where the file is: how paths are written there, and what the place is called. */
export interface ImagePlace {
  readonly paths: PlatformPath;
  /** As in "is not a file on …". */
  readonly label: string;
}

export const thisComputer: ImagePlace = { paths: path, label: 'this computer' };

/** The machine that an image file stands for. Its id is the path, its disk is called `disk0`. */
export function imageFileMachine(
  file: string,
  allocatedSizeBytes: number,
  { paths } = thisComputer,
): Machine {
  const name = paths.basename(file);
  const plain = withoutWrappers(splitPartName(name).inner);
  return {
    id: file,
    name: paths.basename(plain, paths.extname(plain)) || name,
    state: 'unknown',
    packaging: 'disk image',
    disks: [{ id: 'disk0', name, allocatedSizeBytes, files: [file], bootable: true }],
    nics: [],
    findings: [],
  };
}

/**
 * The absolute path that an image at `from` means by `name`.
 * @throws AppError `unsupported` for a name that is not a path there, `corrupt` for an impossible one.
 */
export function siblingPath(name: string, from: string, { paths, label } = thisComputer): string {
  if (name === '' || name.includes('\0')) {
    throw new AppError('corrupt', 'the image names a file with an empty or impossible name', { where: from });
  }
  const plain = name.startsWith('file:') && !name.startsWith('file://') ? name.slice('file:'.length) : name;
  if (/^(json:|[a-z][a-z0-9+.-]+:)/i.test(plain) && !paths.isAbsolute(plain)) {
    throw new AppError('unsupported', `the image names "${name}", which is not a file on ${label}`, {
      where: from,
      hint: `fetch that image to ${label} and make the name point to it (qemu-img rebase -u)`,
    });
  }
  return paths.resolve(paths.dirname(from), plain);
}

/** Whether `file` lies in `folder` or below, as the names say. */
export function isInside(folder: string, file: string, { paths } = thisComputer): boolean {
  const way = paths.relative(folder, file);
  return way !== '' && !way.startsWith('..') && !paths.isAbsolute(way);
}

/**
 * Where an image's relatives are looked for, as names from its own folder: beside it and, as VirtualBox keeps
 * differencing disks in a folder of their own, above a folder `Snapshots`.
 */
export function relativesFolders(file: string, { paths } = thisComputer): { path: string; prefix: string }[] {
  const own = paths.dirname(file);
  const beside = { path: own, prefix: '' };
  if (paths.basename(own).toLowerCase() !== 'snapshots') return [beside];
  return [beside, { path: paths.dirname(own), prefix: `..${paths.sep}` }];
}

/** A disk's file by SFTP, read at random; the files below it as the host tells the chain. */
import { win32 } from 'node:path';
import { AppError } from '../../model/errors.ts';
import { isInside, siblingPath } from '../image-paths.ts';
import type { OpenDisk } from '../plugin.ts';
import type { HyperVDisk } from './machine.ts';
import type { Transport } from './transport.ts';
import { filePath, samePath } from './windows-path.ts';

/** @throws AppError `unsupported` for what is no file on a drive there, `not-found`, `auth`. */
export async function openDisk(
  transport: Transport,
  disk: HyperVDisk,
  signal: AbortSignal | undefined,
): Promise<OpenDisk> {
  if (disk.physical || disk.path === '') {
    throw new AppError('unsupported', 'a disk of the host that is passed through is not read from here', {
      where: disk.id,
      hint: 'leave it out, or copy it to a VHDX there (New-VHD -SourceDisk)',
    });
  }
  if (disk.chain[0]?.format === 'VHDSet' || /\.vhds$/i.test(disk.path)) {
    throw new AppError('unsupported', 'a VHD set is shared by several machines and is not read', {
      where: disk.path,
    });
  }
  const chain = disk.chain.map(({ path }) => path);
  const home = win32.dirname(disk.path);
  const open = async (path: string): Promise<OpenDisk> => ({
    source: await transport.files.open(filePath(path), signal),
    ...(isKnown(path) || isInside(home, path, place) ? {} : { outside: true }),
    sibling: (name) => {
      const meant = siblingPath(name, path, place);
      // A parent in another folder is named in the image by a path that may be an old one: the host knows.
      const known = chain.find((one) => samePath(one, meant)) ?? chain.find((one) => sameName(one, meant));
      return open(known ?? meant);
    },
  });
  const isKnown = (path: string) => chain.some((one) => samePath(one, path));
  const place = { paths: win32, label: transport.name };
  return open(disk.path);
}

const sameName = (a: string, b: string): boolean =>
  win32.basename(a).toLowerCase() === win32.basename(b).toLowerCase();

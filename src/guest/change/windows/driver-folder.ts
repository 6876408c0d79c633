/** Drivers for Windows that the user gives: a folder here, or an ISO image such as virtio-win's. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { sourceDisk } from '../../../io/disk.ts';
import { fileSource } from '../../../io/file-source.ts';
import { AppError, toAppError } from '../../../model/errors.ts';
import { openIso9660 } from '../../filesystems/iso9660/open.ts';
import type { Upload } from '../edit.ts';
import { localUpload } from '../local-files.ts';

/** Paths are those inside, with `/` between and before. */
export interface DriverFolder {
  /** For people: where it is. */
  readonly name: string;
  /** Every file in it. */
  readonly files: readonly DriverFile[];
}

export interface DriverFile {
  readonly path: string;
  readonly upload: Upload;
  /** @throws AppError when it is larger. */
  read(maxBytes: number): Promise<Buffer>;
}

const maxFiles = 20_000;
const maxDepth = 8;
const chunkBytes = 2 ** 20;

/** @throws AppError. Nothing stays open. */
export async function openDriverFolder(path: string, signal: AbortSignal): Promise<DriverFolder> {
  const found = await stat(path).catch((error) => {
    throw toAppError(error);
  });
  const files: DriverFile[] = [];
  if (found.isDirectory()) {
    const list = async (inside: string) =>
      (await readdir(join(path, inside), { withFileTypes: true })).map((entry) => ({
        name: entry.name,
        kind: entry.isDirectory() ? 'folder' : entry.isFile() ? 'file' : 'other',
      }));
    for await (const inside of walk(list)) files.push(fileOf(inside, await localUpload(join(path, inside))));
    return { name: path, files };
  }
  await withIso(path, signal, async (iso) => {
    for await (const inside of walk((folder) => iso.entries(folder))) {
      const size = (await iso.stat(inside))?.size;
      if (size !== undefined) files.push(fileOf(inside, isoUpload(path, inside, size, signal)));
    }
  });
  return { name: path, files };
}

interface Listed {
  readonly name: string;
  readonly kind?: string;
}

async function* walk(list: (folder: string) => Promise<readonly Listed[]>): AsyncGenerator<string> {
  const ahead = [{ path: '/', depth: 0 }];
  let count = 0;
  for (let folder = ahead.pop(); folder !== undefined; folder = ahead.pop()) {
    for (const { name, kind } of await list(folder.path)) {
      if (++count > maxFiles || folder.depth > maxDepth)
        throw new AppError('unsupported', `more than ${maxFiles} files, or folders in ${maxDepth} others`, {
          hint: "give the folder that holds the drivers, such as virtio-win's",
        });
      const path = folder.path === '/' ? `/${name}` : `${folder.path}/${name}`;
      if (kind === 'folder') ahead.push({ path, depth: folder.depth + 1 });
      if (kind === 'file') yield path;
    }
  }
}

const fileOf = (path: string, upload: Upload): DriverFile => ({
  path,
  upload,
  async read(maxBytes) {
    if (upload.size > maxBytes)
      throw new AppError(
        'unsupported',
        `the file has ${upload.size} bytes, at most ${maxBytes} were expected`,
        {
          where: upload.from,
        },
      );
    const pieces: Buffer[] = [];
    for await (const piece of upload.chunks()) pieces.push(piece);
    return Buffer.concat(pieces);
  },
});

async function withIso<T>(
  path: string,
  signal: AbortSignal,
  work: (iso: Awaited<ReturnType<typeof openIso9660>>) => Promise<T>,
): Promise<T> {
  const source = await fileSource(path);
  try {
    const disk = sourceDisk(source, 2048);
    return await work(await openIso9660({ disk, signal, findings: [] }));
  } catch (error) {
    const { kind, message } = toAppError(error);
    if (kind === 'cancelled') throw error;
    throw new AppError(kind, `no folder of drivers, nor an ISO image of them: ${message}`, {
      where: path,
      hint: 'give the ISO image of virtio-win, or a folder with its content',
      cause: error,
    });
  } finally {
    await source.close();
  }
}

/** Opened again when it is read: hours may lie between. */
function isoUpload(path: string, inside: string, size: number, signal: AbortSignal): Upload {
  return {
    from: `${path}:${inside}`,
    size,
    async *chunks() {
      const source = await fileSource(path);
      try {
        const iso = await openIso9660({ disk: sourceDisk(source, 2048), signal, findings: [] });
        const file = await iso.open(inside);
        if (file?.stat.size !== size)
          throw new AppError('conflict', 'the image was changed since the changes were worked out', {
            where: path,
          });
        for (let at = 0; at < size; at += chunkBytes)
          yield await file.readAt(at, Math.min(chunkBytes, size - at));
      } finally {
        await source.close();
      }
    },
  };
}

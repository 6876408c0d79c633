/** A local file or block device as a source. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { AppError, toAppError } from '../model/errors.ts';
import { type ByteSource, checkRange } from './byte-source.ts';
import { wholeExtent } from './extents.ts';
import { FileIo } from './file-io.ts';
import { throwIfAborted } from './in-order.ts';
import { seekExtents } from './sparse.ts';

/**
 * Opens `path` for reading only.
 * @throws AppError `not-found`, `auth`, or `unsupported` for what is neither a file nor a block device.
 */
export async function fileSource(path: string): Promise<ByteSource> {
  // Without O_NONBLOCK the opening of a named pipe would wait for a writer, past any cancel.
  const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch((error) => {
    throw toAppError(error);
  });
  try {
    const stat = await handle.stat();
    if (stat.isDirectory()) {
      throw new AppError('unsupported', 'this is a folder, not an image', {
        where: path,
        hint: 'name a file in it',
      });
    }
    if (!stat.isFile() && !stat.isBlockDevice()) {
      throw new AppError('unsupported', 'neither a file nor a block device', { where: path });
    }
    const size = stat.isBlockDevice() ? await deviceSize(handle) : stat.size;
    return handleSource(handle, path, {
      size,
      modifiedAt: Math.floor(stat.mtimeMs / 1000),
      device: stat.isBlockDevice(),
      // What takes as much room as it is long has no holes to ask for.
      sparse: stat.isFile() && stat.blocks * 512 < stat.size,
    });
  } catch (error) {
    await handle.close();
    throw error;
  }
}

interface FileFacts {
  readonly size: number;
  readonly modifiedAt: number;
  readonly device: boolean;
  readonly sparse: boolean;
}

function handleSource(
  handle: FileHandle,
  path: string,
  { size, modifiedAt, device, sparse }: FileFacts,
): ByteSource {
  const io = new FileIo(handle);
  let seekable = sparse;
  const source: ByteSource = {
    name: path,
    size,
    access: 'random',
    modifiedAt,
    ...(device ? { device: true as const } : {}),
    async read(target, offset, signal) {
      checkRange(source, offset, target.length);
      let done = 0;
      while (done < target.length) {
        throwIfAborted(signal);
        const count = await io.readAt(target, done, offset + done).catch((error) => {
          const { kind, message } = toAppError(error);
          throw new AppError(kind, message, { where: `${path} at ${offset + done}`, cause: error });
        });
        if (count === 0) {
          throw new AppError('io', `the file became shorter while it was read (end at ${offset + done})`, {
            where: path,
          });
        }
        done += count;
      }
    },
    async extents(from, to) {
      checkRange(source, from, to - from);
      const found = seekable ? seekExtents(handle.fd, from, to) : undefined;
      seekable = found !== undefined;
      return found ?? wholeExtent('data', from, to);
    },
    close: () => io.close(),
  };
  return source;
}

/** Bytes of a block device, which stat doesn't tell: the largest offset that can be read, by bisection. */
async function deviceSize(handle: FileHandle): Promise<number> {
  const one = Buffer.alloc(1);
  const readable = async (offset: number) => {
    const { bytesRead } = await handle.read(one, 0, 1, offset).catch(() => ({ bytesRead: 0 }));
    return bytesRead === 1;
  };
  if (!(await readable(0))) return 0;
  let low = 0;
  let high = 512;
  while (await readable(high)) {
    low = high;
    high *= 2;
    if (!Number.isSafeInteger(high)) throw new AppError('unsupported', 'the device has no end');
  }
  while (high - low > 1) {
    const middle = low + Math.floor((high - low) / 2);
    if (await readable(middle)) low = middle;
    else high = middle;
  }
  return low + 1;
}

/** The last part of a path, as shown in lists. */
export const fileName = (path: string): string => basename(path);

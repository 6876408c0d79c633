/** An overlay's store in a local file. Without a name its space comes back whatever happens to us. */
import { constants } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AppError, toAppError } from '../model/errors.ts';
import { FileIo } from './file-io.ts';
import type { OverlayStore } from './writable-disk.ts';

/** `runId` names the file for the moment that it has a name. @throws AppError `no-space`, `auth`, `not-found`. */
export async function overlayFile(folder: string, runId: string): Promise<OverlayStore> {
  const path = join(folder, `.vmferry-${runId}-${process.hrtime.bigint()}.overlay`);
  const store = await namedOverlay(path, 'new');
  await rm(path);
  return store;
}

/** One that keeps its name, and what it holds when it is closed. @throws AppError as `overlayFile`. */
export async function namedOverlay(path: string, which: 'new' | 'there'): Promise<OverlayStore> {
  const folder = dirname(path);
  const flags = constants.O_RDWR | (which === 'new' ? constants.O_CREAT | constants.O_EXCL : 0);
  const failed = (error: unknown) => {
    const { kind, message, hint } = toAppError(error);
    return new AppError(kind, message, {
      where: `the changes in ${folder}`,
      ...(hint === undefined ? {} : { hint }),
      cause: error,
    });
  };
  const handle = await open(path, flags, 0o600).catch((error) => {
    throw failed(error);
  });
  const io = new FileIo(handle);
  return {
    async read(target, offset) {
      let done = 0;
      while (done < target.length) {
        const count = await io.readAt(target, done, offset + done).catch((error) => {
          throw failed(error);
        });
        // The last block of a disk that ends inside of one is written only as far as the disk goes.
        if (count === 0) return void target.fill(0, done);
        done += count;
      }
    },
    async write(bytes, offset) {
      let done = 0;
      while (done < bytes.length) {
        done += await io.writeAt(bytes, done, offset + done).catch((error) => {
          throw failed(error);
        });
      }
    },
    close: () => io.close(),
  };
}

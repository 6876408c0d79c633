/** A local file as a sink: sparse, written in large pieces whatever the size of the chunks. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { AppError, toAppError } from '../model/errors.ts';
import { MiB } from '../model/units.ts';
import type { ByteSink } from './byte-source.ts';
import { FileIo } from './file-io.ts';

export interface FileSinkOptions {
  /** Flush to the medium in `finish`. Default no, as cp and qemu-img do. */
  readonly sync?: boolean;
  /** File mode of a new file. */
  readonly mode?: number;
  /** It is there already, and what it holds stays. */
  readonly resume?: boolean;
}

const gatherBytes = MiB;

/**
 * Creates `path`; it must not exist yet, unless it is to be resumed.
 * @throws AppError `conflict` when it exists, `auth`, `not-found` (no such folder, nothing to be resumed).
 */
export async function fileSink(path: string, options: FileSinkOptions = {}): Promise<ByteSink> {
  const flags = constants.O_RDWR | (options.resume === true ? 0 : constants.O_CREAT | constants.O_EXCL);
  const handle = await open(path, flags, options.mode ?? 0o666).catch((error) => {
    throw toAppError(error);
  });

  const io = new FileIo(handle);

  // Small neighbouring chunks are gathered here and written as one.
  const gathered = Buffer.allocUnsafe(gatherBytes);
  let gatheredAt = 0;
  let gatheredLength = 0;
  let queue: Promise<void> = Promise.resolve();

  const put = async (bytes: Uint8Array, offset: number) => {
    let done = 0;
    while (done < bytes.length) {
      done += await io.writeAt(bytes, done, offset + done).catch((error) => {
        const { kind, message, hint } = toAppError(error);
        throw new AppError(kind, message, {
          where: path,
          cause: error,
          ...(hint === undefined ? {} : { hint }),
        });
      });
    }
  };
  const flush = async () => {
    const length = gatheredLength;
    gatheredLength = 0;
    if (length > 0) await put(gathered.subarray(0, length), gatheredAt);
  };
  const gather = async (bytes: Uint8Array, offset: number) => {
    if (
      gatheredLength > 0 &&
      (offset !== gatheredAt + gatheredLength || gatheredLength + bytes.length > gatherBytes)
    ) {
      await flush();
    }
    if (gatheredLength === 0) gatheredAt = offset;
    gathered.set(bytes, gatheredLength);
    gatheredLength += bytes.length;
  };

  return {
    name: path,
    access: 'random',
    write(bytes, offset) {
      // Large chunks go straight through, several at once; small ones one behind the other.
      if (bytes.length >= gatherBytes / 2) return put(bytes, offset);
      const written = queue.then(() => gather(bytes, offset));
      queue = written.catch(() => undefined);
      return written;
    },
    async flush(durable) {
      const gone = queue.then(flush);
      queue = gone.catch(() => undefined);
      await gone;
      if (!durable) return;
      await handle.datasync().catch((error) => {
        throw toAppError(error);
      });
    },
    async readBack(target, offset) {
      const gone = queue.then(flush);
      queue = gone.catch(() => undefined);
      await gone;
      let done = 0;
      for (let count = 1; done < target.length && count > 0; done += count)
        count = await io.readAt(target, done, offset + done);
      target.fill(0, done);
    },
    async finish(size, modifiedAt) {
      await queue;
      await flush();
      try {
        await handle.truncate(size);
        if (modifiedAt !== undefined) await handle.utimes(modifiedAt, modifiedAt);
        if (options.sync) await handle.sync();
      } catch (error) {
        throw toAppError(error);
      }
      await io.close();
    },
    async abort() {
      await queue;
      await io.close().catch(() => undefined); // closed already by a failed finish
    },
  };
}

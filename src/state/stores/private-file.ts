/**
 * Small files of the user alone: read within a bound, written whole or not at all (a temporary file, fsync,
 * rename), and changed by one vmferry at a time.
 */
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AppError, toAppError } from '../../model/errors.ts';
import { formatBytes, MiB } from '../../model/units.ts';
import { ensurePrivateFolder } from './paths.ts';
import { timeStamp } from './time-stamp.ts';

const LARGEST = 16 * MiB;

/** A lock whose holder was killed is taken over after this long; a waiter waits longer than that. */
const STALE_MS = 5000;

/** What write-file-atomic and conf (its `atomically`) add to the name of a file that they are writing. */
const LEFTOVER = /^(\d+|tmp-[0-9a-f]+)$/;
const RETRIES = { retries: 120, factor: 1.2, minTimeout: 10, maxTimeout: 100, randomize: true };

/**
 * The file's text, or undefined when there is none.
 * @throws AppError `corrupt` over 16 MiB or when it is not a file, `auth`, `io`.
 */
export async function readPrivateFile(path: string): Promise<string | undefined> {
  try {
    const handle = await open(path, 'r');
    try {
      const { size } = await handle.stat();
      if (size > LARGEST) {
        throw new AppError(
          'corrupt',
          `${formatBytes(size)} long, at most ${formatBytes(LARGEST)} was expected`,
          {
            where: path,
          },
        );
      }
      return await handle.readFile('utf8');
    } finally {
      await handle.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw toAppError(error);
  }
}

/** Replaces the file, mode 0600. A kill at any moment leaves the old or the new content. */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  try {
    const { default: writeFileAtomic } = await import('write-file-atomic');
    await writeFileAtomic(path, text, { mode: 0o600 });
    await syncFolder(dirname(path));
  } catch (error) {
    throw toAppError(error);
  }
}

/** The rename itself must survive a power cut. Windows has no such call. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Runs `change` while no other vmferry changes this file; it must read the file again, for what was read before
 * may be old. `stillOurs` throws when the lock was lost (the machine slept): call it right before writing.
 * @throws AppError `conflict` when another one holds the lock for too long, `auth`, `io`.
 */
export async function withLock<T>(path: string, change: (stillOurs: () => void) => Promise<T>): Promise<T> {
  let lost: Error | undefined;
  let release: () => Promise<void>;
  try {
    await ensurePrivateFolder(dirname(path));
    const { default: lockfile } = await import('proper-lockfile');
    release = await lockfile.lock(path, {
      realpath: false,
      stale: STALE_MS,
      retries: RETRIES,
      onCompromised: (error) => {
        lost = error;
      },
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ELOCKED') throw toAppError(error);
    throw new AppError('conflict', 'another vmferry is changing this file', {
      where: path,
      hint: 'try again when it is done',
      cause: error,
    });
  }
  const stillOurs = (): void => {
    if (lost) throw new AppError('conflict', 'the lock on this file was lost', { where: path, cause: lost });
  };
  try {
    await removeLeftovers(path);
    return await change(stillOurs);
  } finally {
    // A lost lock is not ours to release: somebody else holds it now.
    if (!lost) await release();
  }
}

/** Temporary files of a writer that was killed. Safe under the lock: nobody else is writing now. */
async function removeLeftovers(path: string): Promise<void> {
  const name = basename(path);
  for (const entry of await readdir(dirname(path))) {
    if (entry.startsWith(`${name}.`) && LEFTOVER.test(entry.slice(name.length + 1))) {
      await rm(join(dirname(path), entry), { force: true });
    }
  }
}

/** Renames the file to `<name>.broken-<time>` beside it and resolves to that path. Replaces nothing. */
export async function keepAside(path: string): Promise<string> {
  const first = `${path}.broken-${timeStamp(new Date())}`;
  for (let n = 1; ; n++) {
    const aside = n === 1 ? first : `${first}-${n}`;
    if (await exists(aside)) continue;
    await rename(path, aside);
    return aside;
  }
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return false;
      throw toAppError(error);
    },
  );
}

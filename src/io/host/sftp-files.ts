/** Files at the far end by SFTP alone: where no helper can be started. */
import { posix } from 'node:path';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { readBytes } from '../byte-source.ts';
import { reopening } from '../retrying.ts';
import type { RemoteStats, Sftp } from '../ssh/sftp.ts';
import { sftpSource } from '../ssh/sftp-source.ts';
import type { HostFile, HostFiles } from './host.ts';
import { isOurs, isRenamed } from './lost-answers.ts';
import { sftpSink } from './sftp-sink.ts';
import type { SshLink } from './ssh-link.ts';

export function sftpFiles(link: SshLink): HostFiles {
  /** `again`: the answer to a first try was lost. What is asked for does no harm when it is asked for twice. */
  const asking = async <T>(
    signal: AbortSignal | undefined,
    work: (sftp: Sftp, again: boolean) => Promise<T>,
  ): Promise<T> => {
    const tries = link.tries();
    for (let again = false; ; again = true) {
      try {
        return await work(await (await link.current(signal)).sftp(signal), again);
      } catch (error) {
        await tries.failed(error, signal);
      }
    }
  };
  const files: HostFiles = {
    home: (signal) => asking(signal, (sftp) => sftp.realpath('.', signal)),
    realpath: (path, signal) => asking(signal, (sftp) => sftp.realpath(path, signal)),
    async stat(path, signal) {
      const stats = await asking(signal, (sftp) => sftp.stat(path, signal)).catch((error) => {
        if (error instanceof AppError && error.kind === 'not-found') return undefined;
        throw error;
      });
      return stats === undefined ? undefined : fileOf(path, stats);
    },
    async list(folder, signal) {
      const names = await asking(signal, async (sftp) => {
        const found: string[] = [];
        for await (const entry of sftp.entries(folder, signal)) found.push(entry.filename);
        return found;
      });
      const found: HostFile[] = [];
      for (const name of names.sort()) {
        const file = await files.stat(posix.join(folder, name), signal);
        if (file !== undefined) found.push(file);
      }
      return found;
    },
    open: (path, signal) =>
      reopening(link.tries(), async (until) => sftpSource(await link.current(until), path, until), signal),
    async text(path, { signal, maximumBytes = MiB } = {}) {
      const source = await files.open(path, signal);
      try {
        if (source.size > maximumBytes)
          throw new AppError('unsupported', `longer than ${maximumBytes} bytes`, { where: path });
        return (await readBytes(source, 0, source.size, signal)).toString();
      } finally {
        await source.close();
      }
    },
    async create(path, { signal, mode, resume } = {}) {
      return asking(signal, (_, again) =>
        sftpSink(link, path, { signal, mode, resume }).catch(async (error) => {
          if (!again || !(await isOurs(files, path, error, signal))) throw error;
          return sftpSink(link, path, { signal, mode, resume: true });
        }),
      );
    },
    makeFolder: (path, signal) => asking(signal, (sftp) => makeFolders(sftp, path, signal)),
    rename: (from, to, signal) =>
      asking(signal, (sftp, again) =>
        sftp.rename(from, to, signal).catch(async (error) => {
          if (!again || !(await isRenamed(files, to, error, signal))) throw error;
        }),
      ),
    remove: (path, signal) =>
      asking(signal, async (sftp) => {
        const found = await sftp.stat(path, signal).catch(() => undefined);
        const gone = found?.isDirectory()
          ? sftp.removeFolder(path, signal).catch(() => sftp.removeFile(path, signal)) // a link to one
          : sftp.removeFile(path, signal);
        await gone.catch((error) => {
          if (!(error instanceof AppError) || error.kind !== 'not-found') throw error;
        });
      }),
  };
  return files;
}

/** With those above it that are missing. */
async function makeFolders(sftp: Sftp, path: string, signal: AbortSignal | undefined): Promise<void> {
  const failed = await sftp.makeFolder(path, signal).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (failed === undefined) return;
  if (!(failed instanceof AppError)) throw failed;
  const above = posix.dirname(path);
  if (failed.kind === 'not-found' && above !== path) {
    await makeFolders(sftp, above, signal);
    return sftp.makeFolder(path, signal);
  }
  // Of one that exists SFTP says only that it failed.
  if (failed.kind !== 'io') throw failed;
  const there = await sftp.stat(path, signal).catch(() => undefined);
  if (there?.isDirectory() !== true) throw failed;
}

function fileOf(path: string, stats: RemoteStats): HostFile {
  const kind = stats.isFile()
    ? 'file'
    : stats.isDirectory()
      ? 'folder'
      : stats.isBlockDevice()
        ? 'device'
        : 'other';
  return { path, kind, size: stats.size, modifiedAt: stats.mtime };
}

/** Files at the far end by SFTP alone: where no helper can be started. */
import { posix } from 'node:path';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { readBytes } from '../byte-source.ts';
import type { RemoteStats, Sftp } from '../ssh/sftp.ts';
import { sftpSource } from '../ssh/sftp-source.ts';
import type { HostFile, HostFiles } from './host.ts';
import { sftpSink } from './sftp-sink.ts';
import type { SshLink } from './ssh-link.ts';

export function sftpFiles(link: SshLink): HostFiles {
  const sftp = async (signal?: AbortSignal): Promise<Sftp> => (await link.current(signal)).sftp(signal);
  const files: HostFiles = {
    home: async (signal) => (await sftp(signal)).realpath('.', signal),
    realpath: async (path, signal) => (await sftp(signal)).realpath(path, signal),
    async stat(path, signal) {
      const stats = await (await sftp(signal)).stat(path, signal).catch((error) => {
        if (error instanceof AppError && error.kind === 'not-found') return undefined;
        throw error;
      });
      return stats === undefined ? undefined : fileOf(path, stats);
    },
    async list(folder, signal) {
      const names: string[] = [];
      for await (const entry of (await sftp(signal)).entries(folder, signal)) names.push(entry.filename);
      const found: HostFile[] = [];
      for (const name of names.sort()) {
        const file = await files.stat(posix.join(folder, name), signal);
        if (file !== undefined) found.push(file);
      }
      return found;
    },
    async open(path, signal) {
      return sftpSource(await link.current(signal), path, signal);
    },
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
      return sftpSink(await link.current(signal), path, { signal, mode, resume });
    },
    makeFolder: async (path, signal) => makeFolders(await sftp(signal), path, signal),
    rename: async (from, to, signal) => (await sftp(signal)).rename(from, to, signal),
    async remove(path, signal) {
      const files = await sftp(signal);
      const found = await files.stat(path, signal).catch(() => undefined);
      const gone = found?.isDirectory()
        ? files.removeFolder(path, signal).catch(() => files.removeFile(path, signal)) // a link to one
        : files.removeFile(path, signal);
      await gone.catch((error) => {
        if (!(error instanceof AppError) || error.kind !== 'not-found') throw error;
      });
    },
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

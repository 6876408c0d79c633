/** A host behind SSH. */
import { posix } from 'node:path';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { readBytes } from '../byte-source.ts';
import type { SshConnection } from '../ssh/connection.ts';
import type { RemoteStats, Sftp } from '../ssh/sftp.ts';
import { sftpSource } from '../ssh/sftp-source.ts';
import type { Host, HostFile, HostFiles } from './host.ts';
import { sftpSink } from './sftp-sink.ts';
import { noSuchCommand, startOverSsh } from './ssh-running.ts';

/** Closing it closes the connection. */
export function sshHost(connection: SshConnection): Host {
  const inC = (args: readonly string[]) => ['env', 'LC_ALL=C', ...args];
  return {
    name: connection.name,
    here: false,
    files: sshFiles(connection),
    async run(args, options = {}) {
      const { signal, ...rest } = options;
      const result = await connection.exec(inC(args), signal === undefined ? rest : { ...rest, signal });
      // What env(1) and the shell say of a command that isn't there.
      if (result.code === 127) throw noSuchCommand(args[0]!, connection.name);
      return result;
    },
    spawn: (args, { signal } = {}) => startOverSsh(connection, inC(args), { name: args[0]!, signal }),
    close: () => connection.close(),
  };
}

function sshFiles(connection: SshConnection): HostFiles {
  const sftp = (signal?: AbortSignal): Promise<Sftp> => connection.sftp(signal);
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
    open: (path, signal) => sftpSource(connection, path, signal),
    async text(path, { signal, maximumBytes = MiB } = {}) {
      const source = await sftpSource(connection, path, signal);
      try {
        if (source.size > maximumBytes)
          throw new AppError('unsupported', `longer than ${maximumBytes} bytes`, { where: path });
        return (await readBytes(source, 0, source.size, signal)).toString();
      } finally {
        await source.close();
      }
    },
    create: (path, { signal, mode } = {}) => sftpSink(connection, path, { signal, mode }),
    makeFolder: async (path, signal) => makeFolders(await sftp(signal), path, signal),
    rename: async (from, to, signal) => (await sftp(signal)).rename(from, to, signal),
    async remove(path, signal) {
      await (await sftp(signal)).removeFile(path, signal).catch((error) => {
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

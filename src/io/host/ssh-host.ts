/** A host behind SSH. */
import { posix } from 'node:path';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { readBytes } from '../byte-source.ts';
import type { SshConnection } from '../ssh/connection.ts';
import type { RemoteStats, Sftp } from '../ssh/sftp.ts';
import { sftpSource } from '../ssh/sftp-source.ts';
import type { Host, HostFile, HostFiles } from './host.ts';

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
      if (result.code === 127) {
        throw new AppError('not-found', `there is no command "${args[0]}"`, {
          where: connection.name,
          hint: `install what brings "${args[0]}" there`,
        });
      }
      return result;
    },
    async spawn() {
      throw new AppError('unsupported', 'commands with streams are not there yet');
    },
    close: () => connection.close(),
  };
}

function sshFiles(connection: SshConnection): HostFiles {
  const sftp = (signal?: AbortSignal): Promise<Sftp> => connection.sftp(signal);
  const notYet = async (): Promise<never> => {
    throw new AppError('unsupported', 'writing is not there yet');
  };
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
    create: notYet,
    makeFolder: notYet,
    rename: notYet,
    remove: notYet,
  };
  return files;
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

/**
 * The files of a Windows host, by the paths of `filePath`: those on its drives by SFTP, or by SMB through the shares that
 * each drive has for administrators (`D:\VMs` is `\\HOST\D$\VMs`); those on shares by SMB.
 */
import type { HostFiles } from '../../io/host/host.ts';
import { serverOf } from '../../io/smb/share-path.ts';
import { AppError } from '../../model/errors.ts';

/** How SMB is to be used. */
export interface Shares {
  /** By paths such as `//server/share/folder/file`. */
  readonly files: HostFiles;
  /** The Windows host itself. */
  readonly host: string;
  /** Drives are read as shares, too. */
  readonly drives: boolean;
  /** Other servers that the login may be sent to. */
  readonly servers: readonly string[];
  close(): Promise<void>;
}

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

/** `sftp`: absent where the host has no SSH. */
export function diskFiles(name: string, sftp: HostFiles | undefined, shares: Shares | undefined): HostFiles {
  const onShare = (path: string): [HostFiles, string] => {
    const server = serverOf(path);
    if (shares !== undefined && [shares.host, ...shares.servers].some((one) => same(one, server)))
      return [shares.files, path];
    throw new AppError('unsupported', `it lies on a share of "${server}"`, {
      where: path,
      hint: 'name that server in fileServers: your login is then sent there by SMB',
    });
  };
  const onDrive = (path: string): [HostFiles, string] => {
    const [, letter, rest] = /^\/([A-Za-z]):(\/.*)?$/s.exec(path) ?? [];
    if (letter !== undefined && shares?.drives === true)
      return [shares.files, `//${shares.host}/${letter.toUpperCase()}$${rest ?? '/'}`];
    if (sftp !== undefined) return [sftp, path];
    throw new AppError(
      'unsupported',
      'WinRM carries commands and no files: disks are not read or written by it',
      {
        where: name,
        hint: 'take files=smb, or the way ssh (OpenSSH of Windows with SFTP)',
      },
    );
  };
  const at = (path: string): [HostFiles, string] => (path.startsWith('//') ? onShare(path) : onDrive(path));
  const own = <T extends { readonly path: string }>(file: T, path: string): T => ({ ...file, path });
  return {
    async home(signal) {
      if (sftp === undefined) throw new AppError('unsupported', 'a share has no folder of a user');
      return sftp.home(signal);
    },
    async realpath(path, signal) {
      const [files, there] = at(path);
      return files === shares?.files ? path : files.realpath(there, signal);
    },
    async stat(path, signal) {
      const [files, there] = at(path);
      const found = await files.stat(there, signal);
      return found === undefined ? undefined : own(found, path);
    },
    async list(folder, signal) {
      const [files, there] = at(folder);
      const found = await files.list(there, signal);
      return found.map((file) => own(file, folder + file.path.slice(there.length)));
    },
    async open(path, signal) {
      const [files, there] = at(path);
      return files.open(there, signal);
    },
    async text(path, options) {
      const [files, there] = at(path);
      return files.text(there, options);
    },
    async create(path, options) {
      const [files, there] = at(path);
      return files.create(there, options);
    },
    async makeFolder(path, signal) {
      const [files, there] = at(path);
      return files.makeFolder(there, signal);
    },
    async rename(from, to, signal) {
      const [files, there] = at(from);
      return files.rename(there, at(to)[1], signal);
    },
    async remove(path, signal) {
      const [files, there] = at(path);
      return files.remove(there, signal);
    },
  };
}

/** Files on shares, `//server/share/folder/file`, read and written at random. */
import { posix } from 'node:path';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { readBytes } from '../byte-source.ts';
import type { HostFile, HostFileKind, HostFiles } from '../host/host.ts';
import type { Answer } from './child-process.ts';
import { smbUrl } from './share-path.ts';
import type { SmbLink } from './smb-link.ts';
import { smbSink } from './smb-sink.ts';
import { smbSource } from './smb-source.ts';

const mostEntries = 100_000;

/** Closing them is closing the link. */
export function smbFiles(link: SmbLink): HostFiles {
  const call = (
    op: string,
    path: string,
    signal: AbortSignal | undefined,
    more: Record<string, string | number> = {},
  ) => link.call({ op, url: smbUrl(path), ...more }, path, { signal });
  const files: HostFiles = {
    home: async () => {
      throw new AppError('unsupported', 'a share has no folder of a user');
    },
    realpath: async (path) => path,
    async stat(path, signal) {
      try {
        return fileOf(path, (await call('stat', path, signal)).header);
      } catch (error) {
        if (error instanceof AppError && error.kind === 'not-found') return undefined;
        throw error;
      }
    },
    async list(folder, signal) {
      const { header } = await call('list', folder, signal, { most: mostEntries });
      const entries = Array.isArray(header.entries) ? (header.entries as Answer[]) : [];
      return entries
        .filter(({ name }) => typeof name === 'string' && !/[/\\\0]/.test(name) && name !== '')
        .map((entry) => fileOf(`${folder.replace(/\/+$/, '')}/${String(entry.name)}`, entry))
        .sort((a, b) => (a.path < b.path ? -1 : 1));
    },
    open: (path, signal) => smbSource(link, path, signal),
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
    create: (path, { signal } = {}) => smbSink(link, path, signal),
    async makeFolder(path, signal) {
      if ((await files.stat(path, signal))?.kind === 'folder') return;
      const above = posix.dirname(path);
      // The share itself is there, or is none.
      if (above.split('/').length > 4) await files.makeFolder(above, signal);
      await call('mkdir', path, signal).catch((error) => {
        if (!(error instanceof AppError) || error.kind !== 'conflict') throw error;
      });
    },
    rename: async (from, to, signal) => void (await call('rename', from, signal, { to: smbUrl(to) })),
    async remove(path, signal) {
      const found = await files.stat(path, signal);
      if (found !== undefined) await call(found.kind === 'folder' ? 'rmdir' : 'unlink', path, signal);
    },
  };
  return files;
}

/** @throws AppError `io` when the server tells no size that can be. */
export function fileOf(path: string, told: Answer): HostFile {
  const { size, modifiedAt, kind } = told;
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw new AppError('io', 'the server does not tell the size of this file', { where: path });
  return {
    path,
    kind: (['file', 'folder'] as const).find((one) => one === kind) ?? ('other' satisfies HostFileKind),
    size,
    modifiedAt: typeof modifiedAt === 'number' ? modifiedAt : 0,
  };
}

/** Files inside a machine: listed, read and copied out. */
import { copyOut } from '../../convert/copy-out.ts';
import { type MachineFiles, openMachineFiles } from '../../convert/guest-files.ts';
import type { FileStat, Files } from '../../guest/filesystems/files.ts';
import { readPackages } from '../../guest/system/linux/packages.ts';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import type { Effect, EffectContext } from '../dispatcher.ts';
import type { GuestEntry } from '../events.ts';
import { trustOf } from './connection.ts';
import { sessionOf, stepReporter } from './looking.ts';

const pieceBytes = 4 * MiB;

async function withFiles<T>(
  context: EffectContext,
  { id, volume }: { id: string; volume?: string },
  work: (files: Files) => Promise<T>,
): Promise<T> {
  const { emit, signal } = context;
  const { session, settings } = sessionOf(context);
  const report = stepReporter((step) => emit({ type: 'machine-look', id, ...step }));
  const how = { ...trustOf(settings), report };
  const opened: MachineFiles = await openMachineFiles(session, id, { how, volume, signal });
  try {
    if (opened.remark !== undefined) emit({ type: 'guest-remark', machine: id, text: opened.remark });
    return await work(opened.files);
  } finally {
    await opened.close();
  }
}

const nothing = (where: string) =>
  new AppError('not-found', 'there is nothing of this name in the guest', { where });

export const listFiles: Effect<'list-files'> = (command, context) =>
  withFiles(context, command, async (files) => {
    const { id, path, long } = command;
    const stat = await files.stat(path);
    if (stat === undefined) throw nothing(path);
    const entries: GuestEntry[] = [];
    if (stat.kind === 'folder') {
      for (const { name, kind } of await files.entries(path)) {
        const inside = `${path.replace(/\/+$/, '')}/${name}`;
        const own = long ? await files.lstat(inside) : undefined;
        const known = own?.kind ?? kind;
        const target = long && known === 'link' ? await files.readlink(inside) : undefined;
        entries.push(entryOf(name, own, known, target));
      }
    } else entries.push(entryOf(path, stat, stat.kind, undefined));
    context.emit({ type: 'guest-entries', machine: id, path, entries });
  });

const entryOf = (
  name: string,
  stat: FileStat | undefined,
  kind: GuestEntry['kind'],
  target: string | undefined,
): GuestEntry => ({
  name,
  ...stat,
  ...(kind === undefined ? {} : { kind }),
  ...(target === undefined ? {} : { target }),
});

export const listPackages: Effect<'list-packages'> = (command, context) =>
  withFiles(context, command, async (files) => {
    const found = await readPackages(files);
    if (found === undefined)
      throw new AppError('not-found', 'no list of packages is there', {
        hint: 'those of dpkg, rpm, apk and pacman are read',
      });
    context.emit({ type: 'guest-packages', machine: command.id, packages: found.entries });
  });

export const readFile: Effect<'read-file'> = (command, context) =>
  withFiles(context, command, async (files) => {
    const { path, take } = command;
    const file = await files.open(path);
    if (file === undefined) {
      if ((await files.stat(path)) === undefined) throw nothing(path);
      throw new AppError('usage', 'it is no file', { where: path });
    }
    for (let offset = 0; offset < file.stat.size; ) {
      const bytes = await file.readAt(offset, Math.min(pieceBytes, file.stat.size - offset));
      if (bytes.length === 0)
        throw new AppError('corrupt', `it ends at byte ${offset} of ${file.stat.size}`, { where: path });
      await take(bytes);
      offset += bytes.length;
    }
  });

export const copyFiles: Effect<'copy-files'> = (command, context) =>
  withFiles(context, command, async (files) => {
    const { id, path, to, recursive, force } = command;
    const { emit, signal } = context;
    const remark = (text: string) => emit({ type: 'guest-remark', machine: id, text });
    const copied = await copyOut(files, path, to, { recursive, force, signal, remark });
    emit({ type: 'files-copied', machine: id, ...copied });
  });

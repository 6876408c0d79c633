/** Edits of one volume, which is mounted at `/` of guestfish: what is found there must be what was planned for. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { localHost } from '../../../../io/host/local-host.ts';
import { AppError } from '../../../../model/errors.ts';
import { checkedChunks, type Edit, type RegistryEdit } from '../../edit.ts';
import type { EngineVolume } from '../../engine.ts';
import { insideOf } from '../inside.ts';
import { registryPrefix, registryText } from './registry.ts';
import type { GuestfishSession } from './session.ts';

/** Filesystems without modes and owners of Unix. */
export const withoutModes: ReadonlySet<string> = new Set([
  'fat12',
  'fat16',
  'fat32',
  'vfat',
  'exfat',
  'ntfs',
]);

export interface EditContext {
  readonly session: GuestfishSession;
  readonly volume: EngineVolume;
  /** Of this user alone; for files on their way. */
  readonly folder: string;
  readonly signal: AbortSignal;
  report(step: string): void;
}

export async function applyEdits(context: EditContext): Promise<void> {
  const { volume, report } = context;
  const registry = new Map<RegistryEdit['hive'], RegistryEdit[]>();
  for (const edit of volume.edits) {
    if (edit.kind === 'registry') {
      registry.set(edit.hive, [...(registry.get(edit.hive) ?? []), edit]);
      continue;
    }
    report(`changing ${edit.path}`);
    await one(context, edit);
  }
  for (const [hive, edits] of registry) {
    report(`changing the registry (${hive})`);
    await mergeHive(context, hive, edits);
  }
}

async function one(context: EditContext, edit: Exclude<Edit, RegistryEdit>): Promise<void> {
  const { session, volume } = context;
  const path = insideOf(volume, edit.path);
  const where = edit.path;
  const kind = await kindAt(session, path, where);
  const expect = (...kinds: readonly string[]) => {
    if (!kinds.includes(kind))
      throw new AppError('conflict', `${kind} is there, ${kinds.join(' or ')} was expected`, { where });
  };
  switch (edit.kind) {
    case 'write':
      expect('a file', nothing);
      await upload(context, edit.content, path, where);
      return own(context, path, edit, kind === nothing, where);
    case 'upload': {
      expect('a file', nothing);
      const file = join(context.folder, 'content');
      await writeFile(file, checkedChunks(edit), { mode: 0o600 });
      await session.run('upload', [file, path], { where });
      return own(context, path, edit, kind === nothing, where);
    }
    case 'append':
      expect('a file');
      await expectSize(session, path, edit.size, where);
      return upload(context, edit.content, path, where, edit.size);
    case 'copy': {
      expect(nothing);
      const from = insideOf(volume, edit.from);
      await expectSize(session, from, edit.size, edit.from);
      return void (await session.run('cp-a', [from, path], { where }));
    }
    case 'remove':
      expect('a file', 'a link', nothing);
      return void (await session.run('rm-f', [path], { where }));
    case 'remove-folder':
      expect('a folder', nothing);
      return kind === nothing ? undefined : void (await session.run('rmdir', [path], { where }));
    case 'link':
      expect('a file', 'a link', nothing);
      // Over a link to a folder "ln -sf" would make it inside of that.
      await session.run('rm-f', [path], { where });
      return void (await session.run('ln-s', [edit.target, path], { where }));
    case 'folder':
      expect('a folder', nothing);
      if (kind === nothing) await session.run('mkdir', [path], { where });
      return own(context, path, { ...edit, mode: edit.mode ?? 0o755 }, kind === nothing, where);
    default:
      return edit satisfies never;
  }
}

const nothing = 'nothing';

async function kindAt(session: GuestfishSession, path: string, where: string): Promise<string> {
  const is = async (what: string) => (await session.run(`is-${what}`, [path], { where })) === 'true';
  if (await is('file')) return 'a file';
  if (await is('dir')) return 'a folder';
  if (await is('symlink')) return 'a link';
  return (await session.run('exists', [path], { where })) === 'true' ? 'something else' : nothing;
}

async function expectSize(session: GuestfishSession, path: string, size: number, where: string) {
  const found = Number(await session.run('filesize', [path], { where }));
  if (found !== size)
    throw new AppError('conflict', `a file of ${found} bytes is there, ${size} were expected`, { where });
}

/** Into the file that is there, so that what is kept with it stays. */
async function upload(context: EditContext, content: Buffer, path: string, where: string, offset?: number) {
  const { session, folder } = context;
  const file = join(folder, 'content');
  await writeFile(file, content, { mode: 0o600 });
  if (offset === undefined) await session.run('upload', [file, path], { where });
  else await session.run('upload-offset', [file, path, offset], { where });
}

async function own(
  { session, volume }: EditContext,
  path: string,
  as: { mode?: number; uid?: number; gid?: number },
  fresh: boolean,
  where: string,
): Promise<void> {
  if (withoutModes.has(volume.kind)) return;
  const mode = as.mode ?? (fresh ? 0o644 : undefined);
  // Changing the owner may clear bits of the mode.
  if (as.uid !== undefined || as.gid !== undefined)
    await session.run('chown', [as.uid ?? -1, as.gid ?? -1, path], { where });
  if (mode !== undefined && (fresh || as.mode !== undefined))
    await session.run('chmod', [`0${mode.toString(8)}`, path], { where });
}

async function mergeHive(
  { session, folder, signal }: EditContext,
  hive: RegistryEdit['hive'],
  edits: readonly RegistryEdit[],
): Promise<void> {
  const where = `HKLM\\${hive}`;
  const path = await session.run('case-sensitive-path', [`/Windows/System32/config/${hive}`], { where });
  const [file, text] = [join(folder, 'hive'), join(folder, 'hive.reg')];
  await session.run('download', [path, file], { where });
  await writeFile(text, registryText(edits), { mode: 0o600 });
  const done = await localHost().run(['hivexregedit', '--merge', file, '--prefix', registryPrefix, text], {
    signal,
  });
  if (done.code !== 0)
    throw new AppError('io', `hivexregedit has failed: ${done.stderr.trim().slice(-400)}`, { where });
  await session.run('upload', [file, path], { where });
}

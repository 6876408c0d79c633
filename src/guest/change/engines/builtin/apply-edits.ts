/** Edits of one volume, made one after the other: what is found there must be what was planned for. */
import { AppError } from '../../../../model/errors.ts';
import { checkedChunks, type Edit } from '../../edit.ts';
import type { EngineVolume } from '../../engine.ts';
import { neededRoom } from '../../room.ts';
import { insideOf } from '../inside.ts';
import type { VolumeWriter, WrittenStat } from './volume-writer.ts';

/** @throws AppError `no-space`, `conflict`, and what the writer meets. */
export async function applyEdits(
  writer: VolumeWriter,
  volume: EngineVolume,
  report: (path: string) => void,
): Promise<void> {
  checkRoom(writer, volume);
  for (const edit of volume.edits) {
    if (edit.kind === 'registry') throw new AppError('bug', 'a registry edit in the built-in engine');
    report(edit.path);
    await one(writer, volume, edit);
  }
}

async function one(writer: VolumeWriter, volume: EngineVolume, edit: Exclude<Edit, { kind: 'registry' }>) {
  const path = insideOf(volume, edit.path);
  const there = await writer.stat(path);
  const is = (kind: WrittenStat['kind'], size?: number) => {
    if (there?.kind === kind && (size === undefined || there.size === size)) return;
    const found = there === undefined ? 'nothing' : `a ${there.kind} of ${there.size} bytes`;
    const expected = size === undefined ? `a ${kind}` : `a ${kind} of ${size} bytes`;
    throw new AppError('conflict', `${found} is there, ${expected} was expected`, { where: edit.path });
  };
  switch (edit.kind) {
    case 'write':
      if (there !== undefined) is('file');
      return writer.write(path, edit.content, edit);
    case 'upload': {
      if (there !== undefined) is('file');
      let begun = false;
      for await (const chunk of checkedChunks(edit)) {
        await (begun ? writer.append(path, chunk) : writer.write(path, chunk, edit));
        begun = true;
      }
      return begun ? undefined : writer.write(path, Buffer.alloc(0), edit);
    }
    case 'append':
      is('file', edit.size);
      return writer.append(path, edit.content);
    case 'copy':
      if (there !== undefined) throw new AppError('conflict', 'it exists already', { where: edit.path });
      return writer.copy(insideOf(volume, edit.from), path, edit.size);
    case 'remove':
      if (there?.kind === 'folder') is('file');
      return there === undefined ? undefined : writer.remove(path);
    case 'remove-folder':
      if (there !== undefined) is('folder');
      return there === undefined ? undefined : writer.removeFolder(path);
    case 'link':
      if (there?.kind === 'folder') is('link');
      if (there !== undefined) await writer.remove(path);
      return writer.link(path, edit.target);
    case 'folder':
      return there === undefined ? writer.folder(path, { ...edit, mode: edit.mode ?? 0o755 }) : is('folder');
    default:
      return edit satisfies never;
  }
}

/** Before anything is written. */
function checkRoom({ room }: VolumeWriter, { name, edits }: EngineVolume): void {
  const { blocks: needed, files } = neededRoom(edits, room.blockBytes);
  if (needed > room.freeBlocks)
    throw noSpace(
      name,
      `${needed} blocks of ${room.blockBytes} bytes are needed, ${room.freeBlocks} are free`,
    );
  if (room.freeFiles !== undefined && files > room.freeFiles)
    throw noSpace(name, `${files} files are to be made, there are inodes for ${room.freeFiles}`);
}

export const noSpace = (volume: string, what: string): AppError =>
  new AppError('no-space', `the guest's filesystem is too full: ${what}`, {
    where: volume,
    hint: 'free some space inside the guest, then try again',
  });

/** Whether the edits find room in their volumes, before anything is written. */
import type { Finding } from '../../model/finding.ts';
import { formatBytes } from '../../model/units.ts';
import type { GuestMount } from '../guest.ts';
import type { Edit } from './edit.ts';

export interface NeededRoom {
  readonly blocks: number;
  readonly files: number;
}

/** What is asked for, without the tables that come with it. */
export function neededRoom(edits: readonly Edit[], blockBytes: number): NeededRoom {
  const of = (bytes: number) => Math.ceil(bytes / blockBytes);
  let blocks = 0;
  let files = 0;
  for (const edit of edits) {
    if (edit.kind === 'write') {
      blocks += of(edit.content.length) - of(edit.before?.length ?? 0);
      files += edit.before === undefined ? 1 : 0;
    } else if (edit.kind === 'upload' || edit.kind === 'copy') {
      blocks += of(edit.size);
      files++;
    } else if (edit.kind === 'append') blocks += of(edit.size + edit.content.length) - of(edit.size);
    else if (edit.kind === 'folder') {
      blocks++;
      files++;
    } else if (edit.kind === 'remove') blocks -= of(edit.before?.length ?? 0);
  }
  return { blocks, files };
}

/** A blocker where a volume says that it has less. */
export function roomFindings(
  mount: Pick<GuestMount, 'name' | 'mountPoint' | 'files'>,
  edits: readonly Edit[],
): Finding[] {
  const { blockBytes, freeBytes, freeInodes } = mount.files.facts;
  const { blocks, files } = neededRoom(edits, blockBytes);
  const bytes = blocks * blockBytes;
  const tooLittle =
    freeBytes !== undefined && bytes > freeBytes
      ? `${formatBytes(bytes)} are needed, ${formatBytes(freeBytes)} are free`
      : freeInodes !== undefined && files > freeInodes
        ? `${files} files are to be made, there are inodes for ${freeInodes}`
        : undefined;
  if (tooLittle === undefined) return [];
  return [
    {
      rule: 'guest.no-room',
      severity: 'blocker',
      message: `${mount.mountPoint} is too full for the changes: ${tooLittle}`,
      evidence: mount.name,
      remedy: 'free some space inside the guest, or leave changes out (--without-change)',
    },
  ];
}

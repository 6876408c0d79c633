/** The engine that needs nothing installed: ext2/3/4 and FAT where they lie on the disks as they are. */
import { AppError } from '../../../../model/errors.ts';
import type { Engine } from '../../engine.ts';
import { applyEdits } from './apply-edits.ts';
import { extRefusal, extWriter } from './ext-writer.ts';
import { fatRefusal, fatWriter } from './fat-writer.ts';

const ext = { refusal: extRefusal, writer: extWriter };
const fat = { refusal: fatRefusal, writer: fatWriter };
const known: Readonly<Record<string, typeof ext>> = {
  ext2: ext,
  ext3: ext,
  ext4: ext,
  fat12: fat,
  fat16: fat,
  fat32: fat,
  vfat: fat,
};

export const builtin: Engine = {
  id: 'builtin',
  async missing() {
    return undefined;
  },
  async refuses({ kind, disk }, edits, signal) {
    const filesystem = known[kind];
    if (filesystem === undefined) return `it does not write ${kind}`;
    if (disk === undefined)
      return 'the volume does not lie on the disks as it is (encrypted, striped or mirrored)';
    if (edits.some((edit) => edit.kind === 'registry')) return 'it does not write the registry of Windows';
    if (filesystem === fat && edits.some((edit) => edit.kind === 'link')) return 'FAT has no links';
    // The library cuts the slash.
    if (edits.some((edit) => edit.kind === 'link' && edit.target.endsWith('/')))
      return 'it makes no link whose target ends in a slash';
    try {
      return await filesystem.refusal(disk, signal);
    } catch (error) {
      if (error instanceof AppError && error.kind !== 'cancelled') return error.message;
      throw error;
    }
  },
  async apply({ volumes }, { signal, report }) {
    for (const volume of volumes) {
      const { kind, disk, name } = volume;
      const refused = await builtin.refuses(volume, volume.edits, signal);
      if (refused !== undefined) throw new AppError('unsupported', refused, { where: name });
      const writer = await known[kind]!.writer(disk!, name, signal);
      try {
        await applyEdits(writer, volume, (path) => report(`changing ${path}`));
        await writer.close();
      } finally {
        await writer.end();
      }
    }
  },
};

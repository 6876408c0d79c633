/** FAT written by the library in its thread. It has no modes, owners or links. */
import { readBytes } from '../../../../io/byte-source.ts';
import type { Disk } from '../../../../io/disk.ts';
import type { WritableDisk } from '../../../../io/writable-disk.ts';
import { AppError } from '../../../../model/errors.ts';
import { type FatGeometry, fatGeometry } from '../../../filesystems/fat/layout.ts';
import { noSpace } from './apply-edits.ts';
import { fatThread } from './fat-thread.ts';
import { type LibraryFailure, LibraryThread, pieceBytes } from './library-thread.ts';
import type { VolumeWriter } from './volume-writer.ts';

/** FR_DENIED: also the answer of a full volume or root folder. */
const denied = 7;
const invalidName = 6;
const readOnly = 10;

async function lookAt(disk: Disk, signal: AbortSignal): Promise<FatGeometry> {
  const geometry = fatGeometry(await readBytes(disk, 0, 512, signal));
  if (geometry === undefined) throw new AppError('corrupt', 'no FAT boot sector');
  return geometry;
}

/** Why this volume can't be written to; undefined when it can. */
export async function fatRefusal(disk: Disk, signal: AbortSignal): Promise<string | undefined> {
  const { totalBytes } = await lookAt(disk, signal);
  return totalBytes > disk.size ? `it says ${totalBytes} bytes, ${disk.size} are there` : undefined;
}

export async function fatWriter(
  disk: WritableDisk,
  volume: string,
  signal: AbortSignal,
): Promise<VolumeWriter> {
  const { sectorBytes, clusterBytes, totalBytes } = await lookAt(disk, signal);
  const inWords = ({ number, message }: LibraryFailure): AppError => {
    if (number === denied) return noSpace(volume, 'no cluster or entry is left');
    const why =
      number === invalidName
        ? 'FAT takes no such name'
        : number === readOnly
          ? 'it is write-protected'
          : message;
    return new AppError('io', `the filesystem could not be changed: ${why}`, { where: volume });
  };
  const sectors = Math.floor(totalBytes / sectorBytes);
  const data = { sectorBytes, sectors, pieceBytes, full: denied };
  const thread = new LibraryThread({
    ...{ library: 'js-fatfs', source: fatThread, data, disk, volume, signal, inWords },
  });
  let freeBlocks: number;
  try {
    freeBlocks = await thread.call<number>('mount');
  } catch (error) {
    await thread.end();
    throw error;
  }
  const none = () => Promise.reject(new AppError('unsupported', 'FAT has no links', { where: volume }));
  return {
    room: { blockBytes: clusterBytes, freeBlocks },
    async stat(path) {
      if (path === '/') return { kind: 'folder', size: 0 };
      const found = await thread.call<{ folder: boolean; size: number } | undefined>('stat', path);
      return found && { kind: found.folder ? 'folder' : 'file', size: found.size };
    },
    write: (path, content) => thread.call('write', path, content),
    append: (path, content) => thread.call('append', path, content),
    copy: (from, to, size) => thread.call('copy', from, to, size),
    remove: (path) => thread.call('remove', path),
    removeFolder: (path) => thread.call('remove', path),
    link: none,
    folder: (path) => thread.call('folder', path),
    async close() {
      await thread.call('unmount');
      await thread.flush();
      await thread.end();
    },
    end: () => thread.end(),
  };
}

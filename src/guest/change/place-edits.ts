/** Which edit goes to which volume, and the volume as something that can be written to. */
import type { Disk } from '../../io/disk.ts';
import { concatenated, slice } from '../../io/disk.ts';
import type { WritableDisk } from '../../io/writable-disk.ts';
import { AppError } from '../../model/errors.ts';
import type { GuestMount } from '../guest.ts';
import type { MountedFiles } from '../mounted-files.ts';
import type { VolumePiece } from '../volumes/open-volumes.ts';
import type { Edit } from './edit.ts';
import type { EngineVolume } from './engine.ts';

/** Volumes with edits only, those that are mounted first first. @throws AppError `unsupported`. */
export function placeEdits(
  edits: readonly Edit[],
  files: MountedFiles<GuestMount>,
  disks: readonly WritableDisk[],
): EngineVolume[] {
  return [...editsByMount(edits, files)]
    .toSorted(([a], [b]) => a.mountPoint.length - b.mountPoint.length)
    .map(([mount, own]) => ({ ...volumeOf(mount, disks), edits: own }));
}

export function editsByMount(
  edits: readonly Edit[],
  files: MountedFiles<GuestMount>,
): ReadonlyMap<GuestMount, readonly Edit[]> {
  const byMount = new Map<GuestMount, Edit[]>();
  for (const edit of edits) {
    const { mount } = files.place(edit.kind === 'registry' ? '/' : edit.path);
    if (edit.kind === 'copy' && files.place(edit.from).mount !== mount) {
      throw new AppError('unsupported', 'a file is not copied from one volume of the guest to another', {
        where: `${edit.from} to ${edit.path}`,
      });
    }
    byMount.set(mount, [...(byMount.get(mount) ?? []), edit]);
  }
  return byMount;
}

export function volumeOf(mount: GuestMount, disks: readonly WritableDisk[]): Omit<EngineVolume, 'edits'> {
  const { name, kind, mountPoint, device, encrypted, pieces, subvolume } = mount;
  if (mount.folder !== undefined)
    throw new AppError('unsupported', 'a system that OSTree deploys is not changed from outside', {
      where: name,
      hint: 'leave the changes out (--changes none), and make them in the guest with its own tools',
    });
  return {
    ...{ name, kind, mountPoint, device },
    ...(subvolume === undefined ? {} : { subvolume }),
    ...(encrypted === undefined ? {} : { encrypted }),
    ...(pieces === undefined ? {} : { disk: writablePieces(pieces, disks) }),
  };
}

/** Pieces of writable disks, one behind the other, as one. */
export function writablePieces(pieces: readonly VolumePiece[], disks: readonly WritableDisk[]): WritableDisk {
  const reading: Disk = concatenated(
    pieces.map(({ disk, offset, length }) => slice(disks[disk]!, offset, length)),
  );
  async function each(
    offset: number,
    length: number,
    work: (disk: WritableDisk, at: number, from: number, bytes: number) => Promise<void>,
  ) {
    let start = 0;
    for (const piece of pieces) {
      const from = Math.max(offset, start);
      const to = Math.min(offset + length, start + piece.length);
      if (from < to) await work(disks[piece.disk]!, piece.offset + from - start, from - offset, to - from);
      start += piece.length;
    }
    if (offset < 0 || offset + length > start)
      throw new AppError(
        'bug',
        `a write of ${length} bytes at ${offset} is not inside a volume of ${start} bytes`,
      );
  }
  return {
    ...reading,
    write: (bytes, offset, signal) =>
      each(offset, bytes.length, (disk, at, from, n) =>
        disk.write(bytes.subarray(from, from + n), at, signal),
      ),
    zero: (offset, length, signal) => each(offset, length, (disk, at, _from, n) => disk.zero(at, n, signal)),
    flush: async () =>
      void (await Promise.all([...new Set(pieces.map((p) => disks[p.disk]!))].map((d) => d.flush()))),
  };
}

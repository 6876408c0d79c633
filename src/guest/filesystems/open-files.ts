/** The reader for a volume, by the kind that `recognise` gives it. Each is loaded when it is needed. */
import { AppError } from '../../model/errors.ts';
import type { Looking } from '../looking.ts';
import type { VolumeFiles } from './files.ts';

/** What only some kinds have. */
export interface OpenChoices {
  /** btrfs: by number or by path from the top; left out: the default one. */
  readonly subvolume?: number | string;
}

const readers: Readonly<Record<string, (looking: Looking, choices: OpenChoices) => Promise<VolumeFiles>>> = {
  ext: async (looking) => (await import('./ext/open.ts')).openExt(looking),
  fat: async (looking) => (await import('./fat/open.ts')).openFat(looking),
  xfs: async (looking) => (await import('./xfs/open.ts')).openXfs(looking),
  ntfs: async (looking) => (await import('./ntfs/open.ts')).openNtfs(looking),
  btrfs: async (looking, { subvolume }) => (await import('./btrfs/open.ts')).openBtrfs(looking, subvolume),
  iso9660: async (looking) => (await import('./iso9660/open.ts')).openIso9660(looking),
};

/** `ext4` and `fat16` are kinds of one filesystem. */
const familyOf = (kind: string): string => (kind === 'vfat' ? 'fat' : kind.replace(/^(ext|fat)\d+$/, '$1'));

/** Whether `openFiles` has a reader for this kind of volume. */
export const canOpenFiles = (kind: string): boolean => Object.hasOwn(readers, familyOf(kind));

/**
 * `looking.disk` is the volume alone, seen through `cached`.
 * @throws AppError `unsupported` (no reader, unknown features), `corrupt`.
 */
export async function openFiles(
  looking: Looking,
  kind: string,
  choices: OpenChoices = {},
): Promise<VolumeFiles> {
  if (!canOpenFiles(kind)) throw new AppError('unsupported', `files on ${kind} can't be read here`);
  return readers[familyOf(kind)]!(looking, choices);
}

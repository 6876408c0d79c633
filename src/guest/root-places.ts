/** Where in a filesystem a root lies that is not its top: subvolumes of btrfs, deployments of OSTree. */
import { toAppError } from '../model/errors.ts';
import type { Files, VolumeFiles } from './filesystems/files.ts';
import { openFiles } from './filesystems/open-files.ts';
import { type Looking, orFinding } from './looking.ts';
import type { FilesVolume } from './open-files-of.ts';

export interface RootPlace {
  readonly files: VolumeFiles;
  readonly subvolume?: string;
  /** The folder that is the root. */
  readonly folder?: string;
}

/** Where distributions put it; looked at before any other. */
const usualSubvolumes = ['@', 'root', '@rootfs', '@/.snapshots/1/snapshot'];
/** Snapshots come by the hundred. */
const maxSubvolumes = 64;

/** Likely ones first; who asks looks into them one by one. */
export async function* rootPlaces(
  { volume, files }: FilesVolume,
  looking: Looking,
): AsyncGenerator<RootPlace> {
  yield { files };
  const folder = await ostreeDeployment(files);
  if (folder !== undefined) yield { files, folder };
  if (volume.volume?.kind !== 'btrfs') return;
  const opened = async (subvolume: string | number): Promise<RootPlace | undefined> => {
    try {
      return { files: await openFiles(looking, 'btrfs', { subvolume }), subvolume: String(subvolume) };
    } catch (error) {
      if (toAppError(error).kind === 'cancelled') throw error;
      return undefined; // there is none of this name, or it is broken
    }
  };
  const { btrfsSubvolumes } = await import('./filesystems/btrfs/open.ts');
  const others = await orFinding(looking, volume.name, () => btrfsSubvolumes(looking, maxSubvolumes));
  for (const subvolume of [...usualSubvolumes, ...(others ?? [])]) {
    const found = await opened(subvolume);
    if (found === undefined) continue;
    yield found;
    const inside = await ostreeDeployment(found.files);
    if (inside !== undefined) yield { ...found, folder: inside };
  }
}

/**
 * The deployment made last, which is started unless a person chose another: links of /ostree/boot.0 or boot.1 lead to
 * those that can be (ostree's documentation, "Deployments").
 */
async function ostreeDeployment(files: Files): Promise<string | undefined> {
  let newest: { readonly folder: string; readonly at: number } | undefined;
  for (const boot of ['/ostree/boot.1', '/ostree/boot.0'])
    for (const stateroot of (await files.list(boot)).slice(0, 16))
      for (const checksum of (await files.list(`${boot}/${stateroot}`)).slice(0, 16)) {
        const link = await files.readlink(`${boot}/${stateroot}/${checksum}/0`);
        const name = /\/deploy\/([^/]+)$/.exec(link ?? '')?.[1];
        const folder = `/ostree/deploy/${stateroot}/deploy/${name}`;
        if (name === undefined || (await files.stat(`${folder}/usr`))?.kind !== 'folder') continue;
        const at = (await files.stat(`${folder}.origin`))?.modifiedAt ?? 0;
        if (newest === undefined || at > newest.at) newest = { folder, at };
      }
  return newest?.folder;
}

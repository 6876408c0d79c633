/** The files of all volumes that have any; what a filesystem then tells of itself goes into what is known of its volume. */
import type { Finding } from '../model/finding.ts';
import type { GuestVolume, VolumeState } from '../model/guest-report.ts';
import type { VolumeFacts, VolumeFiles } from './filesystems/files.ts';
import { canOpenFiles, openFiles } from './filesystems/open-files.ts';
import { addFinding, type Looking, orFinding } from './looking.ts';
import type { Volume } from './volumes/open-volumes.ts';
import { stateFinding } from './volumes/recognise.ts';
import { sizes } from './volumes/volume.ts';

/** A volume with its files. */
export interface FilesVolume {
  readonly volume: Volume;
  readonly files: VolumeFiles;
}

export interface OpenedFiles {
  /** All that were given, in their order. */
  readonly volumes: readonly Volume[];
  readonly withFiles: readonly FilesVolume[];
}

/** @throws AppError `cancelled` only. */
export async function openFilesOf(
  all: readonly Volume[],
  findings: Finding[],
  signal: AbortSignal | undefined,
): Promise<OpenedFiles> {
  const volumes: Volume[] = [];
  const withFiles: FilesVolume[] = [];
  for (const one of all) {
    const { disk, name, volume: seen } = one;
    const looking = disk === undefined ? undefined : { disk, signal, findings };
    const files =
      looking === undefined || seen === undefined || !canOpenFiles(seen.kind)
        ? undefined
        : await orFinding(looking, name, () => openFiles(looking, seen.kind));
    const volume = files === undefined ? one : { ...one, volume: told(seen!, files.facts) };
    if (files !== undefined) {
      tell(looking!, name, { before: seen!, after: volume.volume!, notes: files.facts.notes });
      withFiles.push({ volume, files });
    }
    volumes.push(volume);
  }
  return { volumes, withFiles };
}

const ranks: Readonly<Record<VolumeState, number>> = { unknown: 0, clean: 1, dirty: 2, hibernated: 3 };

/** Its log or journal tells more of its state than its superblock does. */
const told = (seen: GuestVolume, { state, sizeBytes, freeBytes }: VolumeFacts): GuestVolume => ({
  ...seen,
  ...(freeBytes === undefined ? {} : sizes(seen.sizeBytes ?? sizeBytes, freeBytes)),
  state: ranks[state] > ranks[seen.state] ? state : seen.state,
  readable: true,
});

interface Told {
  readonly before: GuestVolume;
  readonly after: GuestVolume;
  readonly notes: readonly string[];
}

function tell(looking: Looking, name: string, { before, after, notes }: Told): void {
  if (after.state !== before.state) stateFinding(looking, after, name);
  if (notes.length > 0) addFinding(looking, 'volume-read', 'note', notes.join('; '), { evidence: name });
}

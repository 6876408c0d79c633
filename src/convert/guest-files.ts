/** The files inside a machine's disks, as its system sees them or of one volume. */
import type { OpenImage } from '../codecs/codec.ts';
import type { Session } from '../env-plugins/plugin.ts';
import type { Files } from '../guest/filesystems/files.ts';
import type { OpenGuest } from '../guest/guest.ts';
import { AppError, toAppError } from '../model/errors.ts';
import { machineWanted } from './find-machine.ts';
import { openGuestWithSecret } from './guest-secret.ts';
import { openMachineDisk, sourceOf } from './open-machine.ts';
import type { SurveyOptions } from './survey.ts';
import { spoolFolderForLooks } from './unpack.ts';

export interface MachineFiles {
  readonly files: Files;
  /** What was chosen where there was a choice. */
  readonly remark?: string;
  close(): Promise<void>;
}

export interface MachineFilesOptions {
  readonly how: SurveyOptions;
  /** A volume by its name, its device or the number of its partition; absent: all mounts of the system. */
  readonly volume?: string | undefined;
  readonly signal: AbortSignal;
}

/** @throws AppError `not-found` (no files), `usage` (which volume?), and what opening the disks meets. */
export async function openMachineFiles(
  session: Session,
  id: string,
  { how, volume, signal }: MachineFilesOptions,
): Promise<MachineFiles> {
  const { whole: _, report, ...trust } = how;
  const { machine, opening } = await machineWanted(sourceOf(session), id, trust, signal);
  const images: OpenImage[] = [];
  const close = async () => void (await Promise.all(images.map((image) => image.close())));
  let failure: AppError | undefined;
  try {
    for (const disk of machine.disks) {
      const source = { machine: machine.id, ...opening };
      const spoolFolder = spoolFolderForLooks();
      const options = { signal, runId: 'files', spoolFolder, ...(report === undefined ? {} : { report }) };
      try {
        images.push(await openMachineDisk(session, source, machine, disk.id, options));
      } catch (error) {
        // The files may lie on the others.
        failure ??= toAppError(error);
        if (failure.kind === 'cancelled') throw failure;
      }
    }
    if (images.length === 0) throw failure ?? new AppError('not-found', `${machine.name} has no disks`);
    const guest = await openGuestWithSecret(images, session, { signal, filesOnly: true });
    return { ...chosenFiles(guest, volume), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** @throws AppError `not-found`, `usage`. */
export function chosenFiles(
  guest: Pick<OpenGuest, 'systems' | 'fileVolumes' | 'findings'>,
  volume: string | undefined,
): Pick<MachineFiles, 'files' | 'remark'> {
  const { fileVolumes } = guest;
  const known = fileVolumes.map(({ names, kind }) => `"${names[0]}" (${kind})`).join(', ');
  if (volume !== undefined) {
    const found = fileVolumes.filter(({ names }) =>
      names.some((name) => name === volume || (/^\d+$/.test(volume) && name.endsWith(`partition ${volume}`))),
    );
    if (found.length === 1) return { files: found[0]!.files };
    throw new AppError('usage', `--volume ${volume}: ${found.length} volumes are called so`, {
      hint: known === '' ? 'none has files that can be read here' : `files can be read of ${known}`,
    });
  }
  const systems = guest.systems.flatMap(({ system, files }) =>
    files === undefined ? [] : [{ system, files }],
  );
  const [first] = systems;
  if (first !== undefined) {
    const { name } = first.system;
    const remark = `${systems.length} systems are there, these are the files of ${name}; --volume chooses`;
    return { files: first.files, ...(systems.length > 1 ? { remark } : {}) };
  }
  if (fileVolumes.length === 1) return { files: fileVolumes[0]!.files };
  if (fileVolumes.length > 1)
    throw new AppError('usage', 'no system was recognised, and there are several volumes', {
      hint: `choose with --volume one of ${known}`,
    });
  const { message, evidence } = guest.findings[0] ?? {};
  throw new AppError('not-found', 'there are no files that can be read in it', {
    ...(evidence === undefined ? {} : { where: evidence }),
    hint: message ?? 'vmferry inspect tells what is in it',
  });
}

/** A machine's disk, opened from its environment's session down to bytes that the guest would see. */
import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import type { OpenImage } from '../codecs/codec.ts';
import type { OpenDisk, Session, SourceRole } from '../env-plugins/plugin.ts';
import type { Secret } from '../io/wrappers/age.ts';
import { detectWrapper, type Wrapper } from '../io/wrappers/wrapper.ts';
import { AppError } from '../model/errors.ts';
import type { Machine } from '../model/machine.ts';
import type { Opening } from '../model/plan.ts';
import { joinParts } from './join-parts.ts';
import { narrowed, refuseSeveral } from './narrow-disk.ts';
import { openImage } from './open-image.ts';
import { unpacked } from './spool.ts';

export interface OpenMachineOptions {
  readonly signal: AbortSignal;
  readonly runId: string;
  /** Where a disk that has to be unpacked first may be put; absent refuses such a disk. */
  readonly spoolFolder?: string | undefined;
  report?(step: string): void;
}

export function sourceOf(session: Session): SourceRole {
  if (session.source === undefined) throw new AppError('usage', 'this environment is no source');
  return session.source;
}

const inWords = (wrapper: Wrapper): string =>
  wrapper === 'age'
    ? 'encrypted with age and has to be decrypted'
    : `packed with ${wrapper} and has to be unpacked`;

/** A disk that could not be opened only because it was not to be unpacked. */
class PackedError extends AppError {
  readonly wrapper: Wrapper;

  constructor(wrapper: Wrapper, where: string) {
    super('unsupported', `the disk is ${inWords(wrapper)} first`, {
      where,
      hint: 'a conversion does that by itself',
    });
    this.wrapper = wrapper;
  }
}

/** What the disk is packed with, where that is all that kept it from being opened. */
export const packedWith = (error: unknown): Wrapper | undefined =>
  error instanceof PackedError ? error.wrapper : undefined;

/** @throws AppError */
export async function openMachineDisk(
  session: Session,
  source: Opening & { readonly machine: string },
  machine: Machine,
  diskId: string,
  options: OpenMachineOptions,
): Promise<OpenImage> {
  refuseSeveral(source, machine);
  let disk = await sourceOf(session).open({ ...machine, id: source.machine }, diskId, options.signal);
  const { follow, format, snapshot } = source;
  const how = { signal: options.signal, follow, format, snapshot, secret: session.secret?.bind(session) };
  try {
    const whole = await joinParts(disk, how);
    disk = whole.disk;
    for (let layers = 0; ; layers++) {
      const wrapper = disk.gzip ? 'gzip' : await detectWrapper(disk.source, options.signal);
      if (wrapper === undefined) break;
      if (layers === mostWrappers)
        throw new AppError('unsupported', 'packed too many times', { where: disk.source.name });
      disk = await unwrapped(disk, wrapper, how.secret, options);
    }
    return await narrowed(withFiles(await openImage(disk, how), whole.parts), source, options.signal);
  } catch (error) {
    await disk.source.close();
    throw error;
  }
}

/** Compressed and then encrypted is usual; more is a joke. */
const mostWrappers = 3;

async function unwrapped(
  disk: OpenDisk,
  wrapper: Wrapper,
  secret: Secret | undefined,
  { signal, runId, spoolFolder, report }: OpenMachineOptions,
): Promise<OpenDisk> {
  if (spoolFolder === undefined) throw new PackedError(wrapper, disk.source.name);
  report?.(`${wrapper === 'age' ? 'decrypting' : 'unpacking'} ${disk.source.name}`);
  return unpacked(disk, wrapper, await firstUsable([spoolFolder, tmpdir()]), runId, signal, secret);
}

/** An image that was joined has all its parts for files. */
function withFiles(image: OpenImage, parts: readonly string[]): OpenImage {
  if (parts.length === 0) return image;
  return { ...image, info: { ...image.info, files: [...parts, ...image.info.files.slice(1)] } };
}

/** The first folder that exists: the destination's own may still have to be made. */
async function firstUsable(folders: readonly string[]): Promise<string> {
  for (const folder of folders) {
    const found = await stat(folder).catch(() => undefined);
    if (found?.isDirectory()) return folder;
  }
  return tmpdir();
}

/** A machine's disk, opened from its environment's session down to bytes that the guest would see. */
import type { OpenImage } from '../codecs/codec.ts';
import type { Session, SourceRole } from '../env-plugins/plugin.ts';
import type { ByteSource } from '../io/byte-source.ts';
import { AppError } from '../model/errors.ts';
import type { Machine } from '../model/machine.ts';
import type { Opening } from '../model/plan.ts';
import { type JoinedDisk, joinParts } from './join-parts.ts';
import { narrowed, refuseSeveral } from './narrow-disk.ts';
import { openImage } from './open-image.ts';
import { damagedPart } from './pieces/damaged-part.ts';
import { spooledImage } from './spool.ts';
import { refuseStream, type UnpackOptions, unpack } from './unpack.ts';

export type OpenMachineOptions = Omit<UnpackOptions, 'secret' | 'format'>;

export interface OpenedDisk {
  readonly image: OpenImage;
  /** What was around it, the outermost first. */
  readonly packed: readonly string[];
}

export function sourceOf(session: Session): SourceRole {
  if (session.source === undefined) throw new AppError('usage', 'this environment is no source');
  return session.source;
}

/** @throws AppError */
export async function openMachineDisk(
  session: Session,
  source: Opening & { readonly machine: string },
  machine: Machine,
  diskId: string,
  options: OpenMachineOptions,
): Promise<OpenImage> {
  return (await openPackedDisk(session, source, machine, diskId, options)).image;
}

/** As `openMachineDisk`, and what it was packed with. @throws AppError */
export async function openPackedDisk(
  session: Session,
  source: Opening & { readonly machine: string },
  machine: Machine,
  diskId: string,
  options: OpenMachineOptions,
): Promise<OpenedDisk> {
  refuseSeveral(source, machine);
  let verify: JoinedDisk['verify'];
  let disk = await sourceOf(session).open({ ...machine, id: source.machine }, diskId, options.signal);
  const { follow, format, snapshot, window, partition } = source;
  const secret = session.secret?.bind(session);
  const how = { signal: options.signal, follow, format, snapshot, secret };
  try {
    const whole = await joinParts(disk, how);
    disk = whole.disk;
    verify = whole.verify;
    // A part of a disk is looked for before it is read.
    const plain = window === undefined && partition === undefined && source.table === undefined;
    const once = options.once === true && plain;
    const { spoolFolder, runId, signal, report } = options;
    const spools = disk.source.access === 'forward' && !once && spoolFolder !== undefined;
    if (!spools) await refuseStream(disk, { ...options, once, format });
    const { wrappers, opened, ...inner } = await unpack(disk, { ...options, once, secret, format });
    disk = inner.disk;
    const files: ByteSource[] = [];
    const read = opened(await openImage(disk, { ...how, seen: (file) => void files.push(file) }));
    const modifiedAt = lastChange(files);
    const { access } = disk.source;
    const traits = {
      ...(modifiedAt === undefined ? {} : { modifiedAt }),
      ...(verify === undefined ? {} : { verify }),
      ...(access === 'forward' && !spools ? { onlyForward: true as const } : {}),
    };
    const image = spools ? await spooledImage(read, spoolFolder, runId, signal, report) : read;
    const narrow = await narrowed(withFiles(image, whole.parts), source, options.signal);
    return { image: { ...narrow, ...traits }, packed: wrappers };
  } catch (error) {
    await disk.source.close();
    throw await damagedPart(error, [verify], options.signal);
  }
}

/** Of all its files; undefined where one can't tell. */
function lastChange(files: readonly ByteSource[]): number | undefined {
  const times = files.map(({ modifiedAt, device }) => (device ? undefined : modifiedAt));
  return times.includes(undefined) ? undefined : Math.max(...(times as number[]));
}

/** An image that was joined has all its parts for files. */
function withFiles(image: OpenImage, parts: readonly string[]): OpenImage {
  if (parts.length === 0) return image;
  return { ...image, info: { ...image.info, files: [...parts, ...image.info.files.slice(1)] } };
}

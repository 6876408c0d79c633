/** A machine's disk, opened from its environment's session down to bytes that the guest would see. */
import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import type { OpenImage } from '../codecs/codec.ts';
import type { Session, SourceRole } from '../env-plugins/plugin.ts';
import { AppError } from '../model/errors.ts';
import type { Machine } from '../model/machine.ts';
import type { PlanSource } from '../model/plan.ts';
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

const packed = 'the disk is packed with gzip and has to be unpacked first';

/** Whether a disk could not be opened only because it was not to be unpacked. */
export const isPacked = (error: unknown): boolean => error instanceof AppError && error.message === packed;

/** @throws AppError */
export async function openMachineDisk(
  session: Session,
  source: Pick<PlanSource, 'machine' | 'follow' | 'format'>,
  machine: Machine,
  diskId: string,
  options: OpenMachineOptions,
): Promise<OpenImage> {
  const disk = await sourceOf(session).open({ ...machine, id: source.machine }, diskId, options.signal);
  const how = { signal: options.signal, follow: source.follow, format: source.format };
  if (!disk.gzip) return openImage(disk, how);
  try {
    if (options.spoolFolder === undefined) {
      throw new AppError('unsupported', packed, {
        where: disk.source.name,
        hint: 'a conversion does that by itself',
      });
    }
    options.report?.(`unpacking ${disk.source.name}`);
    const folder = await firstUsable([options.spoolFolder, tmpdir()]);
    const plain = await unpacked(disk, folder, options.runId, options.signal);
    return await openImage(plain, how);
  } catch (error) {
    await disk.source.close();
    throw error;
  }
}

/** The first folder that exists: the destination's own may still have to be made. */
async function firstUsable(folders: readonly string[]): Promise<string> {
  for (const folder of folders) {
    const found = await stat(folder).catch(() => undefined);
    if (found?.isDirectory()) return folder;
  }
  return tmpdir();
}

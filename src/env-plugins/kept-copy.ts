/**
 * A kept copy of a machine: a folder `<run>-<stage>` with the image files and `copy.json`, which appears together with
 * them when all are whole. Whoever reads it takes nothing in it at its word: it lies in a folder that others may write to.
 */
import * as z from 'zod';
import { AppError } from '../model/errors.ts';
import type { Machine } from '../model/machine.ts';
import { type CopyOf, type KeepStage, keepStages, type PlanSource } from '../model/plan.ts';
import { MiB } from '../model/units.ts';
import { machineSchema, strings, text } from './machine-schema.ts';

export const copyFileName = 'copy.json';
export const largestCopyFile = 16 * MiB;

const idPattern = /^(\d{8}-\d{6}-[0-9a-f]{4})-(extracted|changed|converted)$/;

export const copyId = ({ run, stage }: Pick<CopyOf, 'run' | 'stage'>): string => `${run}-${stage}`;

/** Undefined for a name that no copy has. */
export function splitCopyId(id: string): { readonly run: string; readonly stage: KeepStage } | undefined {
  const [, run, stage] = idPattern.exec(id) ?? [];
  return run === undefined ? undefined : { run, stage: stage as KeepStage };
}

/** What an unfinished delivery of that run leaves: `.disk.qcow2.vmferry-<run>.part`. */
export const isUnfinishedFile = (name: string, run: string): boolean =>
  name.startsWith('.') && name.includes(`.vmferry-${run}.part`);

export interface KeptFile {
  readonly name: string;
  readonly bytes: number;
  readonly sha256?: string;
}

export interface KeptDisk {
  /** As the machine names it. */
  readonly id: string;
  /** Its first file. */
  readonly file: string;
  readonly format: string;
  /** What the guest sees. */
  readonly virtualSizeBytes: number;
  readonly allocatedSizeBytes: number;
}

export interface KeptCopy extends Pick<CopyOf, 'run' | 'stage' | 'title'> {
  readonly version: 1;
  /** ISO 8601, UTC: when it was whole. */
  readonly keptAt: string;
  readonly source: Pick<PlanSource, 'environment' | 'profile' | 'settings' | 'machine'>;
  readonly machine: Machine;
  /** The package that holds the disks; absent where they are files of their own. */
  readonly package?: string;
  readonly disks: readonly KeptDisk[];
  readonly files: readonly KeptFile[];
  /** The file with the firmware's variables. */
  readonly nvram?: string;
  readonly whole: true;
}

/** A file of the copy's own folder: no name leads out of it. */
const fileName = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[^/\\\p{Cc}]+$/u, 'not the name of a file in this folder')
  .refine((name) => name !== '.' && name !== '..' && name !== copyFileName, 'not the name of a file of it');
const size = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

const schema = z.object({
  version: z.literal(1),
  run: text,
  stage: z.enum(keepStages),
  title: text,
  keptAt: z.iso.datetime(),
  source: z.object({
    environment: text,
    profile: text.optional(),
    settings: strings,
    machine: text,
  }),
  machine: machineSchema,
  package: fileName.optional(),
  disks: z
    .array(
      z.object({
        id: text,
        file: fileName,
        format: text,
        virtualSizeBytes: size,
        allocatedSizeBytes: size,
      }),
    )
    .max(1000),
  files: z
    .array(
      z.object({
        name: fileName,
        bytes: size,
        sha256: z
          .string()
          .regex(/^[0-9a-f]{64}$/)
          .optional(),
      }),
    )
    .max(100_000),
  nvram: fileName.optional(),
  whole: z.literal(true),
});

/** `id`: the name of the folder it lies in. @throws AppError `corrupt`. */
export function parseCopy(content: string, id: string, where: string): KeptCopy {
  const broken = (message: string, cause?: unknown) =>
    new AppError('corrupt', `not as vmferry writes it: ${message}`, { where, cause });
  let data: unknown;
  try {
    data = JSON.parse(content);
  } catch (cause) {
    throw broken('no JSON', cause);
  }
  const result = schema.safeParse(data);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw broken(`${issue?.path.join('.') || 'the whole'}: ${issue?.message ?? 'wrong'}`);
  }
  const copy = result.data as KeptCopy;
  if (copyId(copy) !== id) throw broken(`it is of ${copyId(copy)}, and lies in ${id}`);
  const ids = new Set(copy.machine.disks.map((disk) => disk.id));
  if (copy.package === undefined && copy.disks.some((disk) => !ids.has(disk.id)))
    throw broken('a disk that its machine does not have');
  return copy;
}

export const formatCopy = (copy: KeptCopy): string => `${JSON.stringify(copy, null, 2)}\n`;

/** `copy.json` of a kept copy, read: nothing in it is taken at its word, for others may write to the folder it lies in. */
import * as z from 'zod';
import { AppError } from '../model/errors.ts';
import { keepStages } from '../model/plan.ts';
import { copyFileName, copyId, type KeptCopy } from './kept-copy.ts';
import { machineSchema, strings, text } from './machine-schema.ts';

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
        digest: text.optional(),
      }),
    )
    .max(1000),
  files: z
    .array(
      z.object({
        name: fileName,
        bytes: size,
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

/** What takes a run's changes of a guest back, beside its journal: `manifest.json`, and a numbered file per content. */
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import type { Undo, UndoStep } from '../../guest/change/undo.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { readPrivateFile } from './private-file.ts';

/** What is edited as a whole is not larger. */
const largest = 8 * MiB;

const path = z.string().regex(/^\//).max(4096);
const size = z.number().int().min(0);
const owner = { mode: size.optional(), uid: size.optional(), gid: size.optional() };
const step = z.discriminatedUnion('kind', [
  z.object({
    ...{ kind: z.literal('content'), path, file: z.string().regex(/^\d+$/), after: z.string().optional() },
    ...{ size: size.optional(), ...owner },
  }),
  z.object({ kind: z.literal('remove'), path, after: z.string().optional(), size: size.optional() }),
  z.object({
    ...{ kind: z.literal('link'), path, target: z.string().optional(), after: z.string().optional() },
  }),
  z.object({ kind: z.literal('folder'), path }),
  z.object({ kind: z.literal('restore'), path, from: path, size }),
  z.object({ kind: z.literal('lost'), path: z.string(), why: z.string() }),
]);
const manifest = z.object({
  version: z.literal(1),
  changes: z.array(z.object({ id: z.string(), title: z.string(), steps: z.array(step) })),
});

/** @throws AppError `io`, `no-space` … */
export async function writeUndo(folder: string, undo: readonly Undo[]): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 });
    let files = 0;
    const changes = [];
    for (const { steps, ...change } of undo) {
      const kept = [];
      for (const step of steps) {
        if (step.kind !== 'content') {
          kept.push(step);
          continue;
        }
        const { content, ...rest } = step;
        const file = String(++files);
        await writeFile(join(folder, file), content, { mode: 0o600, flag: 'wx' });
        kept.push({ ...rest, file });
      }
      changes.push({ ...change, steps: kept });
    }
    const text = JSON.stringify({ version: 1, changes });
    await writeFile(join(folder, 'manifest.json'), text, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    throw toAppError(error);
  }
}

/** Undefined where nothing was kept. @throws AppError `corrupt`, `io`. */
export async function readUndo(folder: string): Promise<readonly Undo[] | undefined> {
  const where = join(folder, 'manifest.json');
  const text = await readPrivateFile(where);
  if (text === undefined) return undefined;
  const { changes } = parse(text, where);
  const undo: Undo[] = [];
  for (const { steps, ...change } of changes) {
    const whole: UndoStep[] = [];
    for (const given of steps) {
      if (given.kind !== 'content') {
        whole.push(given as UndoStep);
        continue;
      }
      const { file, ...rest } = given;
      whole.push({ ...rest, content: await contentOf(join(folder, file)) } as UndoStep);
    }
    undo.push({ ...change, steps: whole });
  }
  return undo;
}

function parse(text: string, where: string): z.infer<typeof manifest> {
  try {
    return manifest.parse(JSON.parse(text));
  } catch (cause) {
    throw new AppError('corrupt', 'what was kept of the changes is not as vmferry writes it', {
      where,
      cause,
    });
  }
}

async function contentOf(file: string): Promise<Buffer> {
  try {
    const handle = await open(file, 'r');
    try {
      const { size: bytes } = await handle.stat();
      if (bytes > largest)
        throw new AppError('corrupt', `${bytes} bytes, at most ${largest} were kept`, { where: file });
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw toAppError(error);
  }
}

/**
 * The marks of runs in processes of their own: `runs/<id>.process`, of the user alone. A mark says whose process it is,
 * where it listens, and whether its turn has come. It counts for as long as that process lives, so that a kill leaves
 * nothing that holds others up.
 */
import { readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import * as z from 'zod';
import { readPrivateFile } from '../state/stores/private-file.ts';
import { isAlive } from '../state/stores/process-mark.ts';
import { removePlace } from './socket-place.ts';

const schema = z.object({
  version: z.literal(1),
  id: z.string(),
  pid: z.number(),
  host: z.string(),
  born: z.string().optional(),
  /** Path of its socket. */
  socket: z.string(),
  /** `taking`: it looks once more before it begins, see `turn.ts`. */
  turn: z.enum(['later', 'waiting', 'taking', 'running']),
  /** Since when its turn may come, milliseconds since 1970. */
  due: z.number(),
  title: z.string(),
});

export type RunMark = z.infer<typeof schema>;

const suffix = '.process';
const idForm = /^\d{8}-\d{6}-[0-9a-f]{4}$/;

/** Whole or not at all. */
export async function writeMark(folder: string, mark: RunMark): Promise<void> {
  const path = join(folder, `${mark.id}${suffix}`);
  await writeFile(`${path}.new`, JSON.stringify(mark), { mode: 0o600 });
  await rename(`${path}.new`, path);
}

export async function removeMark(folder: string, { id, socket }: RunMark): Promise<void> {
  await removePlace(socket, id);
  await rm(join(folder, `${id}${suffix}`), { force: true });
}

/** Of the living, in the order of their turns. What a dead one has left is removed. */
export async function liveMarks(folder: string): Promise<RunMark[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const marks: RunMark[] = [];
  for (const name of names.filter((name) => name.endsWith(suffix))) {
    const mark = await readMark(folder, basename(name, suffix));
    if (mark === undefined) continue;
    if (await isAlive(mark)) marks.push(mark);
    else await forgetDead(folder, mark);
  }
  return marks.sort(byTurn);
}

/** Those that run come first, then those that wait, by the time since when they do. */
export function byTurn(a: RunMark, b: RunMark): number {
  const running = Number(b.turn === 'running') - Number(a.turn === 'running');
  return running || a.due - b.due || (a.id < b.id ? -1 : 1);
}

async function readMark(folder: string, id: string): Promise<RunMark | undefined> {
  if (!idForm.test(id)) return undefined;
  try {
    const mark = schema.parse(JSON.parse((await readPrivateFile(join(folder, `${id}${suffix}`))) ?? ''));
    return mark.id === id ? mark : undefined;
  } catch {
    return undefined; // gone meanwhile, or of another version: nothing is known of it
  }
}

/** Of another host it can't be known whether it lives: its mark stays. */
async function forgetDead(folder: string, mark: RunMark): Promise<void> {
  if (mark.host !== (await import('node:os')).hostname()) return;
  await removeMark(folder, mark).catch(() => undefined); // a folder that can't be written to now
}

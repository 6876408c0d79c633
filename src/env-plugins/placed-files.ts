/**
 * Files that grow under temporary names and get their own in the end; and how that is taken back. A request that failed
 * may have been done all the same, its answer being lost: what was done is told by what lies there.
 */
import type { Host } from '../io/host/host.ts';
import { quoteArgs } from '../io/ssh/quote-args.ts';
import { type AppError, toAppError } from '../model/errors.ts';
import { type Leftover, withLeftovers } from '../model/leftover.ts';

/** Paths. */
export interface PlacedFile {
  readonly temporary: string;
  readonly final: string;
  /** Where what had the name waits until all are in place; set before it is moved there. */
  replaced?: string;
  /** It was begun to give the file its name. */
  placing?: boolean;
}

export interface FileMoves {
  /** For messages: ` on HOST`, or nothing. */
  readonly on: string;
  /** What is replaced has two names until it is: `mv` does nothing with two names of one file. */
  readonly links?: boolean;
  exists(path: string): Promise<boolean>;
  rename(from: string, to: string): Promise<void>;
  /** A file or an empty folder; nothing there is no error. */
  remove(path: string): Promise<void>;
  isEmpty(folder: string): Promise<boolean>;
}

export const hostMoves = ({ files, here, name }: Pick<Host, 'files' | 'here' | 'name'>): FileMoves => ({
  on: here ? '' : ` on ${name}`,
  exists: async (path) => (await files.stat(path)) !== undefined,
  rename: (from, to) => files.rename(from, to),
  remove: (path) => files.remove(path),
  isEmpty: async (folder) => (await files.list(folder)).length === 0,
});

/** All files under their temporary names again, what they replaced under its own. What fails is tried again by `takeBack`. */
export async function putAllBack(moves: FileMoves, files: readonly PlacedFile[]): Promise<void> {
  for (const file of files) {
    const failed = await putBack(moves, file).then(() => undefined, toAppError);
    if (failed?.kind === 'unreachable') return;
  }
}

/**
 * Removes the files, and the folders (deepest first) that were made for them, as long as they are empty.
 * Resolves to what stays. Never throws.
 */
export async function takeBack(
  moves: FileMoves,
  files: readonly PlacedFile[],
  folders: readonly string[],
): Promise<Leftover[]> {
  const { left, done } = attempts();
  const removal = (path: string, why: string, command: readonly string[]): Leftover => ({
    what: `${path}${moves.on} (${why})`,
    command: quoteArgs([...command, path]),
  });
  for (const file of files) {
    const { final, temporary, replaced } = file;
    // What was never begun to be moved is not touched, nor is any file of its name.
    const moved = replaced !== undefined || file.placing === true;
    const back =
      !moved ||
      (await done(
        () => putBack(moves, file),
        (why) =>
          replaced === undefined
            ? removal(final, why, ['rm', '-f', '--'])
            : {
                what: `what was ${final}${moves.on} waits as ${replaced} (${why})`,
                command: puttingBack(replaced, final, moves.links === true),
              },
      ));
    // What may be the only sign of how far it came is not removed then.
    if (back)
      await done(
        () => moves.remove(temporary),
        (why) => removal(temporary, why, ['rm', '-f', '--']),
      );
    else left.push(removal(temporary, 'for the same reason', ['rm', '-f', '--']));
  }
  for (const folder of folders)
    await done(
      async () => {
        const failed = await moves.remove(folder).then(() => undefined, toAppError);
        // A folder in which somebody put something stays.
        if (
          failed !== undefined &&
          (left.length > 0 || failed.kind === 'unreachable' || (await moves.isEmpty(folder)))
        )
          throw failed;
      },
      (why) => removal(folder, why, ['rmdir', '--']),
    );
  return left;
}

function puttingBack(replaced: string, final: string, links: boolean): string {
  const move = quoteArgs(['mv', '-f', '--', replaced, final]);
  if (!links) return move;
  return `${quoteArgs(['test', replaced, '-ef', final])} && ${quoteArgs(['rm', '-f', '--', replaced])} || ${move}`;
}

/** What waited aside is not needed any more. Resolves to what stays. Never throws. */
export async function removeReplaced(moves: FileMoves, files: readonly PlacedFile[]): Promise<Leftover[]> {
  const { left, done } = attempts();
  for (const { replaced, final } of files)
    if (replaced !== undefined)
      await done(
        () => moves.remove(replaced),
        (why) => ({
          what: `${replaced}${moves.on}, what was ${final} before (${why})`,
          command: quoteArgs(['rm', '-f', '--', replaced]),
        }),
      );
  return left;
}

/** Work that may fail; what stays then is gathered. A host that is gone is not asked again for each of hundreds of files. */
function attempts() {
  const left: Leftover[] = [];
  let gone: AppError | undefined;
  const done = async (work: () => Promise<void>, stays: (why: string) => Leftover): Promise<boolean> => {
    const failed = gone ?? (await work().then(() => undefined, toAppError));
    if (failed?.kind === 'unreachable') gone = failed;
    if (failed !== undefined) left.push(stays(failed.message));
    return failed === undefined;
  };
  return { left, done };
}

/** What a run that was killed in its commit had moved aside is put back before it is gone on with, or removed. */
export function putBackInterrupted(moves: FileMoves, { temporary, final }: PlacedFile): Promise<void> {
  return putBack(moves, { temporary, final, replaced: asideOf(temporary), placing: true });
}

/** Where what is replaced waits. */
export const asideOf = (temporary: string): string => `${temporary}.replaced`;

async function putBack(moves: FileMoves, file: PlacedFile): Promise<void> {
  const { temporary, final, replaced, placing } = file;
  if (replaced === undefined && !placing) return;
  const waits = replaced !== undefined && (await moves.exists(replaced));
  // Without what was there before being aside, what has the name is what was there before.
  const mayBePlaced = placing && (replaced === undefined || waits);
  if (mayBePlaced && !(await moves.exists(temporary)) && (await moves.exists(final)))
    await moves.rename(final, temporary);
  delete file.placing;
  if (waits) {
    await moves.rename(replaced, final);
    await moves.remove(replaced); // renaming one name of a file to another one leaves both
  }
  delete file.replaced;
}

/** What a request that failed had done is removed at once, where nothing is begun yet that could be rolled back. */
export async function withFolders<T>(
  moves: FileMoves,
  folders: readonly string[],
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const left = await takeBack(moves, [], folders);
    throw withLeftovers(toAppError(error), left);
  }
}

/**
 * The runs so far: one journal each in `runs/<id>.jsonl`, the oldest removed when there are too many. Beside it, where
 * a guest was changed, `runs/<id>.undo/` with what takes that back.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { KeptDigest } from '../../convert/disk-digests.ts';
import type { Resumption } from '../../convert/resumption.ts';
import type { Undo } from '../../guest/change/undo.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { RunAbout } from '../history/about.ts';
import { DigestFile, readDigests } from './digests.ts';
import { Journal, type JournalOptions } from './journal.ts';
import type { JournalLine, RunSummary } from './journal-lines.ts';
import { isAlive, ownMark } from './process-mark.ts';
import { newRunId } from './run-id.ts';

const ID = /^\d{8}-\d{6}-[0-9a-f]{4}$/;
const AT_ONCE = 16;
const LONGEST_TITLE = 200;

/** What a run is told by; lines of other types are for going on with it. */
const told: ReadonlySet<string> = new Set(['start', 'plan', 'event', 'end']);

export interface HistoryOptions extends JournalOptions {
  /** Runs kept. */
  readonly limit?: number;
  /** Of the first journal that is begun: a run in a process of its own has it already. */
  readonly firstId?: string;
  /** The version of the program that writes. */
  readonly program?: string;
}

export interface Run {
  readonly summary: RunSummary;
  readonly plan: unknown;
  /** The run that it has gone on with. */
  readonly partsOf?: string;
  readonly events: readonly { readonly at: string; readonly event: unknown }[];
  /** Lines of types that are not read here, how many of each. */
  readonly passedOver: Readonly<Record<string, number>>;
  /** The journal is longer than what is read; the last events are missing here. */
  readonly truncated: boolean;
  /** Lines that could not be read. */
  readonly damagedLines: number;
}

/** What a run has left at its destination. */
export interface Left {
  readonly id: string;
  readonly title: string;
  readonly plan: unknown;
  /** The run that began it: its id is in the names of the temporary files. */
  readonly partsOf: string;
  readonly resumption: Resumption;
  /** At the destination already. */
  readonly bytes: number;
}

export class History {
  readonly folder: string;
  readonly #options: HistoryOptions;
  readonly #limit: number;
  #firstId: string | undefined;
  #begun: Promise<Journal> | undefined;

  constructor(folder: string, options: HistoryOptions) {
    this.folder = folder;
    this.#options = options;
    this.#limit = options.limit ?? 500;
    this.#firstId = options.firstId;
  }

  /** Begins the journal of a run that has to wait for its turn; the next `open` goes on with it. */
  begin(title: string, plan: unknown, about: RunAbout): void {
    this.#begun = this.open(title, plan, about);
  }

  /** Begins a journal. Never throws: without a place for it the run goes on without, and `onFailure` is told. */
  async open(title: string, plan: unknown, about?: RunAbout, partsOf?: string): Promise<Journal> {
    const begun = this.#begun;
    this.#begun = undefined;
    if (begun !== undefined && partsOf === undefined) return begun;
    const journal = await this.#create();
    const { program } = this.#options;
    journal.line('start', {
      version: 1,
      id: journal.id,
      title: title.slice(0, LONGEST_TITLE),
      ...(await ownMark()),
      ...userOf(),
      ...(program === undefined ? {} : { program }),
      ...(about === undefined ? {} : { about }),
    });
    journal.line('plan', { plan, ...(partsOf === undefined ? {} : { partsOf }) });
    await this.#prune(journal.id).catch((error) => this.#options.onFailure(toAppError(error)));
    return journal;
  }

  /** Newest first. One whose journal is damaged is there as far as that can be read. */
  async list(): Promise<RunSummary[]> {
    const ids = await this.#ids();
    const runs: RunSummary[] = [];
    for (let from = 0; from < ids.length; from += AT_ONCE) {
      const some = ids.slice(from, from + AT_ONCE).map((id) => this.#summary(id).catch(isGone));
      runs.push(...(await Promise.all(some)).filter((run) => run !== undefined));
    }
    return runs.sort((a, b) => (a.startedAt < b.startedAt ? 1 : -1));
  }

  /** Its plan as it was written, if there is one. @throws AppError `not-found`, `auth`, `io`. */
  async planOf(id: string): Promise<unknown> {
    const { firstLineOf } = await import('./journal-file.ts');
    return (await firstLineOf(this.#path(id), 'plan'))?.data.plan;
  }

  /** The text of its journal, for a search: of so many bytes. @throws AppError `not-found`, `auth`, `io`. */
  async textOf(id: string, most: number): Promise<string> {
    const { textOf } = await import('./journal-file.ts');
    return textOf(this.#path(id), told, most);
  }

  /** `most`: bytes of its journal that are looked at. @throws AppError `not-found`, `auth`, `io`. */
  async get(id: string, most?: number): Promise<Run> {
    const path = this.#path(id);
    const summary = await this.#summary(id);
    const { readLines } = await import('./journal-file.ts');
    const { lines, ...rest } = await readLines(path, { types: told, most });
    const { plan, partsOf } = lines.find((line) => line.type === 'plan')?.data ?? {};
    return {
      summary,
      plan,
      ...(typeof partsOf === 'string' ? { partsOf } : {}),
      events: lines.filter(isEvent).map((line) => ({ at: line.at, event: line.data.event })),
      ...rest,
    };
  }

  /**
   * `force`: also one that has left something that another run could go on with.
   * @throws AppError `conflict` when it is running, or without `force`; `not-found`.
   */
  async remove(id: string, force = false): Promise<void> {
    const { outcome } = await this.#summary(id);
    if (outcome === 'running') {
      throw new AppError('conflict', 'this run has not ended', { where: id, hint: 'cancel it first' });
    }
    if (!force && (await this.#leaves(id, outcome))) {
      throw new AppError('conflict', 'what this run has written is at its destination still', {
        where: id,
        hint: `"vmferry resume ${id}" goes on with it, with --discard that is removed; --force forgets it as it is`,
      });
    }
    await this.#forget(id);
  }

  /** Something at its destination that nobody finds any more when its journal is gone. */
  #leaves(id: string, outcome: RunSummary['outcome']): Promise<boolean> {
    if (outcome === 'done') return Promise.resolve(false);
    return this.resumable(id).then(
      () => true,
      (error) => {
        if (['conflict', 'unsupported'].includes(toAppError(error).kind)) return false;
        throw error;
      },
    );
  }

  async #forget(id: string): Promise<void> {
    const beside = [
      ...[this.#claimPath(id), this.#digestPath(id)],
      ...[this.#undoFolder(id), this.changesFolder(id)],
    ];
    // The journal last: as long as it is there, this can be done again.
    for (const path of [...beside, this.#path(id)]) {
      await rm(path, { recursive: true, force: true }).catch((error) => {
        throw toAppError(error);
      });
    }
  }

  /** Takes the digests of the run's disks. */
  digestFile(id: string): DigestFile {
    return new DigestFile(this.#digestPath(id), this.#options);
  }

  /** Undefined where none were kept. @throws AppError `corrupt`, `unsupported`. */
  digestsOf(id: string): Promise<KeptDigest[] | undefined> {
    return readDigests(this.#digestPath(id));
  }

  /** Keeps what takes the run's changes back. @throws AppError. */
  async keepUndo(id: string, undo: readonly Undo[]): Promise<void> {
    const { writeUndo } = await import('./undo-store.ts');
    await writeUndo(this.#undoFolder(id), undo);
  }

  /** @throws AppError `not-found` where nothing was kept, `corrupt`. */
  async undoOf(id: string): Promise<readonly Undo[]> {
    const { readUndo } = await import('./undo-store.ts');
    const undo = await readUndo(this.#undoFolder(id));
    if (undo !== undefined) return undo;
    throw new AppError('not-found', 'nothing is kept of changes of this run', {
      where: id,
      hint: 'see "vmferry history": only a run that changed a guest keeps something',
    });
  }

  /**
   * What a run has left that another one can go on with, and whose files those are.
   * @throws AppError `conflict` when it runs or another one has gone on with it, `unsupported` where there is nothing.
   */
  async resumable(id: string): Promise<Left> {
    const refuse = (kind: 'conflict' | 'unsupported', why: string, hint: string) =>
      new AppError(kind, `it can't be gone on with: ${why}`, { where: id, hint });
    const { outcome, title } = await this.#summary(id);
    if (outcome === 'running') throw refuse('conflict', 'it is running', `see "vmferry attach ${id}"`);
    const claim = await this.#claimOf(id);
    if (claim === 'discarded') throw refuse('conflict', 'what it had written was removed', 'run it again');
    if (claim !== undefined) {
      throw refuse('conflict', `${claim} has gone on with it`, `see "vmferry resume ${claim}"`);
    }
    const [{ readLines }, { bootId, resumableOf, resumeTypes }] = await Promise.all([
      import('./journal-file.ts'),
      import('./resume-lines.ts'),
    ]);
    const { lines } = await readLines(this.#path(id), { types: resumeTypes });
    const found = resumableOf(lines, await bootId());
    if ('reason' in found)
      throw refuse('unsupported', found.reason, `"vmferry history ${id} --rerun" runs it again`);
    const { plan, partsOf } = lines.find((line) => line.type === 'plan')?.data ?? {};
    return {
      id,
      title,
      plan,
      partsOf: typeof partsOf === 'string' && ID.test(partsOf) ? partsOf : id,
      ...found,
    };
  }

  /** Nobody else goes on with this run from now on. @throws AppError `conflict` when another one does. */
  async claim(id: string, by: string): Promise<void> {
    await writeFile(this.#claimPath(id), `${by}\n`, { flag: 'wx', mode: 0o600 }).catch((error) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw toAppError(error);
      throw new AppError('conflict', 'another run goes on with it', { where: id });
    });
  }

  async #claimOf(id: string): Promise<string | undefined> {
    const text = await readFile(this.#claimPath(id), 'utf8').catch(() => undefined);
    return text?.trim();
  }

  #claimPath(id: string): string {
    return this.#path(id).replace(/\.jsonl$/, '.resumed');
  }

  async #create(): Promise<Journal> {
    let id = this.#firstId ?? newRunId();
    this.#firstId = undefined;
    try {
      await mkdir(this.folder, { recursive: true, mode: 0o700 });
      for (;;) {
        try {
          return await Journal.create(id, this.#path(id), this.#options);
        } catch (error) {
          // EEXIST: two runs in one second drew the same four digits.
          if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
          id = newRunId();
        }
      }
    } catch (error) {
      return Journal.unwritten(id, this.#options, error);
    }
  }

  /** @throws AppError `not-found`, `auth`, `io`. */
  async #summary(id: string): Promise<RunSummary> {
    // Loaded only to read: a run that writes its journal has no need of it.
    const [{ readEnds }, { startOf, summarize }] = await Promise.all([
      import('./journal-file.ts'),
      import('./journal-lines.ts'),
    ]);
    const { first, last, bytes } = await readEnds(this.#path(id));
    const start = startOf(id, first);
    return summarize(start, last, await isAlive(start), bytes);
  }

  async #prune(current: string): Promise<void> {
    const surplus = (await this.#ids()).slice(this.#limit).filter((id) => id !== current);
    for (const id of surplus) {
      const run = await this.#summary(id).catch(isGone);
      if (run === undefined || run.outcome === 'running') continue;
      if (!(await this.#leaves(id, run.outcome))) await this.#forget(id);
    }
  }

  /** Newest first. */
  async #ids(): Promise<string[]> {
    const names = await readdir(this.folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw toAppError(error);
    });
    return names
      .filter((name) => name.endsWith('.jsonl'))
      .map((name) => name.slice(0, -'.jsonl'.length))
      .filter((id) => ID.test(id))
      .sort()
      .reverse();
  }

  /** Where a run keeps what it has changed inside a guest, as long as it can be gone on with. */
  changesFolder(id: string): string {
    return this.#path(id).replace(/\.jsonl$/, '.changed');
  }

  #undoFolder(id: string): string {
    return this.#path(id).replace(/\.jsonl$/, '.undo');
  }

  #digestPath(id: string): string {
    return this.#path(id).replace(/\.jsonl$/, '.digests');
  }

  #path(id: string): string {
    // An id comes from a command line too: it must not lead out of the folder.
    if (!ID.test(id)) throw new AppError('not-found', `"${id}" is not the id of a run`);
    return join(this.folder, `${id}.jsonl`);
  }
}

/** Whose run it is: a user without a name has a number only. */
function userOf(): { user?: string } {
  try {
    return { user: userInfo().username };
  } catch {
    return {};
  }
}

/** Another one removed it while the list was read. */
function isGone(error: unknown): undefined {
  if (toAppError(error).kind !== 'not-found') throw error;
}

function isEvent(line: JournalLine): boolean {
  return line.type === 'event';
}

/** The journal of one run while it is written: lines are appended in order, and no failure stops the run. */
import { type FileHandle, open } from 'node:fs/promises';
import { type AppError, AppError as Failed, toAppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import type { RunEnd } from './journal-lines.ts';

/** A line over this is not written, so that reading stays bounded. */
export const LONGEST_LINE = 4 * MiB;

/** Lines that wait for a slow disk; about a quarter of an hour of events. */
const MOST_WAITING = 10_000;

export interface JournalOptions {
  /** Told once per stretch of failures: the journal has a hole, the run goes on. */
  readonly onFailure: (error: AppError) => void;
  /** Applied to each line, as JSON text. */
  readonly redact: (text: string) => string;
}

export class Journal {
  readonly id: string;
  readonly #options: JournalOptions;
  #handle: FileHandle | undefined;
  #waiting: string[] = [];
  #writing: Promise<void> | undefined;
  /** The last write failed, perhaps in the middle of a line. */
  #torn = false;
  #closed = false;

  /** Without a handle it takes lines and writes none. */
  constructor(id: string, options: JournalOptions, handle: FileHandle | undefined) {
    this.id = id;
    this.#options = options;
    this.#handle = handle;
  }

  /** A new file, 0600. @throws the system's error EEXIST when there is one; other failures are reported. */
  static async create(id: string, path: string, options: JournalOptions): Promise<Journal> {
    try {
      return new Journal(id, options, await open(path, 'ax', 0o600));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw error;
      return Journal.unwritten(id, options, error);
    }
  }

  /** Takes lines and writes none: there is no place for them. */
  static unwritten(id: string, options: JournalOptions, error: unknown): Journal {
    options.onFailure(toAppError(error));
    return new Journal(id, options, undefined);
  }

  /** Plain JSON data. Returns at once; the line is written in its turn. */
  append(event: unknown): void {
    if (!this.#closed) this.line('event', { event });
  }

  line(type: string, data: object): void {
    if (!this.#handle) return;
    if (this.#waiting.length >= MOST_WAITING) {
      this.#failed(new Failed('io', 'the disk is too slow for the journal'));
      return;
    }
    const head = { type, at: new Date().toISOString() };
    const text = this.#options.redact(JSON.stringify({ ...head, ...data }));
    this.#waiting.push(text.length > LONGEST_LINE ? JSON.stringify({ ...head, tooLong: text.length }) : text);
    this.#writing ??= this.#write();
  }

  /** Resolves when the lines so far are in the file; `durable`: on the medium. @throws AppError `io` when they are not. */
  async written(durable: boolean): Promise<void> {
    await this.#writing;
    if (this.#torn || this.#handle === undefined) throw new Failed('io', 'the journal can not be written');
    if (!durable) return;
    await this.#handle.datasync().catch((error) => {
      throw toAppError(error);
    });
  }

  /** Writes the end, waits until all is on the disk, and closes. Never throws; a second call does nothing. */
  async close(end: RunEnd): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.line('end', end);
    await this.#writing;
    const handle = this.#handle;
    this.#handle = undefined;
    try {
      await handle?.sync();
    } catch (error) {
      this.#failed(error);
    }
    await handle?.close().catch((error) => this.#failed(error));
  }

  async #write(): Promise<void> {
    // After the caller's turn: the lines of one turn are one write.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const lines = this.#waiting;
      this.#waiting = [];
      try {
        // A torn line is ended first, so that only itself is lost.
        await this.#handle?.appendFile(`${this.#torn ? '\n' : ''}${lines.join('\n')}\n`);
        this.#torn = false;
      } catch (error) {
        this.#failed(error);
      }
    }
    this.#writing = undefined;
  }

  #failed(error: unknown): void {
    if (!this.#torn) this.#options.onFailure(toAppError(error));
    this.#torn = true;
  }
}

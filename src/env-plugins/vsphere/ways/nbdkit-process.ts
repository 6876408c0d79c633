/** An nbdkit of our own: its password given by a pipe, its socket in a folder that only this user may enter. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { type NbdDisk, openNbd } from '../../../io/nbd/client.ts';
import { AppError, toAppError } from '../../../model/errors.ts';

/** Loading the library and logging in there, milliseconds. */
const startMs = 120_000;
const pauseMs = 50;
/** Between the word to end and its end by force. */
const endMs = 5_000;
const mostWords = 16 * 1024;

export class NbdkitProcess {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #ended: Promise<void>;
  #disk: NbdDisk | undefined;
  #said = '';
  #failure: AppError | undefined;
  #ending: Promise<void> | undefined;

  /** `parameters`: the plugin's name and its own. @throws AppError `usage` for a password that no line can carry. */
  static async start(parameters: readonly string[], password: string): Promise<NbdkitProcess> {
    if (/[\n\0]/.test(password)) throw new AppError('usage', 'nbdkit takes no password of several lines');
    return new NbdkitProcess(await mkdtemp(join(tmpdir(), 'vmferry-vddk-')), parameters, password);
  }

  private constructor(folder: string, parameters: readonly string[], password: string) {
    this.#folder = folder;
    // It ends with us, also when we are killed.
    const own = ['-r', '-f', '--exit-with-parent', '-U', this.#socket];
    const child = spawn('nbdkit', [...own, ...parameters, 'password=-3'], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      env: { ...process.env, LC_ALL: 'C' },
    });
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once('error', (error) => {
        this.#failure = toAppError(error);
        resolve();
      });
      child.once('close', (code, signal) => {
        this.#failure ??= new AppError(
          'io',
          `nbdkit has ended (${signal ?? code}): ${lastWords(this.#said)}`,
        );
        resolve();
      });
    });
    child.stderr!.on('data', (text: Buffer) => {
      this.#said = (this.#said + text).slice(-mostWords);
    });
    const pipe = child.stdio[3] as Writable;
    pipe.on('error', () => undefined); // it has ended: that is told elsewhere
    pipe.end(`${password}\n`);
  }

  get #socket(): string {
    return join(this.#folder, 'socket');
  }

  /** Waits for it to listen. @throws AppError with what nbdkit said, `cancelled`. */
  async connect(signal: AbortSignal): Promise<NbdDisk> {
    for (const late = Date.now() + startMs; ; ) {
      if (this.#failure !== undefined) throw this.#failure;
      try {
        this.#disk = await openNbd({ path: this.#socket, signal, timeoutMs: startMs, leastBlock: 512 });
        return this.#disk;
      } catch (error) {
        const failed = toAppError(error);
        if (failed.kind === 'cancelled') throw error;
        // The socket is there a moment before it listens.
        const notYet = failed.kind === 'not-found' || codeOf(failed.cause) === 'ECONNREFUSED';
        if (!notYet || Date.now() > late) throw this.#withWords(failed);
      }
      await Promise.race([wait(pauseMs), this.#ended]);
    }
  }

  /** Its errors with what nbdkit said last: the protocol carries a number only. */
  async explained<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      const failed = toAppError(error);
      throw failed.kind === 'cancelled' || failed.kind === 'corrupt' ? error : this.#withWords(failed);
    }
  }

  #withWords(error: AppError): AppError {
    const words = lastWords(this.#said);
    if (words === '') return error;
    const kind = /user name or password|incorrect|cannot complete login|permission/i.test(words)
      ? 'auth'
      : error.kind;
    return new AppError(kind, `${error.message}; nbdkit says: ${words}`, { cause: error });
  }

  /** Safe to be called twice; never throws. */
  end(): Promise<void> {
    this.#ending ??= (async () => {
      // It waits for its clients.
      await this.#disk?.close();
      this.#child.kill('SIGTERM');
      const force = setTimeout(() => this.#child.kill('SIGKILL'), endMs);
      await this.#ended;
      clearTimeout(force);
      await rm(this.#folder, { recursive: true, force: true }).catch(() => undefined);
    })();
    return this.#ending;
  }
}

const codeOf = (cause: unknown): string | undefined => (cause as NodeJS.ErrnoException | undefined)?.code;

/** The last errors of what nbdkit printed, on one line. */
export function lastWords(printed: string): string {
  const lines = printed.split('\n').filter((line) => /error:/i.test(line));
  const words = (lines.length === 0 ? printed.trim().split('\n') : lines).slice(-2).join('; ');
  return words
    .replace(/[\0-\x1f\x7f-\x9f]/g, ' ')
    .trim()
    .slice(0, 400);
}

/**
 * What is done about a link that fails, once for all transports: tries with growing pauses as long as it may come back,
 * what is opened again has to be the same as before, and an end that says what was tried. See `docs/links.md`.
 */
import { AppError, toAppError } from '../model/errors.ts';
import { formatDuration } from '../model/units.ts';
import { type ByteSource, checkRange } from './byte-source.ts';
import { untilAborted } from './host/abort-watch.ts';
import { throwIfAborted } from './in-order.ts';

/** A line for the run's log. */
export type Tell = (text: string) => void;

export interface Persistence {
  /** Before each further try, milliseconds; varied, so that many do not come at once. */
  readonly pausesMs: readonly number[];
  /** No further try begins when nothing got through for so long. */
  readonly roundMs: number;
}

/** A router that restarts, a host that fails over to another: that is a matter of minutes. */
export const usualPersistence: Persistence = {
  pausesMs: [100, 500, 2000, 5000, 10_000, 15_000, 20_000, 30_000, 30_000, 30_000],
  roundMs: 5 * 60_000,
};

export interface TriesOptions extends Partial<Persistence> {
  /** What is done, for messages; empty where the error says it. */
  readonly step?: string;
  readonly tell?: Tell | undefined;
  /** Whether another try may do better. Default: what is `unreachable`. */
  again?(error: AppError): boolean;
}

const isUnreachable = ({ kind }: AppError): boolean => kind === 'unreachable';
/** The user is told in between when it takes so many. */
const worthTelling = 3;
const jitter = 0.25;

/** The tries of one piece of work. */
export class Tries {
  readonly #options: TriesOptions;
  readonly #pausesMs: readonly number[];
  readonly #roundMs: number;
  #failed = 0;
  #since = 0;
  #last: AppError | undefined;

  constructor(options: TriesOptions = {}) {
    this.#options = options;
    this.#pausesMs = options.pausesMs ?? usualPersistence.pausesMs;
    this.#roundMs = options.roundMs ?? usualPersistence.roundMs;
  }

  /** Something got through: what fails after this is another matter. */
  progress(): void {
    if (this.#failed === 0) return;
    const seconds = ((performance.now() - this.#since) / 1000).toFixed(1);
    const tries = this.#failed === 1 ? 'the next try' : `try ${this.#failed + 1}`;
    this.#tell(`${this.#words(this.#last!)}; ${tries} went on after ${seconds} s`);
    this.#failed = 0;
  }

  /** Whether another try may do better. */
  mayHelp(thrown: unknown): boolean {
    const error = toAppError(thrown);
    return error.kind !== 'cancelled' && (this.#options.again ?? isUnreachable)(error);
  }

  /** Resolves when it may be tried again. @throws AppError: this one, with what was tried. */
  async failed(thrown: unknown, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted || !this.mayHelp(thrown)) throw thrown;
    const error = toAppError(thrown);
    if (this.#failed === 0) this.#since = performance.now();
    const pause = this.#pausesMs[this.#failed++];
    this.#last = error;
    if (pause === undefined || performance.now() - this.#since >= this.#roundMs) throw this.#inVain(error);
    if (this.#failed === worthTelling) this.#tell(`${this.#words(error)}; it is being tried again`);
    await this.#rest(pause * (1 - jitter * Math.random()), signal);
  }

  async #rest(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, milliseconds);
    });
    await untilAborted(over, signal).finally(() => clearTimeout(timer));
  }

  #inVain(error: AppError): AppError {
    if (this.#failed === 1) return error;
    const over = formatDuration((performance.now() - this.#since) / 1000);
    return new AppError(error.kind, `${this.#words(error)}; tried ${this.#failed} times in ${over}`, {
      ...(error.where === undefined ? {} : { where: error.where }),
      hint: error.hint ?? 'check the network and the host, then run it again',
      cause: error,
    });
  }

  #words({ message }: AppError): string {
    const { step } = this.#options;
    return step === undefined || message.startsWith(step) ? message : `${step}: ${message}`;
  }

  #tell(text: string): void {
    this.#options.tell?.(text);
  }
}

/** `work`, again when its link fails. @throws AppError as `work`, with how often it was tried. */
export async function retrying<T>(
  options: TriesOptions,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const tries = new Tries(options);
  for (;;) {
    try {
      const result = await work();
      tries.progress();
      return result;
    } catch (error) {
      await tries.failed(error, signal);
    }
  }
}

const callPersistence: Persistence = { pausesMs: [100, 500, 2000, 5000], roundMs: 30_000 };

/** Calls that only ask, and may be made again. Once all tries of one were in vain there is a single one for each. */
export class AskingCalls {
  readonly #options: TriesOptions;
  #gaveUp = false;

  constructor(options: { readonly tell?: Tell | undefined; readonly persistence?: Persistence | undefined }) {
    this.#options = { ...(options.persistence ?? callPersistence), tell: options.tell };
  }

  async make<T>(signal: AbortSignal | undefined, call: () => Promise<T>): Promise<T> {
    try {
      const result = await (this.#gaveUp ? call() : retrying(this.#options, signal, call));
      this.#gaveUp = false;
      return result;
    } catch (error) {
      this.#gaveUp ||= isUnreachable(toAppError(error));
      throw error;
    }
  }
}

/**
 * What is bound to a connection (a handle, an export), opened again when that was lost: once for all who use it, and
 * with one count of tries for all.
 */
export class Reopened<T> {
  readonly #open: (signal: AbortSignal) => Promise<T>;
  readonly #tries: Tries;
  readonly #letGo: (lost: T) => Promise<unknown>;
  readonly #closing = new AbortController();
  #current: Promise<T>;

  /** `open` checks that it is the same as `first`. `letGo` is told of one that is lost. */
  constructor(
    first: T,
    tries: Tries,
    how: { open(signal: AbortSignal): Promise<T>; letGo(lost: T): Promise<unknown> },
  ) {
    this.#current = Promise.resolve(first);
    this.#tries = tries;
    this.#open = how.open;
    this.#letGo = how.letGo;
  }

  /** `work` may be done twice. @throws AppError as `work`, or as the last try to open it. */
  async using<R>(cancel: AbortSignal | undefined, work: (now: T) => Promise<R>): Promise<R> {
    for (;;) {
      throwIfAborted(cancel);
      throwIfAborted(this.#closing.signal);
      const used = this.#current;
      const now = await untilAborted(used, cancel);
      try {
        const result = await work(now);
        this.#tries.progress();
        return result;
      } catch (error) {
        if (cancel?.aborted || !this.#tries.mayHelp(error)) throw error;
        // Unless another has done so.
        if (used === this.#current) this.#current = this.#again(used, error);
        this.#current.catch(() => undefined); // who waits is told
      }
    }
  }

  async #again(lost: Promise<T>, why: unknown): Promise<T> {
    await lost.then(this.#letGo).catch(() => undefined);
    for (let failed = why; ; ) {
      // No one's cancel ends it: many may wait.
      await this.#tries.failed(failed, this.#closing.signal);
      try {
        return await this.#open(this.#closing.signal);
      } catch (error) {
        failed = error;
      }
    }
  }

  /** No more of it is opened; resolves to the one that is, if any, for its owner to close. */
  async end(): Promise<T | undefined> {
    if (this.#closing.signal.aborted) return undefined;
    this.#closing.abort();
    return this.#current.catch(() => undefined);
  }
}

/**
 * A source that is bound to a connection, opened again when that was lost. It has to have the size and the time of change
 * that it had. `open` is called at once.
 */
export async function reopening(
  tries: Tries,
  open: (signal?: AbortSignal) => Promise<ByteSource>,
  signal?: AbortSignal,
): Promise<ByteSource> {
  const first = await open(signal);
  const held = new Reopened(first, tries, {
    async open(until) {
      const fresh = await open(until);
      if (fresh.size === first.size && fresh.modifiedAt === first.modifiedAt) return fresh;
      await fresh.close().catch(() => undefined);
      throw changed(first.name);
    },
    letGo: (lost) => lost.close(),
  });
  const source: ByteSource = {
    name: first.name,
    size: first.size,
    access: 'random',
    ...(first.modifiedAt === undefined ? {} : { modifiedAt: first.modifiedAt }),
    async read(target, offset, cancel) {
      checkRange(source, offset, target.length);
      await held.using(cancel, (now) => now.read(target, offset, cancel));
    },
    async close() {
      await (await held.end())?.close();
    },
  };
  if (first.extents === undefined) return source;
  return {
    ...source,
    extents: (from, to, cancel) => held.using(cancel, (now) => now.extents!(from, to, cancel)),
  };
}

export const changed = (where: string): AppError =>
  new AppError('io', 'it was changed while the connection was lost', {
    where,
    hint: 'stop what writes to it (a machine that runs, a copy under way) and run it again',
  });

/** Lines of one kind at most every so many milliseconds; how many were left out is told with the next one. */
export function sparingly(tell: Tell, everyMs = 10_000): Tell {
  let last = Number.NEGATIVE_INFINITY;
  let kept: string | undefined;
  let more = 0;
  let timer: NodeJS.Timeout | undefined;
  const flush = () => {
    timer = undefined;
    if (kept === undefined) return;
    const text = more === 0 ? kept : `${kept} (and ${more} more like it)`;
    kept = undefined;
    more = 0;
    last = performance.now();
    tell(text);
  };
  return (text) => {
    if (kept !== undefined) more++;
    kept = text;
    const wait = last + everyMs - performance.now();
    if (wait <= 0) return flush();
    timer ??= setTimeout(flush, wait);
    timer.unref?.();
  };
}

/** Pausing and cancelling a run from outside of it. */

import { suspension } from '../convert/run-context.ts';
import { RateLimit } from '../io/rate-limit.ts';
import { AppError } from '../model/errors.ts';

export class RunControl {
  readonly rate: RateLimit;
  readonly #controller = new AbortController();
  #resume: (() => void) | undefined;
  #paused: Promise<void> | undefined;
  #word = new AbortController();

  constructor(bytesPerSecond?: number) {
    this.rate = new RateLimit(bytesPerSecond);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get paused(): boolean {
    return this.#paused !== undefined;
  }

  pause(): void {
    this.#paused ??= new Promise((resolve) => {
      this.#resume = resolve;
    });
  }

  resume(): void {
    this.#resume?.();
    this.#paused = undefined;
    this.#resume = undefined;
  }

  cancel(): void {
    this.#controller.abort(new AppError('cancelled', 'cancelled'));
    this.resume();
  }

  /** Ends it as a cancel does, but what can be gone on with stays. */
  suspend(): void {
    this.#controller.abort(suspension);
    this.resume();
  }

  /** For the next machine: aborted when it is to be shut down. */
  nextWord(): AbortSignal {
    this.#word = new AbortController();
    return this.#word.signal;
  }

  giveWord(): void {
    this.#word.abort();
  }

  /** Resolves at once unless paused. */
  gate = async (): Promise<void> => {
    while (this.#paused !== undefined) await this.#paused;
  };
}

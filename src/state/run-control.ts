/** Pausing and cancelling a run from outside of it. */
import { AppError } from '../model/errors.ts';

export class RunControl {
  readonly #controller = new AbortController();
  #resume: (() => void) | undefined;
  #paused: Promise<void> | undefined;

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

  /** Resolves at once unless paused. */
  gate = async (): Promise<void> => {
    while (this.#paused !== undefined) await this.#paused;
  };
}

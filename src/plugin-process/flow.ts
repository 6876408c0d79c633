/** How much of one call's payload may still be sent: taken by the sender, given by the receiver. */
import type { AppError } from '../model/errors.ts';

export class Flow {
  #credit: number;
  #ended: AppError | undefined;
  #wake: (() => void) | undefined;

  constructor(credit: number) {
    this.#credit = credit;
  }

  give(bytes: number): void {
    this.#credit += bytes;
    this.#wake?.();
  }

  /** Whoever waits is told this. */
  end(error: AppError): void {
    this.#ended ??= error;
    this.#wake?.();
  }

  /** Resolves to how much may be sent now, from 1 to `wanted`. @throws AppError what it was ended with. */
  async take(wanted: number): Promise<number> {
    while (this.#credit <= 0 && this.#ended === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#ended !== undefined) throw this.#ended;
    const taken = Math.min(wanted, this.#credit);
    this.#credit -= taken;
    return taken;
  }
}

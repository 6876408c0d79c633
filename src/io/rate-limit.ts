/** How many bytes may be read in a second, by all who share one limit. It may be changed while they read. */
import { AppError } from '../model/errors.ts';
import { cancelledBy, onAbort } from './host/abort-watch.ts';

export interface Clock {
  /** Milliseconds, never backwards. */
  now(): number;
  /** Calls `act` after so long; what it returns forgets that. */
  later(act: () => void, milliseconds: number): () => void;
}

const usualClock: Clock = {
  now: () => performance.now(),
  later(act, milliseconds) {
    const timer = setTimeout(act, milliseconds);
    return () => clearTimeout(timer);
  },
};

interface Waiting {
  readonly bytes: number;
  go(): void;
}

/** What was not used before may be used at once, of one so long. */
const burstMs = 100;
/** A timer takes no more than 2^31 ms; it is set anew then. */
const longestWaitMs = 60_000;

/**
 * A bucket that may be overdrawn: a read of any size passes once nothing is owed, and the next one waits until it is
 * paid for. So reads larger than the bucket need no special case, and the first one does not wait. First come, first
 * served.
 */
export class RateLimit {
  #perSecond: number | undefined;
  /** Bytes; below zero they are owed. */
  #balance = 0;
  #since: number;
  readonly #waiting: Waiting[] = [];
  #forget: (() => void) | undefined;
  readonly #clock: Clock;

  constructor(bytesPerSecond?: number, clock: Clock = usualClock) {
    this.#clock = clock;
    this.#since = clock.now();
    this.setBytesPerSecond(bytesPerSecond);
  }

  /** Undefined: no limit. */
  get bytesPerSecond(): number | undefined {
    return this.#perSecond;
  }

  /** At once, also for those who wait already. @throws AppError `usage` when it is not a number above zero. */
  setBytesPerSecond(bytes: number | undefined): void {
    if (bytes !== undefined && !(Number.isFinite(bytes) && bytes > 0)) {
      throw new AppError('usage', `${bytes} bytes per second is no rate`, {
        hint: 'give a number above zero, or none for no limit',
      });
    }
    this.#pay();
    this.#perSecond = bytes;
    if (bytes === undefined) this.#balance = 0;
    this.#serve();
  }

  /** Resolves when `bytes` may be read. @throws AppError `cancelled`. */
  take(bytes: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(cancelledBy(signal));
    if (this.#perSecond === undefined) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const unwatch = onAbort(signal, () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(cancelledBy(signal));
        this.#serve();
      });
      const waiting: Waiting = {
        bytes,
        go: () => {
          unwatch();
          resolve();
        },
      };
      this.#waiting.push(waiting);
      this.#serve();
    });
  }

  /** What the time since the last look is worth. */
  #pay(): void {
    const now = this.#clock.now();
    if (this.#perSecond !== undefined) {
      const most = (this.#perSecond * burstMs) / 1000;
      this.#balance = Math.min(most, this.#balance + (this.#perSecond * (now - this.#since)) / 1000);
    }
    this.#since = now;
  }

  #serve(): void {
    this.#forget?.();
    this.#forget = undefined;
    this.#pay();
    while (this.#waiting.length > 0 && this.#balance >= 0) {
      const next = this.#waiting.shift()!;
      if (this.#perSecond !== undefined) this.#balance -= next.bytes;
      next.go();
    }
    if (this.#waiting.length === 0) return;
    const ms = Math.min(longestWaitMs, Math.ceil((-this.#balance / this.#perSecond!) * 1000));
    this.#forget = this.#clock.later(() => this.#serve(), Math.max(1, ms));
  }
}

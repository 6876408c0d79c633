/**
 * Whether answers are compressed at the far end: both are tried on what is read, and the faster one is kept for a
 * while. Only time in which something was waited for counts.
 */
import { MiB } from '../../../model/units.ts';

/** zlib in one helper does not reach this, bytes per second: no need to try. */
const tooFast = 100 * MiB;
const worthIt = 1.15;
const trialMs = 400;
const trialBytes = 4 * MiB;
const longestTrialMs = 2000;
const restMs = 10_000;

export class CompressionChoice {
  on = false;
  #epoch = 0;
  #trial = true;
  #bytes = 0;
  #busyMs = 0;
  #since = 0;
  #inFlight = 0;
  /** Bytes per second of the other way, once measured. */
  #other: number | undefined;
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** A read starts: whether it asks for compression, and what tells of its end. */
  begin(bytes: number, lanes: number): { deflate: boolean; end(): void } {
    if (this.#inFlight++ === 0) this.#since = this.#now();
    const epoch = this.#epoch;
    return {
      deflate: this.on,
      end: () => {
        const now = this.#now();
        // Answers to what was asked before the last change say nothing; the clock starts behind them.
        if (epoch === this.#epoch) {
          this.#bytes += bytes;
          this.#busyMs += now - this.#since;
        }
        this.#since = now;
        this.#inFlight--;
        this.#judge(lanes);
      },
    };
  }

  #judge(lanes: number): void {
    const enough = this.#trial
      ? (this.#busyMs >= trialMs && this.#bytes >= trialBytes) || this.#busyMs >= longestTrialMs
      : this.#busyMs >= restMs;
    if (!enough) return;
    const rate = (this.#bytes / this.#busyMs) * 1000;
    if (this.#trial && this.#other !== undefined) {
      // Both are known: the better one it is, for a while.
      const compressed = this.on ? rate : this.#other;
      const plain = this.on ? this.#other : rate;
      this.#change(compressed > plain * worthIt, false);
      this.#other = undefined;
    } else if (!this.on && rate > tooFast * lanes) {
      this.#change(false, false);
    } else {
      this.#other = rate;
      this.#change(!this.on, true);
    }
  }

  #change(on: boolean, trial: boolean): void {
    this.on = on;
    this.#trial = trial;
    this.#epoch++;
    this.#bytes = 0;
    this.#busyMs = 0;
  }
}

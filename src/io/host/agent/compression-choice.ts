/**
 * Whether answers are compressed at the far end: what crosses is timed, some answers are compressed to know what that
 * brings and costs, and the better way is kept for a while. Only time in which something was waited for counts.
 */
import { MiB } from '../../../model/units.ts';
import type { Squeezed } from './agent.ts';

/** Bytes per second and helper that zlib does not reach: no need to try. */
const tooFast = 100 * MiB;
const worthIt = 1.15;
/** What is timed at once, busy milliseconds. */
const spanMs = 300;
/** Of so many reads one is compressed for a try. */
const sampleEvery = 4;
const samplesNeeded = 3;
/** So many spans later it is looked at again. */
const restSpans = 20;

export class CompressionChoice {
  on = false;
  #sampling = false;
  #reads = 0;
  #samples = 0;
  #ratio = 1;
  #msPerByte = 0;
  /** Bytes per second without compression, when last seen. */
  #plainRate = 0;
  #spans = 0;
  #epoch = 0;
  #bytes = 0;
  #busyMs = 0;
  #since = 0;
  #inFlight = 0;
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** A read starts: whether it asks for compression, and what is to be told of its end. */
  begin(bytes: number, lanes: number): { deflate: boolean; end(squeezed: Squeezed | undefined): void } {
    if (this.#inFlight++ === 0) this.#since = this.#now();
    const epoch = this.#epoch;
    this.#reads++;
    return {
      deflate: this.on || (this.#sampling && this.#reads % sampleEvery === 0),
      end: (squeezed) => {
        const now = this.#now();
        if (squeezed !== undefined) this.#learn(squeezed);
        // Answers to what was asked before the last change say nothing of what is now.
        if (epoch === this.#epoch) {
          this.#bytes += bytes;
          this.#busyMs += now - this.#since;
        }
        this.#since = now;
        this.#inFlight--;
        if (this.#busyMs >= spanMs) this.#judge(Math.max(1, lanes));
      },
    };
  }

  #learn({ bytes, of, ms }: Squeezed): void {
    const weight = 1 / Math.min(++this.#samples, 8);
    this.#ratio += (bytes / of - this.#ratio) * weight;
    this.#msPerByte += (ms / of - this.#msPerByte) * weight;
  }

  #judge(lanes: number): void {
    const rate = (this.#bytes / this.#busyMs) * 1000;
    this.#spans++;
    if (this.on) {
      // The content or the way may have changed: seen again now and then.
      const worse = rate < this.#plainRate && this.#spans > 2;
      if (worse || this.#spans >= restSpans) this.#change(false);
    } else {
      this.#plainRate = rate;
      if (this.#sampling && this.#samples >= samplesNeeded) {
        this.#sampling = false;
        const byProcessor = (1000 / this.#msPerByte) * lanes;
        this.#change(Math.min(byProcessor, rate / this.#ratio) > rate * worthIt);
      } else if (!this.#sampling && (this.#spans === 1 || this.#spans >= restSpans)) {
        this.#sampling = rate < tooFast * lanes;
        this.#samples = 0;
        this.#spans = 1;
      }
    }
    this.#bytes = 0;
    this.#busyMs = 0;
  }

  #change(on: boolean): void {
    if (this.on !== on) this.#epoch++;
    this.on = on;
    this.#spans = on ? 0 : 1;
  }
}

/** Puts on paper, from time to time, how much of a disk is at the destination. */
import { Acknowledged } from '../io/acknowledged.ts';
import type { ByteSink } from '../io/byte-source.ts';
import type { RunRecord } from './resumption.ts';

/**
 * Here what was written survives this program, and a power cut is told by the computer's boot id: it is flushed as often
 * as a kernel writes dirty pages by itself, which costs little. Of another computer nobody knows whether it was off.
 */
const pace = {
  here: { everyMilliseconds: 1000, durableMilliseconds: 30_000 },
  away: { everyMilliseconds: 5000, durableMilliseconds: 0 },
} as const;

export class Checkpoints {
  readonly acknowledged: Acknowledged;
  readonly #disk: string;
  readonly #record: RunRecord;
  readonly #durableMilliseconds: number;
  #sink: ByteSink | undefined;
  /** Files that are finished are not flushed any more. */
  #files = 0;
  #timer: NodeJS.Timeout | undefined;
  #busy: Promise<void> = Promise.resolve();
  #idle = true;
  #durableAt = performance.now();

  /** What is below `from` was told by an earlier run. */
  constructor(disk: string, size: number, from: number, record: RunRecord, where: keyof typeof pace) {
    const { everyMilliseconds, durableMilliseconds } = pace[where];
    this.#durableMilliseconds = durableMilliseconds;
    this.acknowledged = new Acknowledged(size, from);
    this.#disk = disk;
    this.#record = record;
    this.#timer = setInterval(() => {
      if (this.#idle) this.#busy = this.#tell();
    }, everyMilliseconds);
  }

  /** The file that is written from now on. */
  into(sink: ByteSink): void {
    this.#sink = sink;
    this.#files++;
  }

  /** All of the disk is in finished files. */
  async finished(): Promise<void> {
    this.#sink = undefined;
    this.acknowledged.finished();
    await this.stop();
  }

  /** Once more, and then never. Never throws. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#timer === undefined) return;
    this.#timer = undefined;
    await this.#busy;
    await this.#tell();
  }

  async #tell(): Promise<void> {
    this.#idle = false;
    try {
      const due = performance.now() - this.#durableAt >= this.#durableMilliseconds;
      const durable = due && this.#files === 1 && this.#sink !== undefined;
      // First what is written, then the flush: what comes meanwhile is told the next time.
      const advance = this.acknowledged.take();
      if (advance === undefined) return;
      await this.#sink?.flush?.(durable);
      if (durable) this.#durableAt = performance.now();
      await this.#record.advanced(this.#disk, advance, durable);
    } catch {
      // It is not told, and would be written again. What ails the sink ends the run by its writes.
      clearInterval(this.#timer);
    } finally {
      this.#idle = true;
    }
  }
}

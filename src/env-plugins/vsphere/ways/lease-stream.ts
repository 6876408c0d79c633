/** A disk of a lease, which can only be had from its beginning; a connection of which nobody takes is let go. */
import { type Flow, type ResumedOptions, ResumedStream } from '../../../io/resumed-stream.ts';
import { MiB } from '../../../model/units.ts';

export interface StreamOptions extends ResumedOptions<Flow> {
  /** A connection of which nothing is taken for so long is given up. */
  readonly idleMs?: number;
}

const cheapBytes = 8 * MiB;

/** A disk that waits for its turn takes no connection at the host; one that was read far costs as much again. */
const patienceMs = (taken: number): number => (taken <= cheapBytes ? 5000 : 10 * 60_000);

export async function* leaseStream({ idleMs, ...options }: StreamOptions): AsyncGenerator<Buffer> {
  const stream = new ResumedStream(options);
  try {
    for (let chunk = await stream.next(); chunk !== undefined; chunk = await stream.next()) {
      const timer = setTimeout(() => void stream.rest(), idleMs ?? patienceMs(stream.taken));
      timer.unref();
      yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
      clearTimeout(timer);
    }
  } finally {
    await stream.rest();
  }
}

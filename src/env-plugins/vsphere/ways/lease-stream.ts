/**
 * A stream that can only be had from its beginning, had again when its connection is lost: what was taken is passed
 * over, and must be the same as before.
 */
import { createHash } from 'node:crypto';
import { untilAborted } from '../../../io/host/abort-watch.ts';
import type { Download } from '../../../io/https/download.ts';
import { AppError, toAppError } from '../../../model/errors.ts';
import { MiB } from '../../../model/units.ts';

export interface StreamOptions {
  readonly name: string;
  readonly signal: AbortSignal;
  /** From its beginning, with status 200. */
  begin(signal: AbortSignal): Promise<Download>;
  /** Pauses before another try when nothing new came, in milliseconds. */
  readonly pauses?: readonly number[];
  /** A connection of which nothing is taken for so long is given up. */
  readonly idleMs?: number;
}

const cheapBytes = 8 * MiB;

/** A disk that waits for its turn takes no connection at the host; one that was read far costs as much again. */
const patienceMs = (taken: number): number => (taken <= cheapBytes ? 5000 : 10 * 60_000);

export async function* resumedStream(options: StreamOptions): AsyncGenerator<Buffer> {
  const { name, signal, pauses = [200, 1000, 3000, 10_000] } = options;
  const hash = createHash('sha256');
  let taken = 0;
  let tries = 0;
  for (;;) {
    let download: Download | undefined;
    let idle = false;
    try {
      download = await options.begin(signal);
      let chunk = await passedOver(download, taken, hash.copy().digest('hex'), name);
      while (!idle) {
        if (chunk === undefined) return;
        hash.update(chunk);
        taken += chunk.length;
        tries = 0;
        const { close } = download;
        const timer = setTimeout(() => {
          idle = true;
          close();
        }, options.idleMs ?? patienceMs(taken));
        timer.unref();
        yield chunk;
        clearTimeout(timer);
        if (!idle) chunk = await download.next();
      }
    } catch (error) {
      const pause = toAppError(error).kind === 'unreachable' ? pauses[tries++] : undefined;
      if (pause === undefined || signal.aborted) throw error;
      await untilAborted(new Promise<void>((resolve) => void setTimeout(resolve, pause)), signal);
    } finally {
      download?.close();
    }
  }
}

/** What comes behind the first `length` bytes; undefined at the end. @throws AppError `io` when they are others. */
async function passedOver(
  download: Download,
  length: number,
  digest: string,
  name: string,
): Promise<Buffer | undefined> {
  const hash = createHash('sha256');
  let left = length;
  for (;;) {
    const chunk = await download.next();
    const known = chunk?.subarray(0, left) ?? Buffer.alloc(0);
    hash.update(known);
    left -= known.length;
    if (left === 0 || chunk === undefined) {
      if (left > 0 || hash.digest('hex') !== digest) throw another(name);
      if (chunk === undefined || chunk.length > known.length) return chunk?.subarray(known.length);
      return download.next();
    }
  }
}

const another = (name: string): AppError =>
  new AppError('io', 'the connection was lost, and the server sends another stream than before', {
    where: name,
    hint: 'run it again',
  });

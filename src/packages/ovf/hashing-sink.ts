/** A sink whose bytes are hashed on their way: for files that are written once, ascending. */
import { createHash } from 'node:crypto';
import type { ByteSink } from '../../io/byte-source.ts';
import { AppError } from '../../model/errors.ts';

const zeros = Buffer.alloc(64 * 1024);

export interface Finished {
  readonly sizeBytes: number;
  /** Lower case hexadecimal. */
  readonly sha256: string;
}

/** `onFinish` is called once, after `sink.finish`. */
export function hashingSink(sink: ByteSink, onFinish: (finished: Finished) => void): ByteSink {
  const hash = createHash('sha256');
  let end = 0;
  const gap = (to: number) => {
    while (end < to) {
      const part = Math.min(zeros.length, to - end);
      hash.update(zeros.subarray(0, part));
      end += part;
    }
  };
  return {
    name: sink.name,
    // A byte that has been hashed can't be changed any more.
    access: 'forward',
    write(bytes, offset, signal) {
      if (offset < end)
        throw new AppError('bug', `${sink.name}: a write at ${offset} after ${end} bytes were hashed`);
      gap(offset);
      hash.update(bytes);
      end += bytes.length;
      return sink.write(bytes, offset, signal);
    },
    async finish(size, modifiedAt) {
      if (size < end) throw new AppError('bug', `${sink.name}: finished at ${size} after ${end} bytes`);
      gap(size);
      await sink.finish(size, modifiedAt);
      onFinish({ sizeBytes: size, sha256: hash.digest('hex') });
    },
    abort: () => sink.abort(),
  };
}

/** What is packed as a source that is read once, from its start to its end; its beginning may be read at any time. */
import { AppError } from '../../model/errors.ts';
import { type ByteSource, checkRange, unknownSize } from '../byte-source.ts';
import { throwIfAborted } from '../in-order.ts';
import type { Peeled } from './peel.ts';

export interface ForwardSource extends ByteSource {
  /** Reads on to the end, for the checksums there. Resolves to the size of the content. @throws AppError */
  finish(signal?: AbortSignal): Promise<number>;
  /** The last bytes read, as many as a mark takes that is at the end of a file. */
  end(): Buffer;
}

const endBytes = 512;
const sectorBytes = 512;

/** `size` is the content's, or `unknownSize`. Closing it closes `inner`. */
export function forwardSource(peeled: Peeled, inner: ByteSource, size: number): ForwardSource {
  const { head } = peeled;
  const pieces = peeled.rest[Symbol.asyncIterator]();
  let piece: Uint8Array = new Uint8Array(0);
  /** Offset of the next byte that has not been used. */
  let at = head.length;
  let ended = peeled.whole;
  let end = Buffer.from(head.subarray(-endBytes));
  let turn: Promise<unknown> = Promise.resolve();

  /** The next bytes, at most `most` of them; none at the end. */
  const take = async (most: number): Promise<Uint8Array> => {
    while (piece.length === 0 && !ended) {
      const next = await pieces.next();
      if (next.done) ended = true;
      else piece = next.value;
    }
    const taken = piece.subarray(0, most);
    piece = piece.subarray(taken.length);
    at += taken.length;
    end = Buffer.concat([end, taken.subarray(-endBytes)]).subarray(-endBytes);
    return taken;
  };
  const cutShort = () =>
    new AppError('corrupt', `what is packed ends after ${at} bytes`, {
      where: inner.name,
      hint: 'the file is cut short or damaged; fetch it again',
    });
  const read = async (target: Uint8Array, offset: number, signal?: AbortSignal) => {
    const known = Math.max(0, Math.min(target.length, head.length - offset));
    target.set(head.subarray(offset, offset + known));
    if (known === target.length) return;
    const from = offset + known;
    if (from < at) throw new AppError('bug', `read at ${from} after ${at} of what is a stream`);
    while (at < from) {
      throwIfAborted(signal);
      if ((await take(from - at)).length === 0) throw cutShort();
    }
    for (let filled = known; filled < target.length; ) {
      throwIfAborted(signal);
      const bytes = await take(target.length - filled);
      if (bytes.length === 0) {
        const missing = target.length - filled;
        if (size !== unknownSize || at % sectorBytes === 0 || missing !== sectorBytes - (at % sectorBytes))
          throw cutShort();
        target.fill(0, filled);
        at += missing;
        return;
      }
      target.set(bytes, filled);
      filled += bytes.length;
    }
  };
  /** In the order of the calls; after a failure all fail, as bytes are used up. */
  const next = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = turn.then(work);
    turn = mine;
    mine.catch(() => undefined);
    return mine;
  };
  const { modifiedAt } = inner;
  return {
    name: inner.name,
    size,
    access: 'forward',
    ...(modifiedAt === undefined ? {} : { modifiedAt }),
    read(target, offset, signal) {
      checkRange({ name: inner.name, size }, offset, target.length);
      return next(() => read(target, offset, signal));
    },
    finish: (signal) =>
      next(async () => {
        while ((await take(Number.MAX_SAFE_INTEGER)).length > 0) throwIfAborted(signal);
        return at;
      }),
    end: () => end,
    async close() {
      await turn.catch(() => undefined);
      await peeled.close();
      await inner.close();
    },
  };
}

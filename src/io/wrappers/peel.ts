/** What is inside all that is around it, seen from its beginning: one pass, whatever the number of layers. */
import { AppError } from '../../model/errors.ts';
import type { ByteSource } from '../byte-source.ts';
import type { Secret } from './age.ts';
import { piecesOf, unwrapPieces } from './unwrap.ts';
import { type Wrapper, wrapperOf } from './wrapper.ts';

/** Compressed and then encrypted is usual; more is a joke. */
const mostWrappers = 3;
/** The longest mark of a wrapper. */
const markBytes = 22;

export interface Peeled {
  /** The outermost first. */
  readonly wrappers: readonly Wrapper[];
  /** What the content begins with; it stays as it is. */
  readonly head: Buffer;
  /** Whether `head` is all of it. */
  readonly whole: boolean;
  /** The content behind `head`, once. The bytes are the taker's until the next piece is asked for. */
  readonly rest: AsyncIterable<Uint8Array>;
  /** Ends what is under way; the source stays open. */
  close(): Promise<void>;
}

export interface PeelOptions {
  /** Bytes of the head, as far as there are that many. */
  readonly headBytes: number;
  readonly signal?: AbortSignal | undefined;
  readonly secret?: Secret | undefined;
  /** Told how many bytes of the source have been used. */
  readonly taken?: (bytes: number) => void;
}

/** `outer` is what the source begins with. @throws AppError `corrupt`, `unsupported`, `auth`. */
export async function peel(source: ByteSource, outer: Wrapper, options: PeelOptions): Promise<Peeled> {
  const { headBytes, signal, secret, taken } = options;
  const wrappers: Wrapper[] = [];
  const open: AsyncGenerator<Uint8Array>[] = [];
  const close = async () => {
    for (const pieces of open.reverse()) await pieces.return(undefined);
  };
  try {
    let pieces: AsyncIterable<Uint8Array> = piecesOf(source, signal, taken);
    for (let next: Wrapper | undefined = outer; next !== undefined; ) {
      if (wrappers.length === mostWrappers) {
        throw new AppError('unsupported', 'packed too many times', { where: source.name });
      }
      wrappers.push(next);
      const inner = unwrapPieces(pieces, source.name, next, signal, secret);
      open.push(inner);
      const { head } = await takeHead(inner, markBytes);
      pieces = pushedBack(head, inner);
      next = wrapperOf(head);
    }
    const content = pieces[Symbol.asyncIterator]();
    const found = await takeHead(content, headBytes);
    return { wrappers, ...found, rest: { [Symbol.asyncIterator]: () => content }, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** At least `length` bytes, unless it ends before. */
async function takeHead(
  pieces: AsyncIterator<Uint8Array>,
  length: number,
): Promise<{ head: Buffer; whole: boolean }> {
  const parts: Buffer[] = [];
  for (let held = 0; held < length; ) {
    const piece = await pieces.next();
    if (piece.done) return { head: Buffer.concat(parts), whole: true };
    parts.push(Buffer.from(piece.value));
    held += piece.value.length;
  }
  return { head: Buffer.concat(parts), whole: false };
}

/** Copies: what goes into another layer has to stay as it is. */
async function* pushedBack(head: Buffer, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield head;
  for (let piece = await rest.next(); !piece.done; piece = await rest.next()) yield Buffer.from(piece.value);
}

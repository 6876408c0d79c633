/** The stream of answers, cut into answers and given to those who wait, in order. What it says of lengths is checked. */
import { AppError, toAppError } from '../../../model/errors.ts';
import { printable } from '../../ssh/failures.ts';
import { cancelledBy, onAbort } from '../abort-watch.ts';
import type { AgentAnswer } from './agent.ts';
import { answerHeader, answerStatus } from './protocol.ts';

export interface Pending {
  readonly id: number;
  /** Bytes of the longest payload. */
  readonly most: number;
  /** The payload is handed over as a buffer of its own. */
  readonly keep: boolean;
  /** An answer without flags is exactly these bytes, written here as they come. */
  into?: Uint8Array | undefined;
  /** Told of bytes written there. */
  readonly onBytes?: ((count: number) => void) | undefined;
  /** Given each answer; whether one more follows. */
  readonly more?: (answer: AgentAnswer) => boolean;
}

interface Waiting extends Pending {
  resolve(answer: AgentAnswer): void;
  reject(error: AppError): void;
}

/** Error texts may be longer than the answer would be. */
const mostErrorBytes = 4096;

export class Answers {
  readonly ended: Promise<AppError>;
  failure: AppError | undefined;
  readonly #where: string;
  readonly #kill: () => void;
  readonly #waiting: Waiting[] = [];
  #first = 0;
  #tellEnd: (error: AppError) => void = () => undefined;
  readonly #head = Buffer.alloc(answerHeader.bytes);
  #headBytes = 0;
  #current: { status: number; flags: number; value: number; length: number } | undefined;
  #done = 0;
  #payload: Buffer | undefined;

  constructor(where: string, kill: () => void) {
    this.#where = where;
    this.#kill = kill;
    this.ended = new Promise((resolve) => {
      this.#tellEnd = resolve;
    });
  }

  expect(pending: Pending, signal: AbortSignal | undefined): Promise<AgentAnswer> {
    if (signal?.aborted) return Promise.reject(cancelledBy(signal));
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      const unwatch = onAbort(signal, () => {
        // Its answer still comes, and is thrown away.
        waiting.into = undefined;
        reject(cancelledBy(signal));
      });
      const waiting: Waiting = {
        ...pending,
        resolve: (answer) => {
          unwatch();
          resolve(answer);
        },
        reject: (error) => {
          unwatch();
          reject(error);
        },
      };
      this.#waiting.push(waiting);
    });
  }

  /** Tells everybody; returns the first reason there was. */
  end(error: AppError): AppError {
    if (this.failure !== undefined) return this.failure;
    this.failure = error;
    const left = this.#waiting.splice(this.#first);
    for (const waiting of left) {
      waiting.into = undefined;
      waiting.reject(error);
    }
    this.#tellEnd(error);
    this.#kill();
    return error;
  }

  take(chunk: Buffer): void {
    try {
      for (let at = 0; at < chunk.length && this.failure === undefined; ) at = this.#step(chunk, at);
    } catch (error) {
      const { message } = toAppError(error);
      this.end(
        new AppError('io', `the helper there answers what was not asked: ${message}`, { where: this.#where }),
      );
    }
  }

  /** Takes what it can from `at` on; returns where it stopped. */
  #step(chunk: Buffer, at: number): number {
    if (this.#current === undefined) {
      const count = Math.min(this.#head.length - this.#headBytes, chunk.length - at);
      chunk.copy(this.#head, this.#headBytes, at, at + count);
      this.#headBytes += count;
      if (this.#headBytes === this.#head.length) this.#begin();
      return at + count;
    }
    const { length, flags, status } = this.#current;
    const count = Math.min(length - this.#done, chunk.length - at);
    const part = chunk.subarray(at, at + count);
    if (this.#payload !== undefined) part.copy(this.#payload, this.#done);
    else if (flags === 0 && status === answerStatus.fine) {
      const { into, onBytes } = this.#waiting[this.#first]!;
      into?.set(part, this.#done);
      onBytes?.(part.length);
    }
    this.#done += count;
    if (this.#done === length) this.#finish();
    return at + count;
  }

  #begin(): void {
    this.#headBytes = 0;
    const { id, length, status, flags, value } = answerHeader.decode(this.#head);
    const waiting = this.#waiting[this.#first];
    if (waiting === undefined || waiting.id !== id) throw new AppError('io', `answer ${id}`);
    const isError = status !== answerStatus.fine;
    if (length > (isError ? mostErrorBytes : waiting.most)) throw new AppError('io', `${length} bytes`);
    const direct = !isError && !waiting.keep && flags === 0;
    // `into` is gone after a cancel, its length is not.
    if (direct && length !== (waiting.into?.length ?? length)) throw new AppError('io', `${length} bytes`);
    this.#current = { length, status, flags, value };
    this.#done = 0;
    this.#payload = direct ? undefined : Buffer.allocUnsafe(length);
    if (length === 0) this.#finish();
  }

  #finish(): void {
    const { status, flags, value } = this.#current!;
    const payload = this.#payload ?? Buffer.alloc(0);
    this.#current = undefined;
    this.#payload = undefined;
    const waiting = this.#waiting[this.#first]!;
    const answer = { value, flags, payload };
    if (status === answerStatus.fine && waiting.more?.(answer)) return;
    this.#first++;
    if (this.#first > 256) {
      this.#waiting.splice(0, this.#first);
      this.#first = 0;
    }
    if (status === answerStatus.fine) waiting.resolve(answer);
    else waiting.reject(failureOf(payload, this.#where));
  }
}

/** The system's name of the error, NUL, its text. */
function failureOf(payload: Buffer, where: string): AppError {
  const text = payload.toString();
  const cut = text.indexOf('\0');
  const code = text.slice(0, Math.max(0, cut));
  const message = printable(text.slice(cut + 1));
  const end = /^END (\d+)$/.exec(message);
  if (end !== null) {
    return new AppError('io', `the file became shorter while it was read (end at ${end[1]})`, { where });
  }
  const {
    kind,
    message: words,
    hint,
  } = toAppError(Object.assign(new Error(message), { code: code || 'EIO' }));
  return new AppError(kind, words, { where, ...(hint === undefined ? {} : { hint }) });
}

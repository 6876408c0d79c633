/**
 * A stream that can only be had from its beginning, had again when its connection is lost: what was taken is passed
 * over, and must be the same as before. It crosses twice: the server gives nothing else.
 */
import { createHash } from 'node:crypto';
import { AppError } from '../model/errors.ts';
import { formatBytes } from '../model/units.ts';
import { type Persistence, type Tell, Tries } from './retrying.ts';

export interface Flow {
  /** The next bytes; undefined at the end. @throws AppError `unreachable`. */
  next(): Promise<Uint8Array | undefined>;
  /** Never throws. */
  close(): unknown;
}

export interface ResumedOptions<F extends Flow> extends Partial<Persistence> {
  readonly name: string;
  readonly signal: AbortSignal;
  /** From its beginning. */
  begin(signal: AbortSignal): Promise<F>;
  /** What to make of a flow that broke: an error of another kind than `unreachable` ends it. */
  judge?(error: unknown, flow: F): Promise<unknown>;
  readonly tell?: Tell | undefined;
}

class TooShort extends AppError {}

export class ResumedStream<F extends Flow> {
  readonly #options: ResumedOptions<F>;
  readonly #tries: Tries;
  readonly #hash = createHash('sha256');
  #flow: F | undefined;
  /** Where it ended too early. */
  #shortAt: number | undefined;
  /** Passed over too far: it comes next. */
  #ahead: Uint8Array | undefined;
  /** Bytes that were handed out. */
  taken = 0;

  constructor(options: ResumedOptions<F>) {
    this.#options = options;
    const { name: step, signal: _, begin: __, judge: ___, ...rest } = options;
    this.#tries = new Tries({ step, ...rest });
  }

  /**
   * One call at a time. `more`: the end would come too early, as a connection that was cut can look like one that was
   * ended. @throws AppError `unreachable` when it stays lost, `io` when it is another stream. */
  async next(more = false): Promise<Uint8Array | undefined> {
    for (;;) {
      try {
        this.#flow ??= await this.#begin();
        const chunk = this.#ahead ?? (await this.#flow.next());
        this.#ahead = undefined;
        if (chunk === undefined && more) throw this.#tooShort();
        if (chunk === undefined) return undefined;
        this.#hash.update(chunk);
        this.taken += chunk.length;
        this.#tries.progress();
        return chunk;
      } catch (error) {
        const lost = this.#flow;
        const { judge, signal } = this.#options;
        const isLost = lost !== undefined && !signal.aborted && this.#tries.mayHelp(error);
        const why = isLost ? ((await judge?.(error, lost)) ?? error) : error;
        await this.rest();
        // A link is not cut twice at the same byte: that is all that the server has.
        if (error instanceof TooShort && this.#shortAt === this.taken) throw why;
        if (error instanceof TooShort) this.#shortAt = this.taken;
        await this.#tries.failed(why, signal);
      }
    }
  }

  /** Lets the connection go; the next call has another. */
  async rest(): Promise<void> {
    const flow = this.#flow;
    this.#flow = undefined;
    this.#ahead = undefined;
    await flow?.close();
  }

  /** The flow that is open, for questions about it. */
  get flow(): F | undefined {
    return this.#flow;
  }

  async #begin(): Promise<F> {
    const { begin, signal, name, tell } = this.#options;
    const flow = await begin(signal);
    if (this.taken === 0) return flow;
    tell?.(
      `${name}: begun again, for the server gives it from its beginning only: ${formatBytes(this.taken)}`,
    );
    try {
      await this.#passOver(flow);
      return flow;
    } catch (error) {
      await flow.close();
      throw error;
    }
  }

  async #passOver(flow: F): Promise<void> {
    const hash = createHash('sha256');
    for (let left = this.taken; left > 0; ) {
      const chunk = await flow.next();
      if (chunk === undefined) throw this.#another();
      const known = chunk.subarray(0, left);
      hash.update(known);
      left -= known.length;
      if (chunk.length > known.length) this.#ahead = chunk.subarray(known.length);
    }
    if (hash.digest('hex') === this.#hash.copy().digest('hex')) return;
    this.#ahead = undefined;
    throw this.#another();
  }

  #tooShort(): TooShort {
    return new TooShort('unreachable', `the server ended the transfer after ${this.taken} bytes`, {
      where: this.#options.name,
      hint: 'look at its log of storage, then run it again',
    });
  }

  #another(): AppError {
    return new AppError('io', 'the connection was lost, and the server sends another stream than before', {
      where: this.#options.name,
      hint: 'run it again',
    });
  }
}

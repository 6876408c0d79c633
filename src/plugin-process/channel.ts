/**
 * Calls in both directions over two byte streams: see docs/plugin-protocol.md. The host's calls have odd ids, the
 * plugin's even ones, so that an id says whose call it is.
 */
import type { Readable, Writable } from 'node:stream';
import { foreignError } from '../env-plugins/foreign-error.ts';
import { AppError, type Failure, toFailure } from '../model/errors.ts';
import { MiB } from '../model/units.ts';
import { Flow } from './flow.ts';
import { type Control, controlFrame, FrameReader, payloadHead, payloadPiece, windowBytes } from './frames.ts';

/** Calls of the other end that may be under way at once, and the bytes that come with one of them. */
const callsAtOnce = 256;
const longestCallPayload = 128 * MiB;

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Bytes that go with the call; not to be changed until it has ended. */
  readonly payload?: Uint8Array;
  event?(value: unknown): void;
  /** Bytes of the answer, in order; valid during the call only. */
  data?(bytes: Uint8Array): void;
  /** The answer came after the call was given up: what it opened is to be closed. */
  late?(value: unknown): void;
}

/** A call of the other end. */
export interface Incoming {
  readonly signal: AbortSignal;
  readonly payload: Uint8Array;
  event(value: unknown): void;
  /** Resolves when `bytes` may be used again. */
  send(bytes: Uint8Array): Promise<void>;
}

export type Handler = (method: string, params: unknown, call: Incoming) => Promise<unknown>;

export interface ChannelOptions {
  readonly input: Readable;
  readonly output: Writable;
  readonly side: 'host' | 'plugin';
  /** Who the other end is, for messages. */
  readonly other: string;
  readonly handler: Handler;
  /** What was going to be told as the reason of the end, with what is known besides. */
  explain?(error: AppError): AppError;
  /** The other end says no more; to be answered with `fail`, at once unless there is more to learn. */
  lost?(error: AppError): void;
}

interface Pending extends CallOptions {
  resolve(value: unknown): void;
  reject(error: Error): void;
  readonly flow: Flow;
  abandoned: boolean;
  uncredited: number;
}

interface Answering {
  readonly controller: AbortController;
  readonly flow: Flow;
  readonly method: string;
  readonly params: unknown;
  readonly payload: Buffer;
  got: number;
  uncredited: number;
}

export class Channel {
  readonly #options: ChannelOptions;
  readonly #calls = new Map<number, Pending>();
  readonly #answering = new Map<number, Answering>();
  readonly #reader: FrameReader;
  #nextId: number;
  #failure: AppError | undefined;
  #hello: ((message: Control) => void) | undefined;
  #end!: (error: AppError) => void;
  /** Resolves with the reason when nothing can be said or heard any more. */
  readonly ended: Promise<AppError>;
  /** When anything came last, milliseconds of `performance.now()`. */
  heardAt = performance.now();

  constructor(options: ChannelOptions) {
    this.#options = options;
    this.#nextId = options.side === 'host' ? 1 : 2;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#reader = new FrameReader({
      control: (message) => this.#control(message),
      payload: (id, bytes) => this.#payload(id, bytes),
    });
    const { input, output, other } = options;
    input.on('data', (chunk: Buffer) => this.#heard(chunk));
    const lost = options.lost ?? ((error: AppError) => this.fail(error));
    for (const event of ['end', 'close'])
      input.on(event, () => lost(new AppError('unreachable', `${other} has ended`)));
    for (const stream of [input, output]) {
      stream.on('error', (cause) => lost(new AppError('unreachable', `${other} has ended`, { cause })));
    }
  }

  get busy(): boolean {
    return this.#calls.size > 0;
  }

  /** The other end's first message. @throws AppError when there is none before the end. */
  hello(): Promise<Control> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      this.#hello = resolve;
      void this.ended.then(reject);
    });
  }

  say(message: Control): void {
    this.#options.output.write(controlFrame(message));
  }

  ping(): void {
    if (this.#failure === undefined) this.say({ type: 'ping' });
  }

  /** @throws AppError what the other end answers, `cancelled`, or why it has ended. */
  async call(method: string, params: object, options: CallOptions = {}): Promise<unknown> {
    if (this.#failure !== undefined) throw this.#failure;
    const { signal, payload } = options;
    if (signal?.aborted) throw new AppError('cancelled', 'cancelled', { cause: signal.reason });
    const id = this.#nextId;
    const frame = controlFrame({
      type: 'call',
      id,
      method,
      params,
      ...(payload === undefined ? {} : { payload: payload.length }),
    });
    this.#nextId += 2;
    const flow = new Flow(windowBytes);
    let abort: (() => void) | undefined;
    const answer = new Promise<unknown>((resolve, reject) => {
      const pending: Pending = { ...options, resolve, reject, flow, abandoned: false, uncredited: 0 };
      this.#calls.set(id, pending);
      abort = () => {
        const cancelled = new AppError('cancelled', 'cancelled', { cause: signal?.reason });
        pending.abandoned = true;
        flow.end(cancelled);
        reject(cancelled);
        if (this.#failure === undefined) this.say({ type: 'cancel', id });
      };
      signal?.addEventListener('abort', abort, { once: true });
    });
    this.#options.output.write(frame);
    try {
      // The answer may come before all was sent: an error, most likely.
      if (payload !== undefined) void this.#sendPayload(id, payload, flow).catch(() => undefined);
      return await answer;
    } finally {
      if (abort !== undefined) signal?.removeEventListener('abort', abort);
    }
  }

  /** Ends everything that is under way with this error; the streams are left to whoever opened them. */
  fail(reason: AppError): void {
    if (this.#failure !== undefined) return;
    const error = this.#options.explain?.(reason) ?? reason;
    this.#failure = error;
    for (const { reject, flow } of this.#calls.values()) {
      flow.end(error);
      reject(error);
    }
    this.#calls.clear();
    for (const { controller, flow } of this.#answering.values()) {
      flow.end(error);
      controller.abort(error);
    }
    this.#end(error);
  }

  #heard(chunk: Buffer): void {
    if (this.#failure !== undefined) return;
    this.heardAt = performance.now();
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.fail(foreignError(error, this.#options.other));
    }
  }

  #control(message: Control): void {
    const { type, id } = message;
    if (type === 'hello') return this.#hello?.(message);
    if (type === 'ping') return this.say({ type: 'pong' });
    if (type === 'pong') return;
    if (typeof id !== 'number' || !Number.isSafeInteger(id) || id < 1) throw unexpected(message);
    if (type === 'call') return this.#called(id, message);
    if (type === 'cancel') return this.#cancelled(id);
    if (type === 'credit') return this.#credited(id, message.bytes);
    const pending = this.#calls.get(id);
    if (pending === undefined) throw unexpected(message);
    if (type === 'event') {
      if (!pending.abandoned) pending.event?.(message.value);
      return;
    }
    this.#calls.delete(id);
    if (type === 'result') {
      if (pending.abandoned) pending.late?.(message.value);
      else pending.resolve(message.value);
    } else if (type === 'error') {
      pending.reject(foreignError(message.error, this.#options.other));
    } else {
      throw unexpected(message);
    }
    pending.flow.end(new AppError('io', 'it was answered before all was sent'));
  }

  #credited(id: number, bytes: unknown): void {
    if (typeof bytes !== 'number' || !Number.isSafeInteger(bytes) || bytes < 1)
      throw unexpected({ type: 'credit', id });
    (this.#calls.get(id) ?? this.#answering.get(id))?.flow.give(bytes);
  }

  #cancelled(id: number): void {
    const entry = this.#answering.get(id);
    if (entry === undefined) return;
    const error = new AppError('cancelled', 'cancelled');
    entry.controller.abort(error);
    // The rest of what goes with it will not come: nobody has begun to answer.
    if (entry.got === entry.payload.length) return;
    this.#answering.delete(id);
    this.say({ type: 'error', id, error: toFailure(error) });
  }

  #called(id: number, { method, params, payload = 0 }: Control): void {
    const theirs = this.#options.side === 'host' ? 0 : 1;
    if (id % 2 !== theirs || this.#answering.has(id) || typeof method !== 'string')
      throw unexpected({ type: 'call', id });
    if (this.#answering.size >= callsAtOnce) throw new AppError('corrupt', 'too many calls at once');
    if (typeof payload !== 'number' || !(payload >= 0 && payload <= longestCallPayload))
      throw unexpected({ type: 'call', id });
    const entry: Answering = {
      controller: new AbortController(),
      flow: new Flow(windowBytes),
      method,
      params,
      payload: Buffer.alloc(payload),
      got: 0,
      uncredited: 0,
    };
    entry.controller.signal.addEventListener('abort', () =>
      entry.flow.end(new AppError('cancelled', 'cancelled')),
    );
    this.#answering.set(id, entry);
    if (payload === 0) void this.#answer(id, entry);
  }

  #payload(id: number, bytes: Uint8Array): void {
    const pending = this.#calls.get(id);
    if (pending !== undefined) {
      if (!pending.abandoned) pending.data?.(bytes);
      this.#credit(id, pending, bytes.length);
      return;
    }
    const entry = this.#answering.get(id);
    // The answer has been sent meanwhile: an error, or it was cancelled.
    if (entry === undefined) return;
    if (entry.got + bytes.length > entry.payload.length)
      throw new AppError('corrupt', `more payload than was said for call ${id}`);
    entry.payload.set(bytes, entry.got);
    entry.got += bytes.length;
    this.#credit(id, entry, bytes.length);
    if (entry.got === entry.payload.length) void this.#answer(id, entry);
  }

  #credit(id: number, of: { uncredited: number }, bytes: number): void {
    of.uncredited += bytes;
    if (of.uncredited < windowBytes / 2) return;
    this.say({ type: 'credit', id, bytes: of.uncredited });
    of.uncredited = 0;
  }

  async #answer(id: number, entry: Answering): Promise<void> {
    const { controller, method, params, payload, flow } = entry;
    let frame: Buffer;
    try {
      const value = await this.#options.handler(method, params, {
        signal: controller.signal,
        payload,
        event: (value) => {
          if (this.#failure === undefined) this.say({ type: 'event', id, value });
        },
        send: (bytes) => this.#sendPayload(id, bytes, flow),
      });
      frame = controlFrame({ type: 'result', id, value: value ?? null });
    } catch (error) {
      frame = controlFrame({ type: 'error', id, error: short(toFailure(foreignError(error, 'the plugin'))) });
    }
    this.#answering.delete(id);
    if (this.#failure === undefined) this.#options.output.write(frame);
  }

  /** Piece by piece, as far as there is credit and the stream takes it. */
  async #sendPayload(id: number, bytes: Uint8Array, flow: Flow): Promise<void> {
    const { output } = this.#options;
    for (let at = 0; at < bytes.length; ) {
      const length = await flow.take(Math.min(payloadPiece, bytes.length - at));
      if (this.#failure !== undefined) throw this.#failure;
      const piece = bytes.subarray(at, at + length);
      await new Promise<void>((resolve, reject) => {
        output.cork();
        output.write(payloadHead(id, length));
        output.write(piece, (error) => (error ? reject(error) : resolve()));
        output.uncork();
      });
      at += length;
    }
  }
}

const unexpected = ({ type, id }: Control): AppError =>
  new AppError(
    'corrupt',
    `what is said is not the plugin protocol: "${String(type)}" for call ${String(id)}`,
  );

/** A message of an error may hold anything: as much as a person reads. */
const short = ({ kind, message, where, hint }: Failure): Failure => ({
  kind,
  message: message.slice(0, 8192),
  ...(where === undefined ? {} : { where: where.slice(0, 8192) }),
  ...(hint === undefined ? {} : { hint: hint.slice(0, 8192) }),
});

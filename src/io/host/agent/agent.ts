/** The helper at the far end, as we see it: requests in a pipeline, answers checked. Nothing stays there. */
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { inflate } from 'node:zlib';
import { AppError, toAppError } from '../../../model/errors.ts';
import { MiB } from '../../../model/units.ts';
import { printable } from '../../ssh/failures.ts';
import type { Running } from '../host.ts';
import { Answers, type Pending } from './answers.ts';
import { perlProgram } from './perl-program.ts';
import { answerFlag, canDeflate, grainBytes, mayDeflate, op, requestHeader } from './protocol.ts';
import { pythonProgram } from './python-program.ts';

const inflated = promisify(inflate);

/** What a helper may say before it says its token: a login script's greetings. */
const mostNoise = MiB;
/** More answers than this to one request are not waited for. */
const mostParts = 100_000;

export interface Request {
  readonly op: number;
  readonly flags?: number;
  readonly file?: number;
  readonly offset?: number;
  readonly argument?: number;
  readonly payload?: Uint8Array;
}

export interface AgentAnswer {
  readonly value: number;
  readonly flags: number;
  readonly payload: Buffer;
}

/** How the helper is started, the best first. One line each, without quotes: every login shell takes it. */
const starts = [
  ...['python3', '/usr/libexec/platform-python'].map((python) => ({
    language: 'python',
    args: (token: string) => [
      python,
      '-ISBc',
      'import sys;exec(bytes.fromhex(sys.argv[2]))',
      token,
      Buffer.from(pythonProgram).toString('hex'),
    ],
  })),
  {
    language: 'perl',
    args: (token: string) => [
      'perl',
      '-e',
      'eval pack(q(H*), $ARGV[1]); die $@',
      token,
      Buffer.from(perlProgram).toString('hex'),
    ],
  },
] as const;

export type Spawn = (args: readonly string[], signal: AbortSignal | undefined) => Promise<Running>;

/** Undefined where there is neither Python nor Perl. @throws AppError `unreachable`, `cancelled`. */
export async function startAgent(
  spawn: Spawn,
  where: string,
  signal?: AbortSignal,
): Promise<Agent | undefined> {
  for (const { language, args } of starts) {
    const token = randomBytes(16).toString('hex');
    const started = performance.now();
    const running = await spawn(args(token), signal);
    const abilities = await greeting(running, token, signal);
    if (abilities === undefined) {
      running.kill();
      continue;
    }
    const agent = new Agent(running, language, abilities.rest, {
      where,
      deflates: (abilities.flags & canDeflate) !== 0,
    });
    await agent.measure(performance.now() - started, signal);
    return agent;
  }
  return undefined;
}

/** The byte behind the token, and what came behind it; undefined when the program ends without it. */
async function greeting(
  running: Running,
  token: string,
  signal: AbortSignal | undefined,
): Promise<{ flags: number; rest: Buffer } | undefined> {
  const { stdout } = running;
  let heard = Buffer.alloc(0);
  let total = 0;
  return new Promise((resolve, reject) => {
    const done = (act: () => void) => {
      clearTimeout(clock);
      stdout.off('data', listen);
      act();
    };
    const listen = (chunk: Buffer) => {
      total += chunk.length;
      heard = Buffer.concat([heard, chunk]);
      const at = heard.indexOf(token, 0, 'latin1');
      const end = at + token.length + 1;
      if (total > mostNoise) done(() => resolve(undefined));
      else if (at >= 0 && heard.length >= end) {
        stdout.pause();
        done(() => resolve({ flags: heard[end - 1]!, rest: heard.subarray(end) }));
      } else heard = heard.subarray(at < 0 ? -token.length : at); // it may have begun
    };
    const clock = setTimeout(() => done(() => resolve(undefined)), 20_000);
    stdout.on('data', listen);
    running.ended.then(
      () => done(() => resolve(undefined)),
      (error: AppError) =>
        done(() => {
          // It can not be run: that is an answer. A lost connection is none.
          if (error.kind === 'unreachable' || error.kind === 'cancelled' || signal?.aborted) reject(error);
          else resolve(undefined);
        }),
    );
  });
}

export interface AgentFacts {
  readonly where: string;
  readonly deflates: boolean;
}

export class Agent {
  readonly language: string;
  readonly deflates: boolean;
  /** Rejected never; resolves with the reason when it is of no use any more. */
  readonly lost: Promise<AppError>;
  /** The shortest answer so far, milliseconds. */
  roundTripMs = Number.POSITIVE_INFINITY;
  /** Bytes asked for, or sent, that are not answered. */
  outstanding = 0;
  /** Bytes of requests and answers, as they crossed. */
  crossed = 0;
  readonly #running: Running;
  readonly #where: string;
  readonly #answers: Answers;
  #nextId = 1;

  constructor(running: Running, language: string, rest: Buffer, { where, deflates }: AgentFacts) {
    this.language = language;
    this.deflates = deflates;
    this.#running = running;
    this.#where = where;
    this.#answers = new Answers(where, () => running.kill());
    this.lost = this.#answers.ended;
    const listen = (chunk: Buffer) => {
      this.crossed += chunk.length;
      this.#answers.take(chunk);
    };
    if (rest.length > 0) listen(rest);
    running.stdin.on('error', () => undefined); // its end tells
    running.stdout.on('data', listen);
    running.stdout.resume();
    running.ended.then(
      ({ code, stderr }) =>
        this.#answers.end(
          new AppError(
            'unreachable',
            `the helper there ended (exit code ${code}) ${printable(stderr)}`.trim(),
            {
              where,
            },
          ),
        ),
      (error) => {
        const { kind, message } = toAppError(error);
        const gone = kind === 'cancelled' || kind === 'unreachable' ? kind : 'unreachable';
        this.#answers.end(new AppError(gone, message, { where, cause: error }));
      },
    );
  }

  get alive(): boolean {
    return this.#answers.failure === undefined;
  }

  /** One question alone, for its time. */
  async measure(startMs: number, signal?: AbortSignal): Promise<void> {
    const before = performance.now();
    await this.ask({ op: op.home }, { signal });
    this.roundTripMs = Math.min(startMs, performance.now() - before);
  }

  /** @throws AppError as the far end says, `unreachable` when it is gone, `cancelled`. */
  ask(request: Request, { signal, most = 4096 }: AskOptions = {}): Promise<AgentAnswer> {
    return this.#send(request, { most, keep: true }, signal);
  }

  /** All answers to a question that has several, by their payloads. */
  async askAll(request: Request, { signal, most = 4096 }: AskOptions = {}): Promise<Buffer[]> {
    const payloads: Buffer[] = [];
    await this.#send(
      request,
      {
        most,
        keep: true,
        more: ({ value, payload }) => {
          payloads.push(payload);
          if (payloads.length > mostParts) throw new AppError('io', 'the helper there answers without end');
          return value === 1;
        },
      },
      signal,
    );
    return payloads;
  }

  /** Fills `target`; tells what its compression brought. After it was cancelled `target` is left alone. */
  async read(
    file: number,
    target: Uint8Array,
    offset: number,
    { signal, deflate = false, onBytes }: ReadOptions = {},
  ): Promise<Squeezed | undefined> {
    const { length } = target;
    const most = length + Math.ceil(length / grainBytes / 8);
    try {
      const { flags, payload, value } = await this.#send(
        { op: op.read, flags: deflate ? mayDeflate : 0, file, offset, argument: length },
        { most, keep: false, into: target, onBytes },
        signal,
      );
      const squeezed =
        value === 0 ? undefined : { bytes: payload.length || length, of: length, ms: value / 1000 };
      if (flags === 0) return squeezed; // it is there already
      const bytes = await unpacked(payload, flags, length);
      if (signal?.aborted) throw new AppError('cancelled', 'cancelled', { cause: signal.reason });
      place(bytes, flags, target);
      return squeezed;
    } catch (error) {
      if (error instanceof RangeError || (error as NodeJS.ErrnoException).code?.startsWith('Z_'))
        throw this.#answers.end(
          new AppError('io', 'the helper there sends what can not be unpacked', { where: this.#where }),
        );
      throw error;
    }
  }

  #send(
    request: Request,
    how: Pick<Pending, 'most' | 'keep' | 'into' | 'more' | 'onBytes'>,
    signal: AbortSignal | undefined,
  ): Promise<AgentAnswer> {
    const id = this.#nextId;
    this.#nextId = (this.#nextId + 1) % 2 ** 32;
    const { payload, ...fields } = request;
    const answered = this.#answers.expect({ id, ...how }, signal);
    if (signal?.aborted || !this.alive) return answered;
    const header = requestHeader.encode({ ...fields, id, length: payload?.length ?? 0 });
    // Of a write: when it is answered it has crossed.
    const crossed = () => {
      this.crossed += payload?.length ?? 0;
    };
    answered.then(crossed, () => undefined);
    const { stdin } = this.#running;
    if (payload === undefined) stdin.write(header);
    else if (payload.length < 4096) stdin.write(Buffer.concat([header, payload]));
    else {
      stdin.write(header);
      stdin.write(payload);
    }
    return answered;
  }

  /** It ends by itself. Never throws. */
  close(): void {
    this.#answers.end(new AppError('cancelled', 'the helper was closed', { where: this.#where }));
    this.#running.stdin.end();
    this.#running.kill();
  }
}

/** What compression brought, and the time it took there. */
export interface Squeezed {
  readonly bytes: number;
  readonly of: number;
  readonly ms: number;
}

export interface AskOptions {
  readonly signal?: AbortSignal | undefined;
  /** Bytes of the longest answer. */
  readonly most?: number;
}

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  readonly deflate?: boolean;
  /** Told of bytes that are in their place already, from the first on; not of what is packed. */
  readonly onBytes?: (count: number) => void;
}

/** The payload with its bitmap, if any, in front of the plain bytes. */
async function unpacked(payload: Buffer, flags: number, length: number): Promise<Buffer> {
  if ((flags & answerFlag.deflated) === 0) return payload;
  const head = (flags & answerFlag.bitmap) === 0 ? 0 : Math.ceil(Math.ceil(length / grainBytes) / 8);
  const body = await inflated(payload.subarray(head), { maxOutputLength: Math.max(1, length) });
  return head === 0 ? body : Buffer.concat([payload.subarray(0, head), body]);
}

/** @throws RangeError when the bytes are not exactly those that were announced. */
function place(bytes: Buffer, flags: number, target: Uint8Array): void {
  if ((flags & answerFlag.zeros) !== 0) {
    if (bytes.length !== 0) throw new RangeError();
    target.fill(0);
    return;
  }
  const grains = Math.ceil(target.length / grainBytes);
  const bitmap = (flags & answerFlag.bitmap) === 0 ? undefined : bytes.subarray(0, Math.ceil(grains / 8));
  let at = bitmap?.length ?? 0;
  for (let grain = 0; grain < grains; grain++) {
    const part = target.subarray(grain * grainBytes, (grain + 1) * grainBytes);
    if (bitmap !== undefined && (bitmap[grain >> 3]! & (1 << (grain & 7))) === 0) {
      part.fill(0);
      continue;
    }
    if (bytes.length - at < part.length) throw new RangeError();
    part.set(bytes.subarray(at, at + part.length));
    at += part.length;
  }
  if (at !== bytes.length) throw new RangeError();
}

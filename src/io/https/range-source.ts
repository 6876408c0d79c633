/** A file on an HTTPS server, read at random by ranges, several under way at once. */
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { type ByteSource, checkRange, memorySource } from '../byte-source.ts';
import { onAbort } from '../host/abort-watch.ts';
import { readAhead } from '../host/read-ahead.ts';
import { throwIfAborted } from '../in-order.ts';
import type { HttpsAnswer, HttpsClient, HttpsRequest } from './client.ts';

export interface RangeOptions {
  /** For messages, and what the source is called. */
  readonly name: string;
  readonly path: string;
  /** Cookies and the like, at the moment of use. */
  headers(): Promise<Record<string, string>>;
  /** Told that the server wants a login; resolves when there is a new one. Rejects to give up. */
  renew?(signal?: AbortSignal): Promise<void>;
  readonly signal?: AbortSignal | undefined;
  /** Of one request; default 1 MiB. */
  readonly pieceBytes?: number | undefined;
  /** Pauses before another try after a lost connection, in milliseconds. */
  readonly pauses?: readonly number[];
}

/** Pieces read ahead. */
const windowPieces = 16;
/** A server without ranges sends all of a file: of one so small that will do. */
const smallBytes = 2 * MiB;

/** @throws AppError `not-found`, `auth`, `unsupported` (no ranges), `unreachable`, `cancelled`. */
export async function rangeSource(client: HttpsClient, options: RangeOptions): Promise<ByteSource> {
  const step = `opening ${options.name}`;
  const first = await trying(options, options.signal, async () => {
    const request = { path: options.path, step, maximumBytes: smallBytes, signal: options.signal };
    const headers = { ...(await options.headers()), range: 'bytes=0-0' };
    // An empty file has no first byte.
    return judged(await client.send({ ...request, headers }), options, client, [200, 206, 416]);
  });
  if (first.status === 200) return memorySource(first.body, options.name);
  const { total } = rangeOf(first, options, client);
  if (first.status === 416 && total !== 0) throw wrongRange(first, options, client);
  const modified = Date.parse(first.headers['last-modified'] ?? '') / 1000;
  const { pieceBytes = MiB } = options;
  const source: ByteSource = {
    name: options.name,
    size: total,
    access: 'random',
    ...(Number.isFinite(modified) ? { modifiedAt: modified } : {}),
    async read(target, offset, signal) {
      checkRange(source, offset, target.length);
      throwIfAborted(signal);
      const parts: Promise<void>[] = [];
      for (let at = 0; at < target.length; at += pieceBytes) {
        parts.push(
          readPiece(client, options, target.subarray(at, at + pieceBytes), offset + at, total, signal),
        );
      }
      const ended = await Promise.allSettled(parts); // after an error none may still write to the target
      const failed = ended.find((p): p is PromiseRejectedResult => p.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    },
    async close() {
      // the connections are the client's
    },
  };
  return readAhead(source, { pieceBytes, window: () => windowPieces * pieceBytes });
}

async function readPiece(
  client: HttpsClient,
  options: RangeOptions,
  target: Uint8Array,
  offset: number,
  total: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const last = offset + target.length - 1;
  const request: HttpsRequest = { path: options.path, step: `reading ${options.name}`, signal };
  await trying(options, signal, async () => {
    const headers = { ...(await options.headers()), range: `bytes=${offset}-${last}` };
    const answer = judged(await client.fill({ ...request, headers }, target), options, client, [206]);
    const range = rangeOf(answer, options, client);
    if (range.total !== total) {
      throw new AppError('io', `the file was changed while it was read: ${total} bytes, now ${range.total}`, {
        where: options.name,
      });
    }
    if (range.from !== offset || range.to !== last) throw wrongRange(answer, options, client);
  });
}

/** A login that ended is renewed once; a connection that was lost is made again a few times. */
async function trying<T>(
  options: RangeOptions,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const pauses = [...(options.pauses ?? [200, 1000, 3000, 10_000])];
  let renewed = false;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof AppError) || signal?.aborted) throw error;
      if (error instanceof LoginWanted && options.renew !== undefined && !renewed) {
        renewed = true;
        await options.renew(signal);
        continue;
      }
      const pause = error.kind === 'unreachable' ? pauses.shift() : undefined;
      if (pause === undefined) throw error;
      await waiting(pause, signal);
    }
  }
}

async function waiting(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, milliseconds);
    const unwatch = onAbort(signal, done);
    function done() {
      clearTimeout(timer);
      unwatch();
      resolve();
    }
  });
  throwIfAborted(signal);
}

class LoginWanted extends AppError {}

function judged(
  answer: HttpsAnswer,
  { name }: RangeOptions,
  client: HttpsClient,
  expected: readonly number[],
): HttpsAnswer {
  const { status } = answer;
  if (expected.includes(status)) return answer;
  const where = `${client.name} ${name}`;
  if (status === 401) {
    throw new LoginWanted('auth', 'the server wants a login for this file (HTTP 401)', { where });
  }
  if (status === 403) throw new AppError('auth', 'the server refuses this file (HTTP 403)', { where });
  if (status === 404) throw new AppError('not-found', 'no such file on the server (HTTP 404)', { where });
  if (status === 200) {
    throw new AppError('unsupported', 'the server does not send parts of this file', { where });
  }
  const kind = status === 503 || status === 502 || status === 504 ? 'unreachable' : 'io';
  throw new AppError(kind, `the server answers HTTP ${status}`, { where });
}

/** RFC 9110 14.4: `bytes 0-0/1234`; with 416 a star instead of the range. */
function rangeOf(answer: HttpsAnswer, options: RangeOptions, client: HttpsClient) {
  const match = /^bytes (?:(\d{1,16})-(\d{1,16})|\*)\/(\d{1,16})$/.exec(
    answer.headers['content-range'] ?? '',
  );
  const [from, to, total] = [Number(match?.[1]), Number(match?.[2]), Number(match?.[3])];
  if (match === null || !Number.isSafeInteger(total)) throw wrongRange(answer, options, client);
  return { from, to, total };
}

function wrongRange(answer: HttpsAnswer, { name }: RangeOptions, client: HttpsClient): AppError {
  const said = (answer.headers['content-range'] ?? 'none').replace(/[^\x20-\x7e]/g, '?').slice(0, 100);
  return new AppError('io', `the server sent another part than was asked for (Content-Range: ${said})`, {
    where: `${client.name} ${name}`,
  });
}

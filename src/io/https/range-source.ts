/** A file on an HTTPS server, read at random by ranges, several under way at once. */
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { type ByteSource, checkRange, memorySource } from '../byte-source.ts';
import { readAhead } from '../host/read-ahead.ts';
import { throwIfAborted } from '../in-order.ts';
import { type Persistence, Tries } from '../retrying.ts';
import type { HttpsAnswer, HttpsClient } from './client.ts';

export interface RangeOptions extends Partial<Persistence> {
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
  /** A silence so long in the middle is a link that hangs. Default 30 s. */
  readonly stallMs?: number;
}

/** Pieces read ahead. */
const windowPieces = 16;
/** A server without ranges sends all of a file: of one so small that will do. */
const smallBytes = 2 * MiB;

const usualStallMs = 30_000;

/** What it was when it was opened: a part of something else is not taken. */
interface Opened {
  readonly total: number;
  readonly modified: string | undefined;
  readonly tag: string | undefined;
}

/** @throws AppError `not-found`, `auth`, `unsupported` (no ranges), `unreachable`, `cancelled`. */
export async function rangeSource(client: HttpsClient, options: RangeOptions): Promise<ByteSource> {
  const step = `opening ${options.name}`;
  const first = await trying(client, options, options.signal, step, async () => {
    const request = { path: options.path, step, maximumBytes: smallBytes, signal: options.signal };
    const headers = { ...(await options.headers()), range: 'bytes=0-0' };
    // An empty file has no first byte.
    return judged(await client.send({ ...request, headers }), options, client, [200, 206, 416]);
  });
  if (first.status === 200) return memorySource(first.body, options.name);
  const { total } = rangeOf(first, options, client);
  if (first.status === 416 && total !== 0) throw wrongRange(first, options, client);
  const opened = { total, ...marksOf(first) };
  const modified = Date.parse(opened.modified ?? '') / 1000;
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
        const part = target.subarray(at, at + pieceBytes);
        parts.push(readPiece(client, options, part, offset + at, opened, signal));
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

/** RFC 9110 8.8: a weak tag may be another for the same bytes. */
function marksOf({ headers }: HttpsAnswer): Pick<Opened, 'modified' | 'tag'> {
  const { etag } = headers;
  return { modified: headers['last-modified'], tag: etag?.startsWith('W/') ? undefined : etag };
}

async function readPiece(
  client: HttpsClient,
  options: RangeOptions,
  target: Uint8Array,
  offset: number,
  opened: Opened,
  signal: AbortSignal | undefined,
): Promise<void> {
  const last = offset + target.length - 1;
  const step = `reading ${options.name}`;
  const request = { path: options.path, step, signal, timeoutMs: options.stallMs ?? usualStallMs };
  // What came before the connection was lost is not asked for again.
  let done = 0;
  await trying(client, options, signal, step, async (tries) => {
    if (done === target.length) return;
    const from = offset + done;
    const headers = { ...(await options.headers()), range: `bytes=${from}-${last}` };
    let came = 0;
    const onBytes = (count: number) => {
      came += count;
    };
    const check = (answer: HttpsAnswer) => {
      const range = rangeOf(judged(answer, options, client, [206]), options, client);
      if (range.total !== opened.total) throw changed(options, opened.total, range.total);
      if (range.from !== from || range.to !== last) throw wrongRange(answer, options, client);
      const now = marksOf(answer);
      for (const mark of ['modified', 'tag'] as const) {
        const before = opened[mark];
        if (before !== undefined && now[mark] !== undefined && now[mark] !== before)
          throw changed(options, before, now[mark]);
      }
    };
    try {
      await client.fill({ ...request, headers }, target.subarray(done), { onHead: check, onBytes });
    } catch (error) {
      done += came;
      if (came > 0) tries.progress();
      throw error;
    }
  });
}

const changed = ({ name }: RangeOptions, before: string | number, now: string | number): AppError =>
  new AppError(
    'io',
    `the file was changed while it was read: it was ${shown(before)}, and is ${shown(now)} now`,
    { where: name },
  );

const shown = (mark: string | number): string =>
  typeof mark === 'number' ? `${mark} bytes` : mark.replace(/[^\x20-\x7e]/g, '?').slice(0, 100);

/** A login that ended is renewed once; a connection that was lost is made again. */
async function trying<T>(
  client: HttpsClient,
  options: RangeOptions,
  signal: AbortSignal | undefined,
  step: string,
  work: (tries: Tries) => Promise<T>,
): Promise<T> {
  const { pausesMs, roundMs } = options;
  const tries = new Tries({
    step,
    tell: client.tell,
    ...(pausesMs === undefined ? {} : { pausesMs }),
    ...(roundMs === undefined ? {} : { roundMs }),
  });
  let renewed = false;
  for (;;) {
    try {
      const result = await work(tries);
      tries.progress();
      return result;
    } catch (error) {
      if (error instanceof LoginWanted && options.renew !== undefined && !renewed && !signal?.aborted) {
        renewed = true;
        client.tell?.(`${step}: the login has ended there, and is made again`);
        await options.renew(signal);
        continue;
      }
      await tries.failed(error, signal);
    }
  }
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

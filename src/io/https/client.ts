/**
 * One HTTPS server: connections that are kept, each to the server that is trusted; answers bounded; no redirect is
 * followed, for it would carry a session elsewhere.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import type { Duplex } from 'node:stream';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { cancelledBy, onAbort } from '../host/abort-watch.ts';
import type { Persistence, Tell } from '../retrying.ts';
import { secureContext } from './authorities.ts';
import { connectTrusted, serverName, type TlsOptions, type TlsTarget } from './connect.ts';
import { type Download, downloadBy } from './download.ts';
import type { KnownCertificates } from './known-certificates.ts';
import { settleTrust } from './trust.ts';
import { type Upload, uploadBy } from './upload.ts';

export interface HttpsOptions extends TlsTarget {
  readonly fingerprint?: string | undefined;
  /** SHA-1 of its certificate, as a server that is trusted tells it: that one will do. */
  readonly thumbprint?: string | undefined;
  /** TLS before 1.2 and weak keys as well. */
  readonly legacy?: boolean;
  readonly known: KnownCertificates;
  confirm(question: string): Promise<boolean>;
  readonly signal?: AbortSignal;
  /** For reaching the server and for each silence in an answer; default 60 s. */
  readonly timeoutMs?: number;
  /** Of tries after a failure, for a log. */
  readonly tell?: Tell | undefined;
}

export interface HttpsRequest {
  readonly method?: string;
  /** With the query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** A longer answer is refused. Default 16 MiB. */
  readonly maximumBytes?: number;
  /** For the silence before the answer. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** What is done, for messages: `reading [ds] a/b.vmdk`. */
  readonly step: string;
}

/** A body of unknown length, sent as it is made; `timeoutMs` is for the answer to the whole. */
export interface UploadRequest extends Omit<HttpsRequest, 'body' | 'maximumBytes'> {
  /** For the server to take what was sent. */
  readonly silenceMs?: number;
  /** See `UploadOptions`. */
  readonly answersEarly?: boolean;
}

export interface HttpsAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Filling {
  /** Throws what the caller is to be told. */
  onHead(answer: HttpsAnswer): void;
  /** Bytes that are in their place, from the first on, also when the rest does not come. */
  onBytes(count: number): void;
}

export interface HttpsClient {
  /** `host:port`. */
  readonly name: string;
  readonly tell?: Tell | undefined;
  /** Of calls that only ask; see `AskingCalls`. */
  readonly persistence?: Persistence | undefined;
  /** @throws AppError `unreachable`, `auth` (the certificate), `unsupported` (a redirect, too long), `cancelled`. */
  send(request: HttpsRequest): Promise<HttpsAnswer>;
  /**
   * Puts the body into `target`, which it has to fill exactly.
   * The answer's head is judged by `onHead` before a byte of its body is taken.
   */
  fill(request: HttpsRequest, target: Uint8Array, told: Filling): Promise<HttpsAnswer>;
  /** An answer of any length, of any status, taken as it comes, on a connection of its own. */
  download(request: Omit<HttpsRequest, 'body' | 'maximumBytes'>): Promise<Download>;
  upload(request: UploadRequest): Upload;
  close(): void;
}

/** Requests under way at once; more wait. */
export const mostConnections = 8;

/** @throws AppError `auth` (the certificate), `unreachable`, `usage`, `cancelled`. */
export async function openHttps(options: HttpsOptions): Promise<HttpsClient> {
  const timeoutMs = options.timeoutMs ?? 60_000;
  const tls: TlsOptions = { context: await secureContext(options.legacy ?? false), timeoutMs };
  const pinned = await settleTrust(options, {
    ...tls,
    signal: options.signal,
    fingerprint: options.fingerprint,
    thumbprint: options.thumbprint,
    known: options.known,
    confirm: (question) => options.confirm(question),
  });
  const closing = new AbortController();
  const agent = new TrustedAgent(options, pinned, { ...tls, signal: closing.signal });
  return new Client(options, agent, timeoutMs, closing, options.tell);
}

/** Hands out a connection only after its server was checked. */
class TrustedAgent extends Agent {
  readonly #target: TlsTarget;
  readonly #pinned: string | undefined;
  readonly #tls: TlsOptions;

  constructor(target: TlsTarget, pinned: string | undefined, tls: TlsOptions, keepAlive = true) {
    super({ keepAlive, maxSockets: mostConnections, scheduling: 'lifo' });
    this.#target = target;
    this.#pinned = pinned;
    this.#tls = tls;
  }

  /** Keeps no connection, and so hands out none that the server may have given up. */
  fresh(): Agent {
    return new TrustedAgent(this.#target, this.#pinned, this.#tls, false);
  }

  override createConnection(_options: object, done?: (error: Error | null, socket: Duplex) => void): Duplex {
    connectTrusted(this.#target, this.#pinned, this.#tls).then(
      (socket) => done?.(null, socket),
      (error) => done?.(error, undefined as unknown as Duplex),
    );
    // Node takes the connection from the callback when there is none yet.
    return undefined as unknown as Duplex;
  }
}

type ReadAnswer = (answer: IncomingMessage) => Promise<Buffer>;

/** The server closed a connection that it had answered on before, and took nothing of this request. */
class GivenUp extends AppError {}

class Client implements HttpsClient {
  readonly name: string;
  readonly #target: TlsTarget;
  readonly #agent: TrustedAgent;
  readonly #timeoutMs: number;
  readonly #closing: AbortController;
  readonly tell: Tell | undefined;

  constructor(
    target: TlsTarget,
    agent: TrustedAgent,
    timeoutMs: number,
    closing: AbortController,
    tell: Tell | undefined,
  ) {
    this.tell = tell;
    this.name = serverName(target);
    this.#target = target;
    this.#agent = agent;
    this.#timeoutMs = timeoutMs;
    this.#closing = closing;
  }

  close(): void {
    // Those that are being made are not the agent's yet.
    this.#closing.abort();
    this.#agent.destroy();
  }

  send(wanted: HttpsRequest): Promise<HttpsAnswer> {
    const most = wanted.maximumBytes ?? 16 * MiB;
    return this.#exchange(wanted, async (answer) => {
      const chunks: Buffer[] = [];
      let length = 0;
      for await (const chunk of answer as AsyncIterable<Buffer>) {
        length += chunk.length;
        if (length > most)
          throw this.#error('unsupported', wanted, `the answer is longer than ${most} bytes`);
        chunks.push(chunk);
      }
      return Buffer.concat(chunks, length);
    });
  }

  fill(wanted: HttpsRequest, target: Uint8Array, { onHead, onBytes }: Filling): Promise<HttpsAnswer> {
    return this.#exchange(wanted, async (answer) => {
      const { statusCode: status = 0, headers } = answer;
      try {
        onHead({ status, headers, body: Buffer.alloc(0) });
      } catch (error) {
        answer.destroy();
        throw error;
      }
      let at = 0;
      for await (const chunk of answer as AsyncIterable<Buffer>) {
        if (at + chunk.length > target.length)
          throw this.#error('io', wanted, `the server sent more than the ${target.length} bytes asked for`);
        target.set(chunk, at);
        at += chunk.length;
        onBytes(chunk.length);
      }
      if (at !== target.length) {
        throw this.#error('unreachable', wanted, `${at} bytes came instead of ${target.length}`);
      }
      return Buffer.alloc(0);
    });
  }

  upload(wanted: UploadRequest): Upload {
    const sent = request({
      host: this.#target.host,
      port: this.#target.port,
      method: wanted.method ?? 'PUT',
      path: wanted.path,
      headers: wanted.headers ?? {},
      agent: this.#agent.fresh(), // what was sent can't be sent again
    });
    return uploadBy(sent, {
      signal: wanted.signal,
      silenceMs: wanted.silenceMs ?? this.#timeoutMs,
      answerMs: wanted.timeoutMs ?? this.#timeoutMs,
      answersEarly: wanted.answersEarly,
      lost: (error) => inOnePiece(this.#lost(wanted, error)),
      silent: (ms) => inOnePiece(this.#error('unreachable', wanted, `no answer for ${ms / 1000} s`)),
    });
  }

  download(wanted: HttpsRequest): Promise<Download> {
    const sent = request({
      host: this.#target.host,
      port: this.#target.port,
      method: wanted.method ?? 'GET',
      path: wanted.path,
      headers: wanted.headers ?? {},
      agent: this.#agent.fresh(), // it may last for hours: the others are for what is short
    });
    return downloadBy(sent, {
      signal: wanted.signal,
      silenceMs: wanted.timeoutMs ?? this.#timeoutMs,
      lost: (error) => this.#lost(wanted, error),
      silent: (ms) => this.#error('unreachable', wanted, `no answer for ${ms / 1000} s`),
    });
  }

  /** A connection that was kept may have been given up by the server meanwhile: then on a new one. */
  async #exchange(wanted: HttpsRequest, read: ReadAnswer): Promise<HttpsAnswer> {
    for (let left = mostConnections; ; left--) {
      try {
        return await this.#exchangeOnce(wanted, read);
      } catch (error) {
        if (!(error instanceof GivenUp) || left === 0) throw error;
      }
    }
  }

  #exchangeOnce(wanted: HttpsRequest, read: ReadAnswer): Promise<HttpsAnswer> {
    const { signal } = wanted;
    return new Promise<HttpsAnswer>((resolve, reject) => {
      if (signal?.aborted) return reject(cancelledBy(signal));
      const sent = request({
        host: this.#target.host,
        port: this.#target.port,
        method: wanted.method ?? 'GET',
        path: wanted.path,
        headers: {
          ...wanted.headers,
          ...(wanted.body === undefined ? {} : { 'content-length': Buffer.byteLength(wanted.body) }),
        },
        agent: this.#agent,
      });
      const unwatch = onAbort(signal, () => fail(cancelledBy(signal)));
      const timeout = wanted.timeoutMs ?? this.#timeoutMs;
      const silent = () => fail(this.#error('unreachable', wanted, `no answer for ${timeout / 1000} s`));
      // A socket's own timeout would begin only when there is one.
      const timer = setTimeout(silent, timeout);
      const fail = (error: unknown) => {
        clearTimeout(timer);
        unwatch();
        const code = (error as { code?: string }).code ?? '';
        const unanswered = sent.reusedSocket && !answered && (code === 'ECONNRESET' || code === 'EPIPE');
        const lost = error instanceof AppError ? error : this.#lost(wanted, error);
        reject(unanswered ? new GivenUp(lost.kind, lost.message, { where: this.name, cause: error }) : lost);
        sent.destroy();
      };
      let answered = false;
      sent.on('error', fail);
      sent.on('response', (answer) => {
        answered = true;
        answer.on('data', () => timer.refresh());
        const status = answer.statusCode ?? 0;
        if (status >= 300 && status < 400) return fail(this.#redirected(wanted, answer));
        read(answer).then((body) => {
          clearTimeout(timer);
          unwatch();
          resolve({ status, headers: answer.headers, body });
        }, fail);
      });
      sent.end(wanted.body);
    });
  }

  #redirected(wanted: HttpsRequest, { headers }: IncomingMessage): AppError {
    const to = (headers.location ?? 'nowhere').replace(/[\0-\x1f\x7f-\x9f]/g, '?').slice(0, 200);
    return this.#error('unsupported', wanted, `the server leads on to ${to}, which is not followed`);
  }

  #lost(wanted: HttpsRequest, error: unknown): AppError {
    const { code = 'the connection broke' } = error as { code?: string };
    return this.#error('unreachable', wanted, code === 'ECONNRESET' ? 'the connection was cut' : code, error);
  }

  #error(kind: AppError['kind'], { step }: HttpsRequest, message: string, cause?: unknown): AppError {
    return new AppError(kind, `${step}: ${message}`, {
      where: this.name,
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

/** A link that fails in the middle of an upload. */
const inOnePiece = ({ kind, message, where, cause }: AppError): AppError =>
  new AppError(kind, message, {
    ...(where === undefined ? {} : { where }),
    hint: 'the server takes it in one piece and can not go on with a part of it: run it again',
    cause,
  });

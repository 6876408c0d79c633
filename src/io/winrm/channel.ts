/**
 * HTTP over one connection that is never replaced: a login by NTLM is one of the connection, and what is sealed counts
 * its messages. Requests go one after the other.
 */
import { Agent, type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { cancelledBy, onAbort } from '../host/abort-watch.ts';
import { serverName, type TlsTarget } from '../https/connect.ts';

export interface Post {
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  /** What is done, for messages. */
  readonly step: string;
  /** For each silence. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface PostAnswer {
  readonly status: number;
  readonly contentType: string;
  /** All of WWW-Authenticate. */
  readonly offered: string;
  readonly body: Buffer;
}

export interface Channel {
  /** `host:port`. */
  readonly name: string;
  readonly host: string;
  /** The server's, in DER; undefined without TLS. */
  readonly certificate: Uint8Array | undefined;
  /** @throws AppError `unreachable`, `unsupported` (a redirect, too long), `cancelled`: it is closed then. */
  post(post: Post): Promise<PostAnswer>;
  /** It can carry no further request. */
  isClosed(): boolean;
  close(): void;
}

/** What MaxEnvelopeSize may be, and what sealing adds. */
const mostAnswerBytes = MiB;

class OneConnection extends Agent {
  #socket: Socket | undefined;

  constructor(socket: Socket) {
    super({ keepAlive: true, maxSockets: 1 });
    this.#socket = socket;
  }

  override createConnection(_options: object, done?: (error: Error | null, socket: Duplex) => void): Duplex {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket === undefined || socket.destroyed) {
      const lost = Object.assign(new Error('the connection is gone'), { code: 'ECONNRESET' });
      done?.(lost, undefined as unknown as Duplex);
    } else done?.(null, socket);
    // Node takes the connection from the callback when there is none yet.
    return undefined as unknown as Duplex;
  }
}

export function httpChannel(socket: Socket, target: TlsTarget): Channel {
  return new HttpChannel(socket, target);
}

class HttpChannel implements Channel {
  readonly name: string;
  readonly host: string;
  readonly certificate: Uint8Array | undefined;
  readonly #target: TlsTarget;
  readonly #socket: Socket;
  readonly #agent: OneConnection;

  constructor(socket: Socket, target: TlsTarget) {
    this.name = serverName(target);
    this.host = target.host;
    this.certificate = socket instanceof TLSSocket ? socket.getPeerCertificate().raw : undefined;
    this.#target = target;
    this.#socket = socket;
    this.#agent = new OneConnection(socket);
  }

  isClosed(): boolean {
    return this.#socket.destroyed || !this.#socket.writable;
  }

  close(): void {
    this.#agent.destroy();
    this.#socket.destroy();
  }

  post(post: Post): Promise<PostAnswer> {
    const { signal, timeoutMs, body, headers } = post;
    return new Promise<PostAnswer>((resolve, reject) => {
      if (signal?.aborted) return reject(cancelledBy(signal));
      const settle = () => {
        clearTimeout(timer);
        unwatch();
      };
      const fail = (error: unknown) => {
        settle();
        reject(error instanceof AppError ? error : this.#lost(post, error));
        sent.destroy();
        this.close();
      };
      const silent = () => fail(this.#failure('unreachable', post, `no answer for ${timeoutMs / 1000} s`));
      const timer = setTimeout(silent, timeoutMs);
      const unwatch = onAbort(signal, () => fail(cancelledBy(signal)));
      const { host, port } = this.#target;
      const sent = request({
        ...{ host, port, method: 'POST', path: '/wsman', agent: this.#agent },
        headers: { ...headers, connection: 'keep-alive', 'content-length': body.length },
      });
      sent.on('error', fail);
      sent.on('response', (answer) => {
        const heard = () => void timer.refresh();
        this.#read(post, answer, heard).then((whole) => {
          settle();
          resolve(whole);
        }, fail);
      });
      sent.end(body);
    });
  }

  async #read(post: Post, answer: IncomingMessage, heard: () => void): Promise<PostAnswer> {
    const status = answer.statusCode ?? 0;
    if (status >= 300 && status < 400)
      throw this.#failure('unsupported', post, 'the server leads elsewhere, which is not followed');
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      heard();
      length += chunk.length;
      if (length > mostAnswerBytes)
        throw this.#failure('unsupported', post, `the answer is longer than ${mostAnswerBytes} bytes`);
      chunks.push(chunk);
    }
    const { 'content-type': contentType = '', 'www-authenticate': offered = '' } = answer.headers;
    return { status, contentType, offered, body: Buffer.concat(chunks, length) };
  }

  #lost(post: Post, error: unknown): AppError {
    const { code = 'the connection broke' } = error as { code?: string };
    const isOther = code.startsWith('HPE_');
    const cut = code === 'ECONNRESET' ? 'the connection was cut' : code;
    return this.#failure(
      'unreachable',
      post,
      isOther ? 'what answers there speaks no HTTP on this port' : cut,
      error,
    );
  }

  #failure(kind: AppError['kind'], { step }: Post, message: string, cause?: unknown): AppError {
    return new AppError(kind, `${step}: ${message}`, {
      where: this.name,
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

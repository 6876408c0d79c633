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
  const agent = new OneConnection(socket);
  const name = serverName(target);
  const failure = (kind: AppError['kind'], { step }: Post, message: string, cause?: unknown) =>
    new AppError(kind, `${step}: ${message}`, { where: name, ...(cause === undefined ? {} : { cause }) });
  const close = () => {
    agent.destroy();
    socket.destroy();
  };
  return {
    name,
    host: target.host,
    certificate: socket instanceof TLSSocket ? socket.getPeerCertificate().raw : undefined,
    isClosed: () => socket.destroyed || !socket.writable,
    close,
    post: (post) =>
      new Promise<PostAnswer>((resolve, reject) => {
        const { signal, timeoutMs, body } = post;
        if (signal?.aborted) return reject(cancelledBy(signal));
        const fail = (error: unknown) => {
          clearTimeout(timer);
          unwatch();
          reject(error instanceof AppError ? error : lost(error));
          sent.destroy();
          close();
        };
        const lost = (error: unknown) => {
          const { code = 'the connection broke' } = error as { code?: string };
          const words = code.startsWith('HPE_')
            ? 'what answers there speaks no HTTP on this port'
            : code === 'ECONNRESET'
              ? 'the connection was cut'
              : code;
          return failure('unreachable', post, words, error);
        };
        const silent = () => fail(failure('unreachable', post, `no answer for ${timeoutMs / 1000} s`));
        const timer = setTimeout(silent, timeoutMs);
        const unwatch = onAbort(signal, () => fail(cancelledBy(signal)));
        const sent = request({
          ...{ host: target.host, port: target.port, method: 'POST', path: '/wsman', agent },
          headers: { ...post.headers, connection: 'keep-alive', 'content-length': body.length },
        });
        sent.on('error', fail);
        sent.on('response', (answer) => {
          const status = answer.statusCode ?? 0;
          if (status >= 300 && status < 400)
            return fail(failure('unsupported', post, 'the server leads elsewhere, which is not followed'));
          const tooLong = () =>
            failure('unsupported', post, `the answer is longer than ${mostAnswerBytes} bytes`);
          wholeBody(answer, () => timer.refresh(), tooLong).then((whole) => {
            clearTimeout(timer);
            unwatch();
            const { 'content-type': contentType = '', 'www-authenticate': offered = '' } = answer.headers;
            resolve({ status, contentType, offered, body: whole });
          }, fail);
        });
        sent.end(body);
      }),
  };
}

async function wholeBody(
  answer: IncomingMessage,
  heard: () => void,
  tooLong: () => AppError,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    heard();
    length += chunk.length;
    if (length > mostAnswerBytes) throw tooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

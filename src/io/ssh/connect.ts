/** The way to a host by SSH: the socket, the key exchange, the host's key, the login. Each step has its own words. */
import { connect as connectSocket, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import ssh2 from 'ssh2';
import { AppError, toAppError } from '../../model/errors.ts';
import { throwIfAborted } from '../in-order.ts';
import { type AlgorithmLists, algorithmLists, forSsh2 } from './algorithms.ts';
import { Answers } from './answers.ts';
import { Authentication, type SshAuth } from './authentication.ts';
import type { Strictness } from './config.ts';
import { SshConnection } from './connection.ts';
import { describeTarget, handshakeFailure, printable, type SshTarget, socketFailure } from './failures.ts';
import {
  hostKeyNotAllowed,
  hostKeyQuestion,
  hostKeyRefused,
  judgeHostKey,
  orderedAlgorithms,
} from './host-key.ts';
import {
  fingerprint,
  hostName,
  type KnownHostsFiles,
  type KnownKey,
  knownKeys,
  rememberKey,
  usualKnownHosts,
} from './known-hosts.ts';
import { offerBytes, type ServerOffer, serverOffer } from './server-offer.ts';

export interface SshOptions {
  readonly signal?: AbortSignal;
  /** A question with yes and no: an unknown host's key. */
  confirm(question: string): Promise<boolean>;
  /** A short line: what is being waited for. */
  report?(step: string): void;
  readonly knownHosts?: KnownHostsFiles;
  /** For each step that waits for the host. Default 20 s. */
  readonly timeoutMs?: number;
  /** A silent host is asked for a sign of life this often. Default 5 s. */
  readonly keepAliveMs?: number;
  /** Another way than a TCP connection from here: through a host between, or a command. */
  readonly via?: (signal: AbortSignal | undefined) => Promise<Duplex>;
  readonly family?: 4 | 6;
  readonly localAddress?: string;
  /** Default: the current ones. */
  readonly algorithms?: AlgorithmLists;
  /** What becomes of a host that is not known. Default `ask`. */
  readonly strict?: Strictness;
}

/** @throws AppError `unreachable`, `auth`, `cancelled`; the message says at which step. */
export function connectSsh(target: SshTarget, auth: SshAuth, options: SshOptions): Promise<SshConnection> {
  return connectWith(target, auth instanceof Answers ? auth : new Answers(auth), options);
}

async function connectWith(target: SshTarget, answers: Answers, options: SshOptions): Promise<SshConnection> {
  const { signal } = options;
  throwIfAborted(signal);
  const files = options.knownHosts ?? usualKnownHosts();
  const known = await knownKeys(files, target);
  options.report?.(`connecting to ${describeTarget(target)}`);
  const stream = options.via === undefined ? await openSocket(target, options) : await options.via(signal);
  try {
    return await new Handshake(target, answers, options, files, known).run(stream);
  } catch (error) {
    stream.on('error', () => undefined); // said already
    stream.destroy();
    throw error;
  }
}

const keepAliveOf = (options: SshOptions): number => options.keepAliveMs ?? 5_000;
const timeoutOf = (options: SshOptions): number => options.timeoutMs ?? 20_000;

function openSocket(target: SshTarget, options: SshOptions): Promise<Socket> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    const socket = connectSocket({
      host: target.host,
      port: target.port,
      noDelay: true,
      ...(options.family === undefined ? {} : { family: options.family }),
      ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
    });
    const done = (act: () => void) => {
      clearTimeout(clock);
      signal?.removeEventListener('abort', cancel);
      socket.removeAllListeners();
      act();
    };
    const fail = (error: AppError) =>
      done(() => {
        socket.on('error', () => undefined); // said already
        socket.destroy();
        reject(error);
      });
    const cancel = () => fail(new AppError('cancelled', 'cancelled', { cause: signal?.reason }));
    const clock = setTimeout(() => fail(socketFailure(systemError('ETIMEDOUT'), target)), timeoutOf(options));
    signal?.addEventListener('abort', cancel, { once: true });
    socket.once('connect', () => done(() => resolve(socket)));
    socket.once('error', (error) => fail(socketFailure(error, target)));
  });
}

const systemError = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code });

/** The same again, under another signal. */
function another(options: SshOptions, signal: AbortSignal | undefined): SshOptions {
  const { signal: _, ...rest } = options;
  return signal === undefined ? rest : { ...rest, signal };
}

/** A socket counts itself; of any other stream what comes is counted. */
function countBytes(stream: Duplex): { readonly bytesRead: number } {
  if ('bytesRead' in stream) return stream as Duplex & { readonly bytesRead: number };
  const count = { bytesRead: 0 };
  stream.on('data', (chunk: Buffer) => {
    count.bytesRead += chunk.length;
  });
  return count;
}

class Handshake {
  readonly #target: SshTarget;
  readonly #options: SshOptions;
  readonly #files: KnownHostsFiles;
  readonly #known: readonly KnownKey[];
  readonly #answers: Answers;
  readonly #algorithms: AlgorithmLists;
  readonly #authentication: Authentication;
  readonly #client = new ssh2.Client();
  #step = 'key exchange';
  #clock: NodeJS.Timeout | undefined;
  #first: Buffer = Buffer.alloc(0);
  #hostKey: Buffer | undefined;
  #isNew = false;
  #settled = false;
  #fail: (error: unknown) => void = () => undefined;

  constructor(
    target: SshTarget,
    answers: Answers,
    options: SshOptions,
    files: KnownHostsFiles,
    known: readonly KnownKey[],
  ) {
    this.#target = target;
    this.#options = options;
    this.#files = files;
    this.#known = known;
    this.#answers = answers;
    const lists = options.algorithms ?? algorithmLists(false);
    this.#algorithms = { ...lists, hostKey: orderedAlgorithms(known, lists.hostKey) };
    this.#authentication = new Authentication(target, answers, {
      stop: () => clearTimeout(this.#clock),
      start: () => {
        if (!this.#settled) this.#wait();
      },
    });
  }

  async run(stream: Duplex): Promise<SshConnection> {
    const { signal } = this.#options;
    const cancel = () => this.#fail(new AppError('cancelled', 'cancelled', { cause: signal?.reason }));
    try {
      const connection = await new Promise<SshConnection>((resolve, reject) => {
        this.#fail = (error) => {
          this.#settled = true;
          reject(toAppError(error));
        };
        signal?.addEventListener('abort', cancel, { once: true });
        if (signal?.aborted) cancel();
        this.#listen(stream, resolve);
        this.#wait();
        this.#start(stream);
      });
      return connection;
    } catch (error) {
      this.#client.destroy();
      throw error;
    } finally {
      this.#settled = true;
      clearTimeout(this.#clock);
      signal?.removeEventListener('abort', cancel);
    }
  }

  #start(sock: Duplex): void {
    if (sock.destroyed) {
      return this.#fail(this.#brokenOff(sock.errored ?? new Error('the connection was closed')));
    }
    this.#client.connect({
      sock: sock as never, // any stream will do
      username: this.#target.user,
      readyTimeout: 0, // ours stands still while somebody is asked
      keepaliveInterval: keepAliveOf(this.#options),
      // ssh2 counts answers only, which come late behind much data on a slow link: SshConnection judges by all bytes.
      keepaliveCountMax: Number.MAX_SAFE_INTEGER,
      algorithms: forSsh2(this.#algorithms),
      hostVerifier: (key: Buffer, verify: (valid: boolean) => void) => this.#verify(key, verify),
      authHandler: (offered, partial, next) => {
        this.#nextMethod(offered, partial, next as (method: unknown) => void).catch(this.#fail);
      },
    });
  }

  #listen(stream: Duplex, resolve: (connection: SshConnection) => void): void {
    const client = this.#client;
    const counted = countBytes(stream);
    // ssh2 pauses the stream in this same turn, so that it misses nothing.
    stream.on('data', this.#overhear);
    client.on('error', (error: Error & { level?: string }) => {
      if (this.#settled) return;
      // These only end one method; the next one is tried.
      if (error.level === 'agent') this.#authentication.note(error);
      else if (error.level === 'client-authentication') this.#authentication.note(error);
      else this.#fail(this.#brokenOff(error));
    });
    client.on('close', () => {
      if (!this.#settled) this.#fail(this.#brokenOff(new Error('the server closed the connection')));
    });
    client.on('change password', () => {
      this.#fail(
        new AppError('auth', 'authentication: the password has expired and has to be changed', {
          where: describeTarget(this.#target),
          hint: 'log in with ssh once and change it',
        }),
      );
    });
    client.on('handshake', () => {
      if (this.#settled) return; // a later exchange of keys
      stream.off('data', this.#overhear);
      this.#step = 'authentication';
      this.#wait();
      // Only now is it proven that the server holds the key. A later exchange of the same connection adds nothing.
      if (this.#isNew) void this.#remember();
    });
    client.on('ready', () => {
      this.#settled = true;
      resolve(
        new SshConnection(client, this.#target, counted, {
          keepAliveMs: keepAliveOf(this.#options),
          timeoutMs: timeoutOf(this.#options),
          asked: this.#answers.asked,
          another: (signal) => connectWith(this.#target, this.#answers, another(this.#options, signal)),
        }),
      );
    });
  }

  /** The first bytes, for what they tell when nothing fits. */
  #overhear = (chunk: Buffer): void => {
    if (this.#first.length < offerBytes) this.#first = Buffer.concat([this.#first, chunk]);
  };

  get #offer(): ServerOffer | undefined {
    return serverOffer(this.#first);
  }

  /** (Re)starts the time that the host has for the step. */
  #wait(): void {
    clearTimeout(this.#clock);
    const timeout = timeoutOf(this.#options);
    this.#clock = setTimeout(() => {
      this.#fail(
        new AppError('unreachable', `${this.#step}: no answer for ${timeout / 1000} seconds`, {
          where: describeTarget(this.#target),
          hint: 'the host is overloaded, or something between drops the connection; try again',
        }),
      );
    }, timeout);
  }

  /** Called again at each exchange of keys in a long connection: then it must be the same key. */
  #verify(shown: Buffer, verify: (valid: boolean) => void): void {
    if (this.#hostKey !== undefined) return verify(this.#hostKey.equals(shown));
    const key = Buffer.from(shown);
    this.#judge(key).then(
      () => {
        this.#hostKey = key;
        if (!this.#settled) this.#wait();
        verify(true);
      },
      (error) => {
        this.#fail(error);
        verify(false);
      },
    );
  }

  async #judge(key: Buffer): Promise<void> {
    this.#step = 'host key';
    if (judgeHostKey(key, this.#known, this.#target) === 'known') return;
    if (this.#answers.accepts(key)) return;
    if (this.#options.strict === 'yes') throw hostKeyNotAllowed(key, this.#target);
    clearTimeout(this.#clock);
    if (this.#options.strict === 'accept-new') {
      this.#options.report?.(
        `${hostName(this.#target)} was not known; its key ${fingerprint(key)} is taken as it is`,
      );
    } else if (!(await this.#options.confirm(hostKeyQuestion(key, this.#target)))) {
      throw hostKeyRefused(key, this.#target);
    }
    this.#answers.accept(key);
    this.#isNew = true;
  }

  async #remember(): Promise<void> {
    this.#isNew = false;
    const { user, hash } = this.#files;
    await rememberKey(user, this.#target, this.#hostKey!, hash).catch((error) => {
      this.#options.report?.(`the host key can't be remembered in ${user}: ${toAppError(error).message}`);
    });
  }

  async #nextMethod(
    offered: readonly string[] | null,
    partial: boolean | null,
    next: (method: unknown) => void,
  ): Promise<void> {
    clearTimeout(this.#clock); // the keychain, or somebody, may be asked now
    const method = await this.#authentication.next(offered, partial);
    if (this.#settled) return;
    if (method === undefined) {
      this.#fail(this.#authentication.failure());
      return next(false);
    }
    this.#options.report?.(`logging in to ${describeTarget(this.#target)}`);
    this.#wait();
    next(method);
  }

  #brokenOff(error: Error): AppError {
    if (this.#step !== 'authentication') {
      return handshakeFailure(error, this.#step, this.#target, this.#offer, this.#algorithms);
    }
    const many = /too many authentication failures/i.test(error.message);
    return new AppError('auth', `authentication: ${printable(error.message)}`, {
      where: describeTarget(this.#target),
      hint: many
        ? 'the agent offers more keys than the server accepts tries: name the right key file (in the form, or by IdentityFile), or remove keys from the agent'
        : 'check the user and the secret; the log of sshd there says more',
      cause: error,
    });
  }
}

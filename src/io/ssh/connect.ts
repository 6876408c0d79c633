/** The way to a host by SSH: the socket, the key exchange, the host's key, the login. Each step has its own words. */
import { connect as connectSocket, type Socket } from 'node:net';
import ssh2 from 'ssh2';
import { AppError, toAppError } from '../../model/errors.ts';
import { throwIfAborted } from '../in-order.ts';
import { Authentication, type SshAuth } from './authentication.ts';
import { SshConnection } from './connection.ts';
import { describeTarget, handshakeFailure, printable, type SshTarget, socketFailure } from './failures.ts';
import { hostKeyQuestion, hostKeyRefused, judgeHostKey, orderedAlgorithms } from './host-key.ts';
import {
  type KnownHostsFiles,
  type KnownKey,
  knownKeys,
  rememberKey,
  usualKnownHosts,
} from './known-hosts.ts';

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
}

/** @throws AppError `unreachable`, `auth`, `cancelled`; the message says at which step. */
export async function connectSsh(
  target: SshTarget,
  auth: SshAuth,
  options: SshOptions,
): Promise<SshConnection> {
  const { signal } = options;
  throwIfAborted(signal);
  const files = options.knownHosts ?? usualKnownHosts();
  const known = await knownKeys(files, target);
  options.report?.(`connecting to ${describeTarget(target)}`);
  const socket = await openSocket(target, options);
  try {
    return await new Handshake(target, auth, options, files, known).run(socket);
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

const keepAliveOf = (options: SshOptions): number => options.keepAliveMs ?? 5_000;
const timeoutOf = (options: SshOptions): number => options.timeoutMs ?? 20_000;

function openSocket(target: SshTarget, options: SshOptions): Promise<Socket> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ host: target.host, port: target.port, noDelay: true });
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

class Handshake {
  readonly #target: SshTarget;
  readonly #options: SshOptions;
  readonly #files: KnownHostsFiles;
  readonly #known: readonly KnownKey[];
  readonly #authentication: Authentication;
  readonly #client = new ssh2.Client();
  #step = 'key exchange';
  #clock: NodeJS.Timeout | undefined;
  #hostKey: Buffer | undefined;
  #isNew = false;
  #settled = false;
  #fail: (error: unknown) => void = () => undefined;

  constructor(
    target: SshTarget,
    auth: SshAuth,
    options: SshOptions,
    files: KnownHostsFiles,
    known: readonly KnownKey[],
  ) {
    this.#target = target;
    this.#options = options;
    this.#files = files;
    this.#known = known;
    this.#authentication = new Authentication(target, auth);
  }

  async run(socket: Socket): Promise<SshConnection> {
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
        this.#listen(socket, resolve);
        this.#wait();
        this.#start(socket);
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

  #start(sock: Socket): void {
    this.#client.connect({
      sock,
      username: this.#target.user,
      readyTimeout: 0, // ours stands still while somebody is asked
      keepaliveInterval: keepAliveOf(this.#options),
      // ssh2 counts answers only, which come late behind much data on a slow link: SshConnection judges by all bytes.
      keepaliveCountMax: Number.MAX_SAFE_INTEGER,
      algorithms: { serverHostKey: orderedAlgorithms(this.#known) },
      hostVerifier: (key: Buffer, verify: (valid: boolean) => void) => this.#verify(key, verify),
      authHandler: (offered, partial, next) => {
        this.#nextMethod(offered, partial, next as (method: unknown) => void).catch(this.#fail);
      },
    });
  }

  #listen(socket: Socket, resolve: (connection: SshConnection) => void): void {
    const client = this.#client;
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
      this.#step = 'authentication';
      this.#wait();
      // Only now is it proven that the server holds the key. A later exchange of the same connection adds nothing.
      if (this.#isNew) void this.#remember();
    });
    client.on('ready', () => {
      this.#settled = true;
      resolve(
        new SshConnection(client, this.#target, socket, {
          keepAliveMs: keepAliveOf(this.#options),
          timeoutMs: timeoutOf(this.#options),
        }),
      );
    });
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
    clearTimeout(this.#clock);
    if (!(await this.#options.confirm(hostKeyQuestion(key, this.#target)))) {
      throw hostKeyRefused(key, this.#target);
    }
    this.#isNew = true;
  }

  async #remember(): Promise<void> {
    this.#isNew = false;
    const { user } = this.#files;
    await rememberKey(user, this.#target, this.#hostKey!).catch((error) => {
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
    if (this.#step !== 'authentication') return handshakeFailure(error, this.#step, this.#target);
    const many = /too many authentication failures/i.test(error.message);
    return new AppError('auth', `authentication: ${printable(error.message)}`, {
      where: describeTarget(this.#target),
      hint: many
        ? 'the agent offers more keys than the server accepts tries: name the right key file, or remove keys from the agent'
        : 'check the user and the secret; the log of sshd there says more',
      cause: error,
    });
  }
}

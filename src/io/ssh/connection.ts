/** An open connection to a host: commands and files, until it is closed or lost. */
import type { Socket } from 'node:net';
import type { Client, ClientChannel, SFTPWrapper } from 'ssh2';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { describeTarget, lostConnection, printable, type SshTarget } from './failures.ts';
import { plainCommand, quoteArgs } from './quote-args.ts';
import { Sftp } from './sftp.ts';

export interface ExecOptions {
  readonly signal?: AbortSignal;
  readonly input?: string | Uint8Array;
  /** What it is called in messages. Default: its first word. */
  readonly name?: string;
  /** More than this on one of its outputs ends the command. Default 16 MiB. */
  readonly maximumBytes?: number;
  /** The shell there is none of POSIX: words that need no quoting, see `plainCommand`. */
  readonly plain?: boolean;
}

export interface ExecResult {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface Patience {
  /** How often ssh2 asks the host for a sign of life. */
  readonly keepAliveMs: number;
  /** For a channel to be opened. */
  readonly timeoutMs: number;
  /** Opens a connection like this one. */
  /** Somebody had to answer the server's own questions, and would have to again for a further connection. */
  readonly asked: boolean;
  another(signal: AbortSignal | undefined): Promise<SshConnection>;
}

interface Watch {
  readonly cancels: Set<() => void>;
  readonly listener: () => void;
}

const cancelled = (signal: AbortSignal | undefined): AppError =>
  new AppError('cancelled', 'cancelled', { cause: signal?.reason });

/** Questions to a silent host before the connection counts as lost. */
const keepAliveQuestions = 3;

/** How long a server that doesn't say goodbye is waited for. */
const farewellMs = 500;

export class SshConnection {
  readonly target: SshTarget;
  /** Resolves when the connection is lost, with the reason; never after `close`. */
  readonly lost: Promise<AppError>;
  readonly #client: Client;
  readonly #patience: Patience;
  readonly #closed: Promise<void>;
  /** Rejected by a lost connection, so that nothing waits for an answer that can't come. */
  readonly #pending = new Set<(error: AppError) => void>();
  readonly #watches = new Map<AbortSignal, Watch>();
  #tellLost: (why: AppError) => void = () => undefined;
  #ended: AppError | undefined;
  #sftp: Promise<Sftp> | undefined;

  constructor(client: Client, target: SshTarget, socket: Pick<Socket, 'bytesRead'>, patience: Patience) {
    this.target = target;
    this.#client = client;
    this.#patience = patience;
    this.lost = new Promise((resolve) => {
      this.#tellLost = resolve;
    });
    const clock = setInterval(this.#silenceCheck(socket), patience.keepAliveMs);
    let why = 'the server closed the connection';
    client.on('error', (error: Error) => {
      why = error.message;
      this.#end(lostConnection(target, why));
    });
    this.#closed = new Promise((resolve) => {
      client.once('close', () => {
        clearInterval(clock);
        this.#end(lostConnection(target, why));
        resolve();
      });
    });
  }

  /** Whatever comes from the host is a sign of life; after some questions without any it is given up. */
  #silenceCheck(socket: Pick<Socket, 'bytesRead'>): () => void {
    let seen = socket.bytesRead;
    let silent = 0;
    return () => {
      silent = socket.bytesRead === seen ? silent + 1 : 0;
      seen = socket.bytesRead;
      if (silent <= keepAliveQuestions) return;
      this.#end(lostConnection(this.target, 'the host does not answer any more'));
      this.#client.destroy();
    };
  }

  /** `user@host`, for messages. */
  get name(): string {
    return describeTarget(this.target);
  }

  /**
   * `start` is given the two ends of a promise; a lost connection and the signal reject it too. What comes after
   * that is ignored. @throws AppError `unreachable`, `cancelled`.
   */
  request<T>(
    start: (resolve: (value: T) => void, reject: (error: unknown) => void) => void,
    signal?: AbortSignal,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended);
      if (signal?.aborted) return reject(cancelled(signal));
      const settle = (act: () => void) => {
        this.#pending.delete(refuse);
        unwatch();
        act();
      };
      const refuse = (error: unknown) => settle(() => reject(error));
      const unwatch = this.#onAbort(signal, () => refuse(cancelled(signal)));
      this.#pending.add(refuse);
      try {
        start((value) => settle(() => resolve(value)), refuse);
      } catch (error) {
        // ssh2 throws when the socket is gone and its end has not been told yet.
        refuse(lostConnection(this.target, (error as Error).message));
      }
    });
  }

  /** One listener for all requests of a signal: Node warns of more than ten. */
  #onAbort(signal: AbortSignal | undefined, cancel: () => void): () => void {
    if (signal === undefined) return () => undefined;
    const watch = this.#watches.get(signal) ?? this.#watch(signal);
    watch.cancels.add(cancel);
    return () => {
      watch.cancels.delete(cancel);
      if (watch.cancels.size > 0) return;
      this.#watches.delete(signal);
      signal.removeEventListener('abort', watch.listener);
    };
  }

  #watch(signal: AbortSignal): Watch {
    const cancels = new Set<() => void>();
    const listener = () => {
      for (const cancel of [...cancels]) cancel();
    };
    signal.addEventListener('abort', listener, { once: true });
    const watch = { cancels, listener };
    this.#watches.set(signal, watch);
    return watch;
  }

  /** The files there; one channel for all. @throws AppError `unsupported` when the server has no SFTP. */
  sftp(signal?: AbortSignal): Promise<Sftp> {
    const opened = this.#sftp ?? this.#openSftp();
    this.#sftp = opened;
    opened.catch(() => {
      this.#sftp = undefined;
    });
    return this.request((resolve, reject) => opened.then(resolve, reject), signal);
  }

  async #openSftp(): Promise<Sftp> {
    const wrapper = await this.request<SFTPWrapper>((resolve, reject) => {
      // What is started may wait for something itself: a login script, a folder of the network.
      const { timeoutMs } = this.#patience;
      const late = () =>
        reject(this.#channelFailure('SFTP', new Error(`no answer for ${timeoutMs / 1000} seconds`)));
      const clock = setTimeout(late, timeoutMs);
      this.#client.sftp((error, sftp) => {
        clearTimeout(clock);
        if (error) reject(this.#channelFailure('SFTP', error));
        else resolve(sftp);
      });
    });
    // The next one to ask has a new one.
    return new Sftp(this, wrapper, () => {
      this.#sftp = undefined;
    });
  }

  /**
   * Runs a command and waits for its end; whatever its exit code, that is an answer. sshd hands it to the user's login
   * shell (`$SHELL -c`), which is no login and shows no message of the day; but bash reads ~/.bashrc, csh ~/.cshrc and
   * zsh ~/.zshenv first, and what these print stands before the command's own output, not to be told from it.
   * @throws AppError `io` when it says too much or is killed, `cancelled`, `unreachable`.
   */
  async exec(args: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    const command = options.plain ? plainCommand(args) : quoteArgs(args);
    let channel: ClientChannel | undefined;
    try {
      return await this.request<ExecResult>((resolve, reject) => {
        this.#client.exec(command, (error, opened) => {
          if (error) return reject(this.#channelFailure('the command', error));
          channel = opened;
          if (options.signal?.aborted) return opened.close();
          collect(opened, options.name ?? args[0]!, options, this.name, resolve, reject);
        });
      }, options.signal);
    } catch (error) {
      channel?.close();
      throw error;
    }
  }

  /**
   * Starts a command whose streams are used while it runs; its end is the channel's `close`.
   * @throws AppError `unsupported` when the server opens no channel, `unreachable`, `cancelled`.
   */
  async channel(args: readonly string[], signal?: AbortSignal): Promise<ClientChannel> {
    const command = quoteArgs(args);
    let late = false;
    try {
      return await this.request<ClientChannel>((resolve, reject) => {
        this.#client.exec(command, (error, opened) => {
          if (error) return reject(this.#channelFailure('the command', error));
          opened.once('exit', (status: number | null, by?: string) => exits.set(opened, { status, by }));
          if (late) opened.close();
          else resolve(opened);
        });
      }, signal);
    } catch (error) {
      late = true;
      throw error;
    }
  }

  /** A further connection would have questions again for whoever is there. */
  get asks(): boolean {
    return this.#patience.asked;
  }

  /**
   * One more connection to the same place, for more throughput or after this one was lost: nothing that was answered
   * for this one (the host's key, a password, a passphrase) is asked again. It is closed on its own.
   * @throws AppError as `connectSsh`.
   */
  another(signal?: AbortSignal): Promise<SshConnection> {
    return this.#patience.another(signal);
  }

  /** A connection from there to a host and port. @throws AppError `unreachable`, `unsupported`, `cancelled`. */
  forward(host: string, port: number, signal?: AbortSignal): Promise<ClientChannel> {
    const place = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    return this.request<ClientChannel>((resolve, reject) => {
      const { timeoutMs } = this.#patience;
      let late = false;
      const clock = setTimeout(() => {
        late = true;
        reject(forwardFailure(new Error(`no answer for ${timeoutMs / 1000} seconds`), place, this.name));
      }, timeoutMs);
      this.#client.forwardOut('127.0.0.1', 0, host, port, (error, channel) => {
        clearTimeout(clock);
        if (error) return reject(forwardFailure(error, place, this.name));
        if (late || signal?.aborted) return channel.close();
        resolve(channel);
      });
    }, signal);
  }

  #channelFailure(what: string, error: Error): AppError {
    return new AppError(
      'unsupported',
      `channel: the server does not open ${what}: ${printable(error.message)}`,
      {
        where: this.name,
        hint: 'check that this user may log in there with a shell, and that sshd_config has "Subsystem sftp"',
        cause: error,
      },
    );
  }

  #end(error: AppError): void {
    if (this.#ended === undefined) {
      this.#ended = error;
      if (error.kind !== 'cancelled') this.#tellLost(error);
    }
    for (const refuse of [...this.#pending]) refuse(this.#ended);
  }

  /** Never throws, also when the connection is lost or closed already. */
  async close(): Promise<void> {
    this.#end(new AppError('cancelled', 'the connection was closed', { where: this.name }));
    this.#client.end();
    let clock: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      clock = setTimeout(resolve, farewellMs);
    });
    await Promise.race([this.#closed, late]);
    clearTimeout(clock);
    this.#client.destroy();
  }
}

/** RFC 4254, section 5.1: the reasons for not opening a channel. */
const reason = { prohibited: 1, connectFailed: 2 } as const;

function forwardFailure(error: Error & { reason?: number | string }, place: string, where: string): AppError {
  if (error.reason === reason.prohibited) {
    return new AppError('unsupported', `forwarding: the host does not allow a connection to ${place}`, {
      where,
      hint: 'its sshd_config needs "AllowTcpForwarding yes" (and no PermitOpen against it)',
      cause: error,
    });
  }
  const why = error.reason === reason.connectFailed ? '' : `: ${printable(error.message)}`;
  return new AppError('unreachable', `forwarding: from there nothing answers at ${place}${why}`, {
    where,
    hint: 'check the address and port as they are seen from that host',
    cause: error,
  });
}

interface Exit {
  readonly status: number | null;
  /** The signal that ended it. */
  readonly by: string | undefined;
}

const exits = new WeakMap<ClientChannel, Exit>();

/** How the command of a channel ended, if it has: that may be told before whoever asked for the channel gets it. */
export const exitOf = (channel: ClientChannel): Exit | undefined => exits.get(channel);

function collect(
  channel: ClientChannel,
  name: string,
  { input, maximumBytes = 16 * MiB }: ExecOptions,
  where: string,
  resolve: (result: ExecResult) => void,
  reject: (error: AppError) => void,
): void {
  const gather = (stream: NodeJS.ReadableStream) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= maximumBytes) chunks.push(chunk);
      else reject(new AppError('io', `"${printable(name)}" says more than ${maximumBytes} bytes`, { where }));
    });
    return chunks;
  };
  const stdout = gather(channel);
  const stderr = gather(channel.stderr);
  let code: number | null | undefined;
  let killedBy = '';
  channel.on('exit', (status: number | null, signal?: string) => {
    code = status;
    killedBy = signal ?? '';
  });
  channel.on('close', () => {
    if (typeof code === 'number') {
      resolve({ code, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() });
    } else {
      const how = killedBy === '' ? 'ended without telling how' : `was ended by ${printable(killedBy)}`;
      reject(new AppError('io', `"${printable(name)}" ${how}`, { where }));
    }
  });
  channel.on('error', (error: Error) => reject(new AppError('io', printable(error.message), { where })));
  channel.end(input === undefined ? undefined : Buffer.from(input));
}

/**
 * WinRM: commands on a Windows host over WS-Management ([MS-WSMV]), each in a shell of its own. Over TLS with the
 * certificate verified or pinned, or over plain HTTP with every message sealed by NTLM.
 */
import { AppError } from '../../model/errors.ts';
import { untilAborted } from '../host/abort-watch.ts';
import { secureContext } from '../https/authorities.ts';
import { connectPlain, connectTrusted, serverName, type TlsTarget } from '../https/connect.ts';
import type { KnownCertificates } from '../https/known-certificates.ts';
import { settleTrust } from '../https/trust.ts';
import { httpChannel } from './channel.ts';
import { type Conversation, type Login, logIn } from './conversation.ts';
import { type Command, createShell, type Ended, removeShell, runInShell } from './shell.ts';

export interface WinRmOptions extends TlsTarget {
  readonly tls: boolean;
  readonly login: Login;
  /** SHA-256 of the only certificate that will do. */
  readonly fingerprint?: string | undefined;
  readonly legacy?: boolean;
  readonly known: KnownCertificates;
  confirm(question: string): Promise<boolean>;
  readonly signal?: AbortSignal;
  /** For reaching the server and logging in; default 60 s. */
  readonly timeoutMs?: number;
}

export interface WinRm {
  /** `host:port`. */
  readonly name: string;
  /** Whatever it ends with. @throws AppError `unreachable`, `auth`, `corrupt`, `unsupported`, `io`, `cancelled`. */
  run(command: Command): Promise<Ended>;
  close(): Promise<void>;
}

/** http.sys gives up connections that were silent for 120 s. */
const idleMs = 60_000;
/** Commands; more wait. The oldest hosts give a user five shells. */
const mostAtOnce = 4;
/** For removing shells that were left, when all is closed. */
const tidyMs = 1000;

/** Logs in; by Basic, that is with the first command. @throws AppError `auth`, `unreachable`, `unsupported`, `usage`, `corrupt`, `cancelled`. */
export async function openWinRm(options: WinRmOptions): Promise<WinRm> {
  if (!options.tls && options.login.way === 'basic') {
    throw new AppError(
      'usage',
      'a login by Basic without TLS would show the password to everybody in between',
      {
        where: serverName(options),
        hint: 'say yes to TLS, or log in by NTLM',
      },
    );
  }
  const connect = await connector(options);
  const client = new Client(
    serverName(options),
    `${options.tls ? 'https' : 'http'}://${serverName(options)}/wsman`,
    connect,
  );
  await client.begin(options.signal);
  return client;
}

type Connect = (signal: AbortSignal | undefined) => Promise<Conversation>;

async function connector(options: WinRmOptions): Promise<Connect> {
  const { tls, login, timeoutMs = 60_000 } = options;
  const talk = (socket: Parameters<typeof httpChannel>[0], signal: AbortSignal | undefined) =>
    logIn(httpChannel(socket, options), login, { step: 'logging in', timeoutMs, signal });
  if (!tls) return async (signal) => talk(await connectPlain(options, { timeoutMs, signal }), signal);
  const context = await secureContext(options.legacy ?? false);
  const pinned = await settleTrust(options, {
    context,
    timeoutMs,
    signal: options.signal,
    fingerprint: options.fingerprint,
    known: options.known,
    confirm: (question) => options.confirm(question),
  });
  return async (signal) =>
    talk(await connectTrusted(options, pinned, { context, timeoutMs, signal }), signal);
}

class Client implements WinRm {
  readonly name: string;
  readonly #endpoint: string;
  readonly #connect: Connect;
  readonly #idle: { conversation: Conversation; since: number }[] = [];
  readonly #used = new Set<Conversation>();
  readonly #tidying = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(name: string, endpoint: string, connect: Connect) {
    this.name = name;
    this.#endpoint = endpoint;
    this.#connect = connect;
  }

  async begin(signal: AbortSignal | undefined): Promise<void> {
    this.#give(await this.#new(signal));
  }

  async run(command: Command): Promise<Ended> {
    await this.#turn(command.signal);
    try {
      return await this.#runNow(command);
    } finally {
      this.#running--;
      for (const next of this.#waiting.splice(0)) next();
    }
  }

  async #runNow(command: Command): Promise<Ended> {
    const { signal } = command;
    const { conversation, shellId } = await this.#shell(signal);
    const context = { conversation, endpoint: this.#endpoint, signal };
    const leave = () => {
      this.#drop(conversation);
      this.#tidy(shellId);
    };
    try {
      const { commandId, ended } = await runInShell(context, shellId, command);
      // It is done, whatever becomes of its shell.
      await removeShell(context, shellId, commandId).then(() => this.#give(conversation), leave);
      return ended;
    } catch (error) {
      leave();
      throw error;
    }
  }

  async #turn(signal: AbortSignal | undefined): Promise<void> {
    while (this.#running >= mostAtOnce)
      await untilAborted(new Promise<void>((next) => this.#waiting.push(next)), signal);
    this.#running++;
  }

  async close(): Promise<void> {
    for (const { conversation } of this.#idle.splice(0)) this.#drop(conversation);
    await Promise.race([Promise.all(this.#tidying), new Promise((end) => setTimeout(end, tidyMs).unref())]);
    this.#closing.abort();
    for (const conversation of [...this.#used]) this.#drop(conversation);
  }

  /** A connection that was kept may have been given up by the server meanwhile: then on a new one. */
  async #shell(signal: AbortSignal | undefined): Promise<{ conversation: Conversation; shellId: string }> {
    for (;;) {
      const kept = this.#kept();
      const conversation = kept ?? (await this.#new(signal));
      try {
        const shellId = await createShell({ conversation, endpoint: this.#endpoint, signal });
        return { conversation, shellId };
      } catch (error) {
        this.#drop(conversation);
        const isGone = error instanceof AppError && error.kind === 'unreachable';
        if (kept === undefined || !isGone) throw error;
      }
    }
  }

  #kept(): Conversation | undefined {
    for (let next = this.#idle.pop(); next !== undefined; next = this.#idle.pop()) {
      const { conversation, since } = next;
      if (Date.now() - since < idleMs && !conversation.channel.isClosed()) return conversation;
      this.#drop(conversation);
    }
    return undefined;
  }

  async #new(signal: AbortSignal | undefined): Promise<Conversation> {
    const conversation = await this.#connect(signal);
    this.#used.add(conversation);
    return conversation;
  }

  #give(conversation: Conversation): void {
    this.#idle.push({ conversation, since: Date.now() });
  }

  #drop(conversation: Conversation): void {
    this.#used.delete(conversation);
    conversation.channel.close();
  }

  /** Removing a shell ends what runs in it. What can't be removed now ends by itself when it was idle for long. */
  #tidy(shellId: string): void {
    const work = async () => {
      const signal = AbortSignal.any([AbortSignal.timeout(10_000), this.#closing.signal]);
      const conversation = await this.#new(signal);
      try {
        await removeShell({ conversation, endpoint: this.#endpoint, signal }, shellId);
      } finally {
        this.#drop(conversation);
      }
    };
    const tidying = work()
      .catch(() => undefined)
      .finally(() => this.#tidying.delete(tidying));
    this.#tidying.add(tidying);
  }
}

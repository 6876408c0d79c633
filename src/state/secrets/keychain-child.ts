/**
 * keytar in a process of its own. Its calls block a thread of the libuv pool until the keychain answers, which
 * may be never (an unlock dialog on a screen that nobody sees). Such a thread can't be cancelled, takes the place
 * of a worker that compresses disks, and `process.exit` waits for it. A child is killed instead, and a crash in
 * the native code is only the child's.
 *
 * Secrets go through the IPC channel, a pair of pipes: never through argv or the environment.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { AppError } from '../../model/errors.ts';

/**
 * The child's program, given by `-e`: so it is found in a bundle as well as in the sources. CommonJS, as keytar
 * is. It ends itself by SIGKILL, since an ordinary exit would wait for a blocked thread.
 */
const PROGRAM = `
'use strict';
const end = () => process.kill(process.pid, 'SIGKILL');
process.on('disconnect', end);
for (const signal of ['SIGINT', 'SIGHUP']) process.on(signal, () => {});
process.on('message', async ({ id, method, args }) => {
  let answer;
  try {
    answer = { id, value: await require(process.argv[1])[method](...args) };
  } catch (error) {
    answer = { id, error: String((error && error.message) || error) };
  }
  process.send(answer, (failed) => { if (failed) end(); });
});
`;

export interface KeychainChildOptions {
  /** A module with keytar's functions; a test gives its own. */
  readonly modulePath?: string | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
}

type Method = 'getPassword' | 'setPassword' | 'deletePassword';
type Answer = { readonly id: number; readonly value?: unknown; readonly error?: string };
type Pending = { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void };

/** A failure that keytar told, in the words of the system's library. */
export class KeychainRefusal extends Error {}

export class KeychainChild {
  readonly #options: KeychainChildOptions;
  readonly #pending = new Map<number, Pending>();
  #child: ChildProcess | undefined;
  #nextId = 0;
  #used = false;
  #retired = false;

  constructor(options: KeychainChildOptions = {}) {
    this.#options = options;
  }

  /**
   * @throws KeychainRefusal what keytar said; AppError `unreachable` when there was no answer in time (the child
   * is killed then; the next call starts another one) or no child.
   */
  async call(method: Method, args: readonly string[], timeoutMs: number): Promise<unknown> {
    const child = this.#child ?? this.#start();
    const id = this.#nextId++;
    // Only a call under way keeps the program alive.
    child.ref();
    child.channel?.ref();
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise((resolve, reject) => {
        this.#pending.set(id, { resolve, reject });
        timer = setTimeout(() => {
          this.#end(child, noAnswer(timeoutMs));
        }, timeoutMs);
        child.send({ id, method, args }, (error) => {
          if (error) this.#end(child, died(error));
        });
      });
    } finally {
      clearTimeout(timer);
      this.#pending.delete(id);
      if (this.#pending.size === 0) rest(child);
      if (this.#retired) this.retire();
    }
  }

  /** The keychain worked here once: what fails now may be a connection that died since. */
  get used(): boolean {
    return this.#used;
  }

  /** Closes as soon as nothing is under way. */
  retire(): void {
    this.#retired = true;
    if (this.#pending.size === 0) this.close();
  }

  /** Ends the child. Safe at any time; a later call starts another one. */
  close(): void {
    if (this.#child) this.#end(this.#child, new AppError('cancelled', 'the keychain was closed'));
  }

  #start(): ChildProcess {
    const { NODE_OPTIONS: _, ...env } = this.#options.env ?? process.env;
    const child = spawn(process.execPath, ['-e', PROGRAM, this.#options.modulePath ?? keytarPath()], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      env,
      serialization: 'json',
      windowsHide: true,
    });
    this.#child = child;
    child.on('message', (answer: Answer) => this.#answered(answer));
    child.on('error', (error) => this.#end(child, died(error)));
    child.on('exit', (code, signal) => this.#end(child, died(`it ended with ${signal ?? code}`)));
    return child;
  }

  #answered({ id, value, error }: Answer): void {
    const pending = this.#pending.get(id);
    if (error !== undefined) {
      pending?.reject(new KeychainRefusal(error));
      return;
    }
    this.#used = true;
    pending?.resolve(value);
  }

  /** What is asked of this child is answered with `error`; nothing when it was ended before. */
  #end(child: ChildProcess, error: Error): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    this.#used = false;
    const waiting = [...this.#pending.values()];
    this.#pending.clear();
    child.kill('SIGKILL');
    rest(child);
    for (const { reject } of waiting) reject(error);
  }
}

function rest(child: ChildProcess): void {
  child.unref();
  child.channel?.unref();
}

function keytarPath(): string {
  return createRequire(import.meta.url).resolve('keytar');
}

function noAnswer(timeoutMs: number): AppError {
  return new AppError('unreachable', `the keychain did not answer within ${timeoutMs / 1000} s`, {
    hint: 'it may wait for you to unlock it on another screen; unlock it, or choose the vault',
  });
}

function died(cause: unknown): AppError {
  return new AppError('unreachable', 'the helper process for the keychain died', { cause });
}

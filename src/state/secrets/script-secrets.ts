/**
 * Secrets for scripts, by reference, so that none is ever in argv:
 *
 *   fd:3               read to its end: a pipe, a here-document, a file
 *   env:NAME           taken out of our environment, so that no child of ours inherits it (what /proc shows of the
 *                      environment at our start can't be changed: a pipe is safer)
 *   cmd:pass show x    standard output of a command; run without a shell, see `splitCommand`
 *   file:/path         a regular file that only its owner may read
 *
 * Of each the first line, without its line end; a PEM block (a private key) is taken whole, of an identity file of
 * age (which begins with comments) the lines that are identities.
 */
import { AppError } from '../../model/errors.ts';
import { splitCommand } from './command-line.ts';
import { readCommand, readDescriptor, readPrivateSecret } from './script-input.ts';
import { checkSecret } from './secret-store.ts';

export interface ScriptSecretOptions {
  /** Our own environment; changed: what was read is removed. */
  readonly env: NodeJS.ProcessEnv;
  /** A command may ask for a passphrase or a touch of a key. */
  readonly timeoutMs?: number;
}

const kinds = ['fd', 'env', 'cmd', 'file'] as const;

export class ScriptSecrets {
  readonly #env: NodeJS.ProcessEnv;
  readonly #timeoutMs: number;
  /** What can be read only once, or should be: a second field may name the same reference. */
  readonly #read = new Map<string, Promise<string>>();

  constructor({ env, timeoutMs = 60_000 }: ScriptSecretOptions) {
    this.#env = env;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * The secret that the reference names.
   * @throws AppError `usage` (not a reference), `auth` (no secret there, or others may read it), `not-found`,
   * `unreachable` (no end in time), `cancelled`. None shows what was read.
   */
  read(reference: string, signal?: AbortSignal): Promise<string> {
    const known = this.#read.get(reference);
    if (known) return known;
    const reading = this.#fetch(reference, signal).then((text) => pick(text, reference));
    this.#read.set(reference, reading);
    reading.catch(() => this.#read.delete(reference));
    return reading;
  }

  async #fetch(reference: string, signal: AbortSignal | undefined): Promise<string> {
    const kind = kinds.find((name) => reference.startsWith(`${name}:`));
    const value = reference.slice(reference.indexOf(':') + 1);
    const limits = { timeoutMs: this.#timeoutMs, ...(signal === undefined ? {} : { signal }) };
    switch (kind) {
      case 'env':
        return this.#take(value);
      case 'fd':
        return readDescriptor(descriptor(value), limits);
      case 'cmd':
        return readCommand(splitCommand(value), this.#env, limits);
      case 'file':
        return readPrivateSecret(value);
      case undefined:
        // Not shown: it may be a secret that was given in place of a reference.
        throw new AppError('usage', 'this is no reference to a secret', {
          hint: 'write fd:3, env:NAME, cmd:COMMAND or file:PATH',
        });
    }
  }

  #take(name: string): string {
    const value = this.#env[name];
    if (value === undefined) throw new AppError('auth', `the environment has no ${name}`);
    delete this.#env[name];
    return value;
  }
}

function descriptor(text: string): number {
  const fd = Number(text);
  if (/^\d{1,6}$/.test(text) && fd !== 1 && fd !== 2) return fd;
  throw new AppError('usage', `fd:${text} is not a file descriptor to read from`, {
    hint: 'use fd:3 and 3<…',
  });
}

function wholeBlock(text: string): string | undefined {
  if (/^-----BEGIN /.test(text)) return text;
  const identities = text.split(/\r?\n/).filter((line) => line.startsWith('AGE-SECRET-KEY-'));
  return /^(#|AGE-SECRET-KEY-)/.test(text) && identities.length > 0 ? identities.join('\n') : undefined;
}

function pick(text: string, reference: string): string {
  const secret = wholeBlock(text) ?? /^[^\r\n]*/.exec(text)?.[0] ?? '';
  const where = reference.startsWith('cmd:') ? 'the output of the command' : reference;
  if (secret === '') throw new AppError('auth', 'there is no secret: the first line is empty', { where });
  checkSecret(secret);
  return secret;
}

/** One login at SMB servers, and a process that is logged in with it: started anew when its connection is cut. */
import { AppError } from '../../model/errors.ts';
import { type Persistence, type Tell, Tries } from '../retrying.ts';
import { type Answer, type CallOptions, SmbProcess } from './child-process.ts';
import type { Request } from './child-program.ts';
import { failureIn } from './failures.ts';

export interface SmbLogin {
  /** `user`, `DOMAIN\user`, `user@domain`. */
  readonly user: string;
  readonly port?: number | undefined;
  /** Asked for whenever a process is started; never kept. */
  password(): Promise<string>;
  /** How long one request may take. Default 60 s. */
  readonly limitMs?: number;
  /** Of tries after a failure, for a log. */
  readonly tell?: Tell | undefined;
  readonly persistence?: Partial<Persistence>;
}

const smbPort = 445;
const mostPassword = 255;

export class SmbLink {
  readonly #login: SmbLogin;
  #process: Promise<SmbProcess> | undefined;
  #closed = false;

  constructor(login: SmbLogin) {
    this.#login = login;
  }

  /** A process that is alive. @throws AppError `unsupported`, `auth`. */
  async process(): Promise<SmbProcess> {
    if (this.#closed) throw new AppError('bug', 'SMB is used after it was closed');
    const known = await this.#process?.catch(() => undefined);
    if (known?.alive) return known;
    this.#process = this.#start();
    return this.#process;
  }

  /** For one file. Another program that has it open may be our own connection that was cut. */
  tries(path: string): Tries {
    return new Tries({
      ...this.#login.persistence,
      step: path,
      tell: this.#login.tell,
      again: ({ kind }) => !this.#closed && (kind === 'unreachable' || kind === 'conflict'),
    });
  }

  /** @throws AppError as `failureIn`. */
  async call(request: Request, where: string, options: CallOptions = {}) {
    const process = await this.process();
    return checked(process, request, where, options);
  }

  async close(): Promise<void> {
    this.#closed = true;
    (await this.#process?.catch(() => undefined))?.end();
  }

  async #start(): Promise<SmbProcess> {
    const { limitMs = 60_000, port = smbPort } = this.#login;
    const password = await this.#login.password();
    if (Buffer.byteLength(password) > mostPassword || password.includes('\0'))
      throw new AppError('usage', `a password for SMB has ${mostPassword} bytes at most, none of them zero`);
    const process = new SmbProcess('SMB', limitMs);
    const [user, domain] = userAndDomain(this.#login.user);
    // Its own limit is shorter: then it tells what was wrong.
    const timeoutMs = Math.ceil(limitMs / 2);
    try {
      await checked(process, { op: 'login', user, domain, password, port, timeoutMs }, 'SMB', {});
    } catch (error) {
      process.end();
      throw error;
    }
    return process;
  }
}

/** Whether files on shares can be reached from here at all. @throws AppError `unsupported` in words why not. */
export async function findSmbLibrary(): Promise<void> {
  const process = new SmbProcess('SMB', 10_000);
  try {
    await checked(process, { op: 'find' }, 'SMB', {});
  } finally {
    process.end();
  }
}

/** What comes of a cut connection is of no use any more: its handles are gone. */
export async function checked(
  process: SmbProcess,
  request: Request,
  where: string,
  options: CallOptions,
): Promise<{ readonly header: Answer; readonly count: number }> {
  const answer = await process.call(request, options);
  const failure = failureIn(answer.header, where);
  if (failure === undefined) return answer;
  if (failure.kind === 'unreachable') process.end(failure);
  throw failure;
}

/** A user of the host itself has no domain. */
function userAndDomain(text: string): [user: string, domain: string] {
  const [, domain, user] = /^([^\\]*)\\(.*)$/s.exec(text) ?? [];
  return user === undefined ? [text, ''] : [user, domain ?? ''];
}

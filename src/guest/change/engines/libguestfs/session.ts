/** One guestfish, told by its standard input what to do: a command, and a mark that comes back when it is done. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cancelledBy, onAbort } from '../../../../io/host/abort-watch.ts';
import { AppError } from '../../../../model/errors.ts';
import { commandLine, quoted } from './command-line.ts';

const mostWords = 16 * 1024;
const mostAnswer = 2 ** 20;
/** guestfish outlives a SIGTERM to its group, which ends qemu, to remove its own files. */
const start = `trap '' TERM; exec guestfish --no-progress-bars --keys-from-stdin`;
const graceMs = 100;
/** On a busy computer it takes its time to remove them; what is still there after 10 s is stuck. */
const graces = 100;

export class GuestfishSession {
  readonly #child: ChildProcess;
  readonly #unwatch: () => void;
  readonly #ended: Promise<void>;
  readonly #mark = randomBytes(8).toString('hex');
  #said = '';
  #heard = '';
  #count = 0;
  #failure: AppError | undefined;
  #grace: NodeJS.Timeout | undefined;
  #waiting: { resolve(answer: string): void; reject(error: unknown): void; mark: string } | undefined;

  constructor(signal: AbortSignal) {
    const { LIBGUESTFS_BACKEND = 'direct' } = process.env;
    const child = spawn('sh', ['-c', start], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, LC_ALL: 'C', LIBGUESTFS_BACKEND },
      // A group of its own, which ends as a whole.
      detached: true,
    });
    this.#child = child;
    child.stdin!.on('error', () => undefined); // it has ended: that is told elsewhere
    child.stdout!.on('data', (text: Buffer) => this.#hear(text.toString('latin1')));
    child.stderr!.on('data', (text: Buffer) => {
      this.#said = (this.#said + text.toString('utf8')).slice(-mostWords);
    });
    this.#ended = new Promise((resolve) => {
      child.once('error', (error) => {
        this.#fail(new AppError('not-found', 'guestfish could not be started', { cause: error }));
        resolve();
      });
      child.once('close', () => {
        this.#fail(failedIn(this.#said));
        resolve();
      });
    });
    this.#unwatch = onAbort(signal, () => this.#kill(cancelledBy(signal)));
    if (signal.aborted) this.#kill(cancelledBy(signal));
  }

  /** What it prints, without the last line break. `where` is for messages. @throws AppError with guestfish's own words. */
  async run(
    name: string,
    args: readonly (string | number)[] = [],
    { options, key, where }: { options?: Record<string, string | number>; key?: string; where?: string } = {},
  ): Promise<string> {
    const line = commandLine(name, args, options);
    // A passphrase is read from where the commands come from.
    const lines = key === undefined ? line : `${line}\n${key}`;
    if (key?.includes('\n'))
      throw new AppError(
        'usage',
        'guestfish takes no passphrase of several lines',
        where === undefined ? {} : { where },
      );
    const mark = `${this.#mark}${++this.#count}`;
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return await new Promise<string>((resolve, reject) => {
        this.#waiting = { resolve, reject, mark };
        this.#child.stdin!.write(`${lines}\necho ${quoted(mark)}\n`);
      });
    } catch (error) {
      if (where === undefined || !(error instanceof AppError) || error.kind === 'cancelled') throw error;
      const { kind, message, hint } = error;
      throw new AppError(kind, message, { where, cause: error, ...(hint === undefined ? {} : { hint }) });
    }
  }

  /** Ends it, and what it has started. Safe to be called twice; never throws. */
  async end(): Promise<void> {
    this.#unwatch();
    this.#kill(new AppError('cancelled', 'guestfish has been ended'));
    await this.#ended;
    clearInterval(this.#grace);
  }

  #hear(text: string): void {
    this.#heard += text;
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    const at = this.#heard.indexOf(`${waiting.mark}\n`);
    if (at < 0) {
      if (this.#heard.length > mostAnswer) this.#kill(new AppError('io', 'guestfish says too much'));
      return;
    }
    const answer = this.#heard.slice(0, at);
    this.#heard = '';
    this.#waiting = undefined;
    waiting.resolve(answer.replace(/\n$/, ''));
  }

  #fail(error: AppError): void {
    this.#failure ??= error;
    this.#waiting?.reject(this.#failure);
    this.#waiting = undefined;
  }

  #kill(error: AppError): void {
    this.#fail(error);
    if (this.#grace !== undefined) return;
    this.#child.stdin!.end();
    this.#signal('SIGTERM');
    // What only begins to run is deaf to the first one.
    let left = graces;
    this.#grace = setInterval(() => this.#signal(--left > 0 ? 'SIGTERM' : 'SIGKILL'), graceMs);
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid, exitCode, signalCode } = this.#child;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // The group has ended meanwhile.
    }
  }
}

/** guestfish's last words as an error. */
export function failedIn(said: string): AppError {
  const lines = said.split('\n').filter((line) => line.trim() !== '');
  const own = lines.filter((line) => /error:/i.test(line));
  const words = (own.length === 0 ? lines : own)
    .slice(-2)
    .map((line) => line.replace(/^(\*stdin\*:\d+: )?libguestfs: error: /, ''))
    .join('; ')
    .replace(/[\0-\x1f\x7f-\x9f]/g, ' ')
    .slice(0, 600);
  if (/No space left on device/i.test(words))
    return new AppError('no-space', `the guest's filesystem is full: ${words}`, {
      hint: 'free some space inside the guest, then try again',
    });
  if (/No key available|passphrase/i.test(words))
    return new AppError('auth', `the passphrase opens nothing: ${words}`);
  return new AppError('io', `libguestfs has failed: ${words || 'it has ended by itself'}`, {
    hint: /supermin|kernel|launch|qemu/i.test(words)
      ? 'run libguestfs-test-tool to see why it does not start here; where KVM does not work, set LIBGUESTFS_BACKEND_SETTINGS=force_tcg'
      : 'the guest is left as it was',
  });
}

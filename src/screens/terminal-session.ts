/** The terminal while the screens have it: entered once, and given back on every way out. */
import { writeSync } from 'node:fs';
import type { Capabilities } from './widgets/terminal.ts';

export interface TtyInput extends NodeJS.ReadStream {
  setRawMode(on: boolean): this;
}

// Alternate buffer, cursor hidden, no wrapping at the last column; and back, with the text style reset.
const enterSequence = '\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J\x1b[H';
const leaveSequence = '\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l';
const strayLinesMax = 200;

export class TerminalSession {
  readonly #stdin: TtyInput;
  readonly #stdout: NodeJS.WriteStream;
  readonly #can: Capabilities;
  readonly #stray: string[] = [];
  #entered = false;
  #unpatch: (() => void) | undefined;

  constructor(stdin: TtyInput, stdout: NodeJS.WriteStream, can: Capabilities) {
    this.#stdin = stdin;
    this.#stdout = stdout;
    this.#can = can;
  }

  /** The real output, also while `process.stdout.write` is taken away from everything else. */
  output(): NodeJS.WriteStream['write'] {
    return this.#stdout.write.bind(this.#stdout);
  }

  enter(): void {
    if (this.#entered) return;
    this.#entered = true;
    if (!this.#can.dumb) this.#write(enterSequence);
  }

  /** Synchronous, so that it works in an `exit` handler too; a second call does nothing. */
  leave(): void {
    if (!this.#entered) return;
    this.#entered = false;
    try {
      this.#stdin.setRawMode(false);
    } catch {
      // The terminal is gone: there is nothing to set back.
    }
    this.#write(this.#can.dumb ? '\n' : leaveSequence);
  }

  /** Keeps what others print off the screen, until `printStray`. */
  catchStray(): void {
    const streams = [process.stdout, process.stderr];
    const originals = streams.map((stream) => stream.write);
    const keep = (chunk: unknown) => {
      const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk as Uint8Array).toString('utf8');
      if (this.#stray.length < strayLinesMax) this.#stray.push(text);
    };
    for (const stream of streams) {
      stream.write = ((chunk: unknown, encoding?: unknown, done?: unknown) => {
        keep(chunk);
        const callback = typeof encoding === 'function' ? encoding : done;
        if (typeof callback === 'function') setImmediate(callback as () => void);
        return true;
      }) as typeof stream.write;
    }
    this.#unpatch = () => {
      for (const [i, stream] of streams.entries()) stream.write = originals[i]!;
    };
  }

  /** After `leave`: gives the streams back and prints what was kept. */
  printStray(): void {
    this.#unpatch?.();
    this.#unpatch = undefined;
    for (const text of this.#stray.splice(0)) process.stderr.write(text);
  }

  #write(text: string): void {
    const { fd } = this.#stdout as NodeJS.WriteStream & { fd?: number };
    try {
      if (typeof fd === 'number') writeSync(fd, text);
      else this.#stdout.write(text);
    } catch {
      // A lost connection: nobody sees the terminal any more.
    }
  }
}

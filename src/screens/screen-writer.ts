/**
 * What ink writes its frames to. Ink's own full-screen output clears the whole terminal for every frame and
 * draws nothing at all where CI is set; so ink is asked for whole frames, and here only the lines that changed
 * are sent, at most ten times a second.
 */
import { EventEmitter } from 'node:events';
import { stripVTControlCharacters } from 'node:util';
import { widthOf } from './widgets/fit-text.ts';
import type { Capabilities } from './widgets/terminal.ts';

export interface TerminalOutput {
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): boolean;
  on(event: 'resize' | 'drain', listener: () => void): unknown;
  off(event: 'resize' | 'drain', listener: () => void): unknown;
}

const intervalMs = 100;
// Each frame is printed below the last one there.
const dumbIntervalMs = 500;

export class ScreenWriter extends EventEmitter {
  readonly #out: TerminalOutput;
  readonly #can: Capabilities;
  #drawn: string[] = [];
  #next: string | undefined;
  #lastAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #blocked = false;
  #paused = false;
  /** Ink asks for it: it must not think of cursors itself. */
  readonly isTTY = false;

  constructor(out: TerminalOutput, can: Capabilities) {
    super();
    this.setMaxListeners(0);
    this.#out = out;
    this.#can = can;
    out.on('resize', this.#resized);
    out.on('drain', this.#drained);
  }

  get columns(): number {
    return this.#out.columns || 80;
  }
  get rows(): number {
    return this.#out.rows || 24;
  }

  /** A whole frame; an empty text is ink's way to wait for what was written. */
  write(frame: string, done?: () => void): boolean {
    if (frame !== '') {
      this.#next = frame;
      this.#schedule();
    }
    if (done !== undefined) setImmediate(done);
    return true;
  }

  /** Draws all lines anew, after something else has written to the terminal. */
  redraw(): void {
    this.#paused = false;
    this.#next ??= this.#drawn.join('\n');
    this.#drawn = [];
    if (!this.#can.dumb) this.#out.write('\x1b[2J');
    this.#schedule();
  }

  pause(): void {
    this.#paused = true;
  }

  close(): void {
    this.#paused = true;
    clearTimeout(this.#timer);
    this.#out.off('resize', this.#resized);
    this.#out.off('drain', this.#drained);
  }

  readonly #resized = () => {
    this.#drawn = [];
    if (!this.#can.dumb) this.#out.write('\x1b[2J');
    this.emit('resize');
  };
  readonly #drained = () => {
    this.#blocked = false;
    if (this.#next !== undefined) this.#schedule();
  };

  #schedule(): void {
    if (this.#timer !== undefined || this.#blocked || this.#paused) return;
    const interval = this.#can.dumb ? dumbIntervalMs : intervalMs;
    // Not at once even when nothing was drawn lately: a key often leads to two frames in a row.
    const wait = Math.max(5, this.#lastAt + interval - Date.now());
    this.#timer = setTimeout(() => this.#flush(), wait);
  }

  #flush(): void {
    this.#timer = undefined;
    const frame = this.#next;
    if (frame === undefined || this.#paused) return;
    this.#next = undefined;
    this.#lastAt = Date.now();
    const lines = (this.#can.unicode ? frame : toAscii(frame)).split('\n').slice(0, this.rows);
    const text = this.#can.dumb
      ? wholeFrame(lines, this.#drawn)
      : changedLines(lines, this.#drawn, this.columns);
    this.#drawn = lines;
    // A link that does not keep up gets the newest frame when it is ready again, and none of those between.
    if (text !== '' && !this.#out.write(text)) this.#blocked = true;
  }
}

/** The sequences that turn one frame into the next. */
export function changedLines(lines: readonly string[], drawn: readonly string[], columns: number): string {
  const parts: string[] = [];
  for (let at = 0; at < Math.max(lines.length, drawn.length); at++) {
    const line = lines[at] ?? '';
    if (line === drawn[at]) continue;
    const full = widthOf(stripVTControlCharacters(line)) >= columns;
    // After the last column, "erase to the end" would take the last character away.
    parts.push(`\x1b[${at + 1};1H${line}${line.includes('\x1b') ? '\x1b[0m' : ''}${full ? '' : '\x1b[K'}`);
  }
  return parts.join('');
}

function wholeFrame(lines: readonly string[], drawn: readonly string[]): string {
  if (lines.join('\n') === drawn.join('\n')) return '';
  const bare = lines.map((line) => stripVTControlCharacters(line).trimEnd());
  return `${bare.filter((line, i) => line !== '' || bare[i - 1] !== '').join('\n')}\n`;
}

/** As wide as before, `?` for what ASCII lacks: names of machines, for instance. */
export const toAscii = (frame: string): string =>
  frame.replaceAll('›', '>').replace(/[^\x00-\x7f]+/g, (run) => '?'.repeat(Math.max(1, widthOf(run))));

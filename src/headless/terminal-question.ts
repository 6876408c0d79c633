/** A line asked for on the terminal, such as a one-time code: not shown where it is a secret. */
import type { Question } from '../state/state.ts';
import { plainText } from './output.ts';

export interface QuestionTerminal {
  readonly input: NodeJS.ReadStream;
  readonly output: { write(text: string): unknown };
  /** Ctrl+C, which raw mode makes a plain character. */
  interrupt(): void;
}

const ownTerminal = (): QuestionTerminal => ({
  input: process.stdin,
  output: process.stderr,
  interrupt: () => process.kill(process.pid, 'SIGINT'),
});

export interface AskOptions {
  /** Ends the asking: nobody wants the answer any more. */
  readonly signal: AbortSignal;
  readonly terminal?: QuestionTerminal;
}

/** Resolves to undefined when no answer is given: Esc, Ctrl+D, or nobody wants it any more. */
export function askOnTerminal(question: Question, options: AskOptions): Promise<string | undefined> {
  const { signal, terminal = ownTerminal() } = options;
  const { input, output } = terminal;
  const hidden = question.entry === 'hidden';
  if (signal.aborted) return Promise.resolve(undefined);
  // The progress line may be there.
  output.write(`\r\x1b[K${plainText(question.from)}: ${plainText(question.text.trimEnd())} `);
  return new Promise((resolve) => {
    let line = '';
    const end = (given: string | undefined) => {
      input.off('data', read);
      input.off('end', refuse);
      signal.removeEventListener('abort', refuse);
      input.setRawMode(false);
      // Nothing keeps the program alive for more keys.
      input.pause();
      output.write('\n');
      resolve(given);
    };
    const refuse = () => end(undefined);
    const read = (chunk: Buffer | string) => {
      const text = chunk.toString();
      if (text === '\x1b') return refuse();
      for (const key of text.replace(escapeSequence, '')) {
        if (key === '\r' || key === '\n') return end(line);
        if (key === '\x04' && line === '') return refuse();
        if (key === '\x03') {
          refuse();
          return terminal.interrupt();
        }
        const next = edited(line, key);
        if (!hidden) output.write(redrawn(line, next));
        line = next;
      }
    };
    input.setRawMode(true);
    input.setEncoding('utf8');
    input.on('data', read);
    input.once('end', refuse);
    signal.addEventListener('abort', refuse, { once: true });
    input.resume();
  });
}

/** Arrows and the like. */
const escapeSequence = /\x1b(?:\[[0-9;]*[ -/]*[@-~]|O[A-Za-z])/g;

function edited(line: string, key: string): string {
  if (key === '\x7f' || key === '\b') return [...line].slice(0, -1).join('');
  if (key === '\x15') return '';
  return key < ' ' ? line : line + key;
}

/** What is typed is a code or a name: each character takes one cell. */
function redrawn(before: string, next: string): string {
  if (next.startsWith(before)) return next.slice(before.length);
  return '\b \b'.repeat([...before].length - [...next].length);
}

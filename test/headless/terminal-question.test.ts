import { PassThrough } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import { askOnTerminal } from '../../src/headless/terminal-question.ts';

function terminalOf() {
  const input = Object.assign(new PassThrough(), { setRawMode: vi.fn() });
  const written: string[] = [];
  const interrupt = vi.fn();
  const terminal = {
    input: input as unknown as NodeJS.ReadStream,
    output: { write: (text: string) => written.push(text) },
    interrupt,
  };
  const asking = new AbortController();
  const ask = (entry: 'shown' | 'hidden' = 'hidden') =>
    askOnTerminal({ id: 1, from: 'lab', text: 'Code\x1b[2J:', entry }, { signal: asking.signal, terminal });
  return { input, written, interrupt, ask, withdraw: () => asking.abort() };
}

describe('a question on the terminal', () => {
  it('says who asks and what, steers nothing, and does not show a secret', async () => {
    const { input, written, ask } = terminalOf();
    const answered = ask();
    input.write('12\x7f34\r');
    expect(await answered).toBe('134');
    expect(written.join('')).toBe('\r\x1b[Klab: Code\\u{1b}[2J: \n');
    expect(input.setRawMode.mock.calls).toEqual([[true], [false]]);
  });

  it('shows what is no secret, and takes it back', async () => {
    const { input, written, ask } = terminalOf();
    const answered = ask('shown');
    input.write('méx\x7f\x1b[D\r');
    expect(await answered).toBe('mé');
    expect(written.slice(1).join('')).toBe('méx\b \b\n');
  });

  it.each([
    ['Esc', '\x1b', 0],
    ['Ctrl+D', '\x04', 0],
    ['Ctrl+C, which also ends the command', '\x03', 1],
  ])('is refused by %s', async (_, key, interrupts) => {
    const { input, interrupt, ask } = terminalOf();
    const answered = ask();
    input.write(key);
    expect(await answered).toBeUndefined();
    expect(interrupt).toHaveBeenCalledTimes(interrupts);
  });

  it('ends when the input does, or nobody wants it any more', async () => {
    const { input, ask } = terminalOf();
    const answered = ask();
    input.end();
    expect(await answered).toBeUndefined();
    const other = terminalOf();
    const waiting = other.ask();
    other.withdraw();
    expect(await waiting).toBeUndefined();
    expect(await other.ask()).toBeUndefined();
  });
});

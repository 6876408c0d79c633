import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openTui } from '../../src/screens/open-tui.tsx';
import { type FakePort, fakePort } from './fake-port.ts';
import { states } from './states.ts';

const entered = '\x1b[?1049h';
const left = '\x1b[?1049l';

class FakeOutput extends EventEmitter {
  isTTY = true;
  columns = 80;
  rows = 24;
  text = '';
  write(text: string): boolean {
    this.text += text;
    return true;
  }
}

function terminal() {
  const modes: boolean[] = [];
  const stdin = Object.assign(new PassThrough(), {
    isTTY: true,
    setRawMode(on: boolean) {
      modes.push(on);
      return stdin;
    },
    ref: () => stdin,
    unref: () => stdin,
  });
  const stdout = new FakeOutput();
  const streams = {
    stdin: stdin as unknown as NodeJS.ReadStream,
    stdout: stdout as unknown as NodeJS.WriteStream,
  };
  return { stdin, stdout, streams, modes };
}

function open(port: FakePort = fakePort(states.environment!)) {
  vi.stubEnv('TERM', 'xterm');
  vi.stubEnv('LANG', 'C.UTF-8');
  const tty = terminal();
  const listeners = process.listenerCount('uncaughtException');
  const outcome = openTui(port, tty.streams).then(
    () => 'ended',
    (error: unknown) => error,
  );
  const shown = vi.waitFor(() => expect(tty.stdout.text).toContain('This computer'));
  const restored = () => {
    expect(tty.stdout.text.startsWith(entered)).toBe(true);
    expect(tty.stdout.text.endsWith(left)).toBe(true);
    expect(tty.modes.at(-1)).toBe(false);
    expect(process.listenerCount('uncaughtException')).toBe(listeners);
  };
  return { ...tty, port, outcome, shown, restored };
}

afterEach(() => {
  vi.unstubAllEnvs();
  process.exitCode = undefined;
});

describe('without a terminal', () => {
  it.each(['stdin', 'stdout'] as const)('%s: says what to do instead', async (which) => {
    const { streams } = terminal();
    streams[which].isTTY = false;
    await expect(openTui(fakePort(states.environment!), streams)).rejects.toMatchObject({
      kind: 'usage',
      hint: expect.stringContaining('--help'),
    });
  });
});

describe('gives the terminal back', () => {
  it('when the user ends', async () => {
    const tui = open();
    await tui.shown;
    tui.stdin.write('q');
    expect(await tui.outcome).toBe('ended');
    tui.restored();
    expect(tui.port.sent).toEqual([{ type: 'terminate' }]);
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGINT', 130],
  ] as const)('after %s, when what runs has been ended', async (signal, code) => {
    const tui = open();
    await tui.shown;
    process.emit(signal, signal);
    expect(await tui.outcome).toBe('ended');
    tui.restored();
    expect(tui.port.sent).toEqual([{ type: 'terminate' }]);
    expect(process.exitCode).toBe(code);
  });

  it.each(['end', 'error'] as const)('when the terminal is gone: %s', async (event) => {
    const tui = open();
    await tui.shown;
    tui.stdin.emit(event, new Error('EIO'));
    expect(await tui.outcome).toBe('ended');
    expect(tui.port.sent).toEqual([{ type: 'terminate' }]);
    expect(process.exitCode).toBe(129);
  });

  it('when a screen throws', async () => {
    const port = fakePort(states.environment!);
    const tui = open(port);
    await tui.shown;
    port.emit({ type: 'catalog', catalog: undefined as never });
    expect(await tui.outcome).toBeInstanceOf(TypeError);
    tui.restored();
    expect(port.sent).toEqual([{ type: 'terminate' }]);
  });

  it('after an error that nobody caught, at once, and draws no more while the rest ends', async () => {
    const port = fakePort(states.environment!);
    const { dispatch } = port;
    port.dispatch = async (command) => {
      await dispatch(command);
      await new Promise((done) => setTimeout(done, 200));
    };
    const tui = open(port);
    await tui.shown;
    const error = new Error('lost');
    process.emit('uncaughtException', error);
    expect(await tui.outcome).toBe(error);
    tui.restored();
    expect(tui.port.sent).toEqual([{ type: 'terminate' }]);
    expect(process.exitCode).toBe(1);
  });

  it('and prints then what others have printed meanwhile', async () => {
    const printed: string[] = [];
    const spy = vi
      .spyOn(process.stderr, 'write')
      .mockImplementation((text) => printed.push(String(text)) > 0);
    const tui = open();
    await tui.shown;
    process.stderr.write('a warning of some library\n');
    expect(printed).toEqual([]);
    tui.stdin.write('q');
    await tui.outcome;
    spy.mockRestore();
    expect(printed).toEqual(['a warning of some library\n']);
    expect(tui.stdout.text).not.toContain('a warning');
  });
});

it('follows the size of the terminal', async () => {
  const tui = open();
  await tui.shown;
  tui.stdout.text = '';
  tui.stdout.columns = 50;
  tui.stdout.emit('resize');
  await vi.waitFor(() => expect(tui.stdout.text).toContain('[2 Env]'));
  tui.stdin.write('q');
  await tui.outcome;
});

/** The real program in a real terminal: a tmux server of the test's own. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';

const run = promisify(execFile);

export interface Terminal {
  send(...keys: string[]): Promise<void>;
  /** Types the text as it is; resolves when its end, or the mask of a secret, is seen. */
  type(text: string): Promise<void>;
  screen(): Promise<string>;
  /** Resolves to the screen once it holds the text; fails with the screen as it was. */
  until(text: string | RegExp, seconds?: number): Promise<string>;
  /** Goes on by Tab, each time after the screen has answered, until it holds the text. */
  tabTo(text: string | RegExp): Promise<void>;
  /** Goes on by this key in the same way. */
  keyTo(key: string, text: string | RegExp): Promise<void>;
  resize(columns: number, rows: number): Promise<void>;
  /** The terminal goes, as a lost connection's does. */
  lose(): Promise<void>;
}

export interface TerminalOptions {
  readonly columns: number;
  readonly rows: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd: string;
}

/** Runs a shell command in a new terminal; the server ends with the test. */
export async function openTerminal(command: string, options: TerminalOptions): Promise<Terminal> {
  const socket = `vmferry-${randomBytes(6).toString('hex')}`;
  const tmux = async (...args: string[]) =>
    (await run('tmux', ['-L', socket, '-f', '/dev/null', ...args])).stdout;
  onTestFinished(async () => {
    await tmux('kill-server').catch(() => undefined); // it has ended by itself
  });
  const env: Record<string, string> = { LANG: 'C.UTF-8', ...options.env };
  const settings = Object.entries(env).flatMap(([key, value]) => ['-e', `${key}=${value}`]);
  const size = ['-x', String(options.columns), '-y', String(options.rows)];
  // tmux itself takes the PATH of who calls it.
  const path = env.PATH === undefined ? '' : `PATH='${env.PATH}'; export PATH; `;
  await tmux('-u', 'new-session', '-d', ...size, '-c', options.cwd, ...settings, path + command);

  const screen = () => tmux('capture-pane', '-p');
  const send = async (...keys: string[]) => void (await tmux('send-keys', ...keys));
  /** A slow program draws late; one that doesn't draw this at all has been waited for long enough. */
  async function seen(isThere: (screen: string) => boolean): Promise<void> {
    for (let tries = 0; tries < 100 && !isThere(await screen()); tries++) await pause();
  }
  async function keyTo(key: string, text: string | RegExp): Promise<void> {
    for (let steps = 0; steps < 60; steps++) {
      const before = await screen();
      if (holds(before, text)) return;
      await send(key);
      await seen((now) => cursorRows(now) !== cursorRows(before));
    }
    throw new Error(`no field shows "${text}":\n${await screen()}`);
  }
  return {
    screen,
    send,
    keyTo,
    tabTo: (text) => keyTo('Tab', text),
    lose: async () => void (await tmux('kill-server')),
    async type(text) {
      await tmux('send-keys', '-l', '--', text);
      const end = text.trim().slice(-6);
      await seen((now) => now.includes(end) || /[•*]/.test(now));
    },
    resize: async (columns, rows) =>
      void (await tmux('resize-window', '-x', String(columns), '-y', String(rows))),
    async until(text, seconds = 30) {
      const end = Date.now() + seconds * 1000;
      for (;;) {
        const now = await screen();
        if (holds(now, text)) return now;
        if (Date.now() > end) throw new Error(`"${text}" did not appear:\n${now}`);
        await pause();
      }
    },
  };
}

/** What the cursor is on. A screen without one stands for itself. */
const cursorRows = (screen: string) => screen.match(/❯ .*/g)?.join('\n') ?? screen;

const holds = (screen: string, text: string | RegExp) =>
  typeof text === 'string' ? screen.includes(text) : text.test(screen);

const pause = () => new Promise((resolve) => setTimeout(resolve, 50));

/** The real program in a real terminal: a tmux server of the test's own. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';

const run = promisify(execFile);

export interface Terminal {
  send(...keys: string[]): Promise<void>;
  /** Types the text as it is. */
  type(text: string): Promise<void>;
  screen(): Promise<string>;
  /** Resolves to the screen once it holds the text; fails with the screen as it was. */
  until(text: string | RegExp, seconds?: number): Promise<string>;
  resize(columns: number, rows: number): Promise<void>;
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
  const env = { LANG: 'C.UTF-8', ...options.env };
  const settings = Object.entries(env).flatMap(([key, value]) => ['-e', `${key}=${value}`]);
  const size = ['-x', String(options.columns), '-y', String(options.rows)];
  await tmux('-u', 'new-session', '-d', ...size, '-c', options.cwd, ...settings, command);

  const screen = () => tmux('capture-pane', '-p');
  return {
    screen,
    send: async (...keys) => void (await tmux('send-keys', ...keys)),
    type: async (text) => void (await tmux('send-keys', '-l', '--', text)),
    resize: async (columns, rows) =>
      void (await tmux('resize-window', '-x', String(columns), '-y', String(rows))),
    async until(text, seconds = 30) {
      const end = Date.now() + seconds * 1000;
      for (;;) {
        const now = await screen();
        if (typeof text === 'string' ? now.includes(text) : text.test(now)) return now;
        if (Date.now() > end) throw new Error(`"${text}" did not appear:\n${now}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
  };
}

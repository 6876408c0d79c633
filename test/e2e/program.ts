/** The built program as a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import { tempFolder } from '../temp.ts';

/** VMFERRY_PROGRAM: another build, such as an installed package. */
export const program = resolve(process.env.VMFERRY_PROGRAM ?? 'dist/cli.js');

export interface Ended {
  /** 128 + the signal's number when one ended it, as a shell says. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string;
}

export interface Place {
  /** A folder of the test's own; commands start here. */
  readonly folder: string;
  /** VMFERRY_HOME. */
  readonly home: string;
  run(args: readonly string[], options?: ProgramOptions): Promise<Ended>;
  start(args: readonly string[], options?: ProgramOptions): Running;
  path(name: string): string;
  /** All journals, as written. */
  journals(): Promise<string>;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves with the first line of standard output that the test is true for. @throws when it ends before. */
  line(test: (event: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>;
}

export async function place(): Promise<Place> {
  const folder = await tempFolder();
  const home = await tempFolder();
  const start = (args: readonly string[], options: ProgramOptions = {}) =>
    startProgram(args, { cwd: folder, ...options, env: { VMFERRY_HOME: home, ...options.env } });
  return {
    folder,
    home,
    start,
    run: (args, options) => start(args, options).ended,
    path: (name) => join(folder, name),
    async journals() {
      const list = await startProgram(['history', '--json'], { env: { VMFERRY_HOME: home } }).ended;
      const ids = list.stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line).id as string);
      const texts = ids.map((id) => readFile(join(home, 'state', 'runs', `${id}.jsonl`), 'utf8'));
      return (await Promise.all(texts)).join('');
    },
  };
}

function startProgram(args: readonly string[], { cwd, env, input }: ProgramOptions): Running {
  const child = spawn(process.execPath, [program, ...args], {
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...process.env, DBUS_SESSION_BUS_ADDRESS: 'disabled:', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  child.stdin.on('error', () => undefined); // it may end before it has read all
  child.stdin.end(input ?? '');
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (bytes) => {
    stdout += bytes;
  });
  child.stderr.on('data', (bytes) => {
    stderr += bytes;
  });
  const ended = new Promise<Ended>((done) => {
    child.on('close', (code, signal) =>
      done({ code: code ?? 128 + (signal === 'SIGKILL' ? 9 : 15), stdout, stderr }),
    );
  });
  const lines = createInterface({ input: child.stdout });
  return {
    child,
    ended,
    line: (test) =>
      new Promise((found, missed) => {
        lines.on('line', (text) => {
          const event = JSON.parse(text);
          if (test(event)) found(event);
        });
        void ended.then(({ stderr: said }) => missed(new Error(`it ended before: ${said}`)));
      }),
  };
}

/** Values of a `--json` output. */
export const values = (stdout: string): Record<string, unknown>[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

/** A raw disk with data in odd places: at the start, across 64 KiB and 1 MiB boundaries, and in the last byte. */
export function oddDisk(size: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(size);
  let state = seed >>> 0 || 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 0xff;
  };
  for (const [from, length] of [
    [0, 700],
    [65_000, 3000],
    [1_048_000, 70_000],
    [size - 1600, 1600],
  ] as const) {
    for (let at = Math.max(0, from); at < Math.min(size, from + length); at++) bytes[at] = next();
  }
  return bytes;
}

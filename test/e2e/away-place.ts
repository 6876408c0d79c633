/** A home and a folder for runs in processes of their own; those that are left over are ended with the test. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { qemuImg, qemuIo } from '../oracles/qemu-img.ts';
import { type Place, place, values } from './program.ts';

export interface Mark {
  readonly id: string;
  readonly pid: number;
  readonly socket: string;
}

export interface AwayPlace extends Place {
  /** Of the journals, marks and sockets. */
  readonly runs: string;
  /** A qcow2 with so many MiB of data. */
  image(name: string, mib: number): Promise<string>;
  /** Begins one and resolves to its id. */
  detach(...args: string[]): Promise<string>;
  /** Resolves once what `vmferry runs` tells passes. */
  untilRuns(test: (runs: readonly Row[]) => boolean): Promise<readonly Row[]>;
  /** Resolves to the run's history once it has ended. */
  ended(id: string): Promise<Record<string, unknown>>;
  marks(): Promise<Mark[]>;
  setPreferences(preferences: object): Promise<void>;
  /** Sockets and marks of runs that live, or were not cleared away. */
  leftovers(): Promise<string[]>;
}

export interface Row {
  readonly id: string;
  readonly status: string;
  readonly bytesDone: number;
  readonly waiting?: { readonly until?: number; readonly before?: number };
  readonly limit?: number;
  readonly asks: boolean;
}

export async function awayPlace(): Promise<AwayPlace> {
  const here = await place();
  const runs = join(here.home, 'state', 'runs');
  const marks = async () => {
    const names = await readdir(runs).catch(() => []);
    const texts = names.filter((name) => name.endsWith('.process')).map((name) => read(join(runs, name)));
    return (await Promise.all(texts)).flatMap((text) => (text === '' ? [] : [JSON.parse(text) as Mark]));
  };
  onTestFinished(async () => {
    for (const { pid } of await marks()) endProcess(pid);
  });
  const rows = async () => values((await here.run(['runs', '--json'])).stdout) as unknown as Row[];
  return {
    ...here,
    runs,
    marks,
    async image(name, mib) {
      await qemuImg('create', '-q', '-f', 'qcow2', here.path(name), '256M');
      await qemuIo('qcow2', here.path(name), `write -P 7 3M ${mib}M`);
      return here.path(name);
    },
    async detach(...args) {
      const { code, stdout, stderr } = await here.run([...args, '--detach', '--quiet']);
      if (code !== 0) throw new Error(stderr);
      return stdout.trim();
    },
    async setPreferences(preferences) {
      await mkdir(join(here.home, 'config'), { recursive: true });
      await writeFile(join(here.home, 'config', 'preferences.json'), JSON.stringify(preferences));
    },
    leftovers: async () => (await readdir(runs)).filter((name) => /\.(process|sock)/.test(name)),
    untilRuns: (test) => until(rows, test),
    async ended(id) {
      const all = async () => values((await here.run(['history', '--json'])).stdout);
      const found = (entries: Record<string, unknown>[]) =>
        entries.find((entry) => entry.id === id && entry.outcome !== 'running');
      return found(await until(all, (entries) => found(entries) !== undefined))!;
    },
  };
}

/** It may have gone meanwhile. */
const read = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

async function until<T>(look: () => Promise<T>, test: (found: T) => boolean): Promise<T> {
  const end = Date.now() + 60_000;
  for (;;) {
    const found = await look();
    if (test(found)) return found;
    if (Date.now() > end) throw new Error(`it did not come about: ${JSON.stringify(found)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

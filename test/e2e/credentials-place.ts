/** The program's screens with a home of their own, and everything that they write, print and start. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { onTestFinished } from 'vitest';
import { tempFolder } from '../temp.ts';
import { openTerminal, type Terminal } from './tmux.ts';

/** VMFERRY_PROGRAM: another build, as for `program.ts`. */
export const program = resolve(process.env.VMFERRY_PROGRAM ?? 'dist/cli.js');

/** No bus, no keychain: a jump host. */
export const noKeychain = { DBUS_SESSION_BUS_ADDRESS: 'disabled:' };

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export interface Place {
  /** HOME, and where the program starts. */
  readonly folder: string;
  /** VMFERRY_HOME. */
  readonly home: string;
  /** Opens the program in a terminal; `script` keeps all that it prints, to the byte. */
  open(env?: Readonly<Record<string, string>>, size?: Size): Promise<Terminal>;
  /** All bytes that were printed in all terminals of this place. */
  printed(): Promise<string>;
  /** Command lines and environments of all its processes, as they were seen. */
  readonly seen: Set<string>;
}

export async function place(): Promise<Place> {
  const folder = await tempFolder();
  const home = await tempFolder();
  const scripts = await tempFolder();
  const seen = new Set<string>();
  let count = 0;
  return {
    folder,
    home,
    seen,
    async open(env = noKeychain, size = { columns: 100, rows: 30 }) {
      const name = join(scripts, String(++count));
      const command = `script -qfec '${process.execPath} ${program}' ${name}.out`;
      const terminal = await openTerminal(
        `echo $$ > ${name}.pid; ${command}; echo "ended with $?"; sleep 600`,
        { ...size, cwd: folder, env: { VMFERRY_HOME: home, HOME: folder, ...env } },
      );
      const timer = setInterval(() => {
        if (!existsSync(`${name}.pid`)) return;
        const root = Number(readFileSync(`${name}.pid`, 'utf8'));
        if (root > 0) for (const text of processTexts(root)) seen.add(text);
      }, 40);
      onTestFinished(() => {
        clearInterval(timer);
        // A test that failed in the middle leaves nothing running behind its terminal.
        for (const pid of pidsBelow(Number(fileOf(`${name}.pid`)))) process.kill(pid, 'SIGKILL');
      });
      return terminal;
    },
    async printed() {
      const names = (await readdir(scripts)).filter((file) => file.endsWith('.out'));
      return (await Promise.all(names.map((file) => readFile(join(scripts, file), 'latin1')))).join('\n');
    },
  };
}

/** Command line and environment of every process below `root`. */
export const processTexts = (root: number): string[] =>
  pidsBelow(root).map((pid) => `${fileOf(`/proc/${pid}/cmdline`)}\n${fileOf(`/proc/${pid}/environ`)}`);

function pidsBelow(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const stat = fileOf(`/proc/${name}/stat`);
    // After the name in brackets: state, parent.
    parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
  }
  const below = (pid: number): boolean => {
    const parent = parents.get(pid);
    return parent !== undefined && parent !== 0 && (parent === root || below(parent));
  };
  return root > 0 ? [...parents.keys()].filter(below) : [];
}

function fileOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return ''; // the process has ended meanwhile
  }
}

/** Names of the files below `folder` that hold one of the secrets, as it is, in base64 or in hex. */
export async function filesWith(folder: string, secrets: readonly string[]): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const found: string[] = [];
  for (const entry of entries.filter((e) => e.isFile())) {
    const path = join(entry.parentPath, entry.name);
    if (holds(await readFile(path, 'latin1'), secrets)) found.push(path);
  }
  return found;
}

export const holds = (text: string, secrets: readonly string[]): boolean =>
  secrets.some((secret) => formsOf(secret).some((form) => text.includes(form)));

function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [secret, bytes.toString('hex'), bytes.toString('base64').replace(/=+$/, '')];
}

/**
 * Commands as root by sudo(8). The password goes to sudo's standard input as one line before the command's own input:
 * never into arguments, an environment or an error.
 *
 * Whether sudo reads that line depends on its rules (NOPASSWD) and on what it remembers, which differs by terminal and
 * by process (`timestamp_type`). So sudo is told to forget (`-k`), and between sudo and the command stands a shell that
 * reads up to a mark: it swallows a password that sudo did not want. Where the rules allow single commands only, no
 * shell is among them; then the rules themselves (`sudo -l`) have to say that all want a password, or none.
 */
import { randomBytes } from 'node:crypto';
import { AppError } from '../../model/errors.ts';
import type { Host, Running, RunResult } from './host.ts';

/** What is run, and what has to be on its standard input before the rest. */
export interface Elevated {
  readonly args: readonly string[];
  readonly preamble: string;
}

export type Elevation = (args: readonly string[]) => Elevated;

/** sudo asks for nothing. */
export const withoutPassword: Elevation = (args) => ({
  args: ['sudo', '-n', '--', ...args],
  preamble: '',
});

/** Reads to the mark, byte by byte as a shell does from a pipe, then becomes the command. */
const swallow =
  'IFS= read -r l; [ "$l" = "$1" ] || IFS= read -r l; [ "$l" = "$1" ] || exit 125; unset l; shift; LC_ALL=C; export LC_ALL; exec "$@"';

const inSudo = ['sudo', '-k', '-S', '-p', ''] as const;

export function withPassword(password: string): Elevation {
  const line = passwordLine(password);
  const mark = `vmferry-${randomBytes(12).toString('hex')}`;
  return (args) => ({
    args: [...inSudo, '--', '/bin/sh', '-c', swallow, 'sh', mark, ...args],
    preamble: `${line}${mark}\n`,
  });
}

/** Only where every rule wants the password: otherwise the command would read it. */
export function alwaysAsked(password: string): Elevation {
  const line = passwordLine(password);
  return (args) => ({ args: [...inSudo, '--', ...args], preamble: line });
}

function passwordLine(password: string): string {
  if (!/[\n\r\0]/.test(password)) return `${password}\n`;
  throw new AppError('usage', 'the password of sudo has a line break in it');
}

export interface ElevationOptions {
  readonly signal?: AbortSignal | undefined;
  /** Asked only when sudo wants one. @throws AppError `auth` when there is none. */
  password(): Promise<string>;
}

/**
 * The same host, its commands run as root, and its files as root sees them where a helper can be started there (else
 * as the user does). The host itself where the user is root already.
 * @throws AppError `auth` (wrong password, not allowed), `not-found` (no sudo), `unsupported` (wants a terminal).
 */
export async function elevatedHost(host: Host, options: ElevationOptions): Promise<Host> {
  const { signal } = options;
  const id = await host.run(['id', '-u'], { signal });
  if (id.stdout.toString().trim() === '0') return host;
  const elevation = await elevationOn(host, options);
  const become =
    (spawn: Host['spawn']): Host['spawn'] =>
    async (args, spawnOptions) => {
      const { args: all, preamble } = elevation(args);
      const running = await spawn(all, spawnOptions).catch((error) => {
        throw inner(error, args[0]!, host.name);
      });
      if (preamble !== '') running.stdin.write(preamble);
      return told(running, args[0]!, host.name);
    };
  return {
    ...host,
    files: host.filesAs?.(become) ?? host.files,
    async run(args, runOptions = {}) {
      const { args: all, preamble } = elevation(args);
      const input = Buffer.concat([Buffer.from(preamble), Buffer.from(runOptions.input ?? '')]);
      const result = await host.run(all, { ...runOptions, input }).catch((error) => {
        throw inner(error, args[0]!, host.name);
      });
      return checked(result, args[0]!, host.name);
    },
    spawn: become(host.spawn),
  };
}

/** Finds out what sudo wants there. */
async function elevationOn(host: Host, { signal, password }: ElevationOptions): Promise<Elevation> {
  const sudo = async (args: readonly string[], input = ''): Promise<RunResult> => {
    const { code, stdout, stderr } = await host.run(['sudo', ...args], { signal, input }).catch((error) => {
      throw sudoMissing(error, host.name);
    });
    return { code, stdout, stderr };
  };
  const free = await sudo(['-k', '-n', '--', 'true']);
  if (free.code === 0) return withoutPassword;
  const wanted = sudoFailure(free.stderr, host.name);
  if (wanted !== undefined && !isAboutPassword(free.stderr) && !isRestricted(free.stderr)) throw wanted;
  const rules = await sudo(['-k', '-n', '-l']);
  if (rules.code === 0 && onlyFree(rules.stdout.toString())) return withoutPassword;

  const secret = await password();
  const line = passwordLine(secret);
  // One line only, and then the end: a wrong password counts as one try, not as three.
  const valid = await sudo(['-k', '-S', '-p', '', '-v'], line);
  if (valid.code !== 0) throw wrongPassword(valid.stderr, host.name);
  const elevation = withPassword(secret);
  const { args, preamble } = elevation(['true']);
  const trial = await sudo(args.slice(1), preamble);
  if (trial.code === 0) return elevation;
  if (!isRestricted(trial.stderr)) throw sudoFailure(trial.stderr, host.name) ?? unknown(trial, host.name);
  const listed = await sudo(['-k', '-S', '-p', '', '-l'], line);
  if (listed.code === 0 && !/NOPASSWD:/.test(listed.stdout.toString())) return alwaysAsked(secret);
  throw new AppError(
    'unsupported',
    'sudo: single commands are allowed, some with a password and some without',
    {
      where: host.name,
      hint: 'allow all commands, or give all rules for this user the same tag (NOPASSWD or none) in its sudoers',
    },
  );
}

/** Each rule is tagged: sudo(8), "-l", writes `(root) NOPASSWD: /usr/bin/virsh`. */
function onlyFree(listing: string): boolean {
  const rules = listing.split('\n').filter((line) => /^\s+\(/.test(line));
  return (
    rules.length > 0 &&
    rules.every(
      (line) =>
        /\)\s+(?:[A-Z]+:\s*)*NOPASSWD:/.test(line) && !/\bPASSWD:/.test(line.replaceAll('NOPASSWD:', '')),
    )
  );
}

const isAboutPassword = (stderr: string): boolean => /password is required|terminal is required/.test(stderr);
const isRestricted = (stderr: string): boolean => /is not allowed to execute/.test(stderr);

function checked(result: RunResult, name: string, where: string): RunResult {
  if (result.code === 0) return result;
  const failure = sudoFailure(result.stderr, where) ?? absent(result.stderr, name, where);
  if (failure !== undefined) throw failure;
  return result;
}

function told(running: Running, name: string, where: string): Running {
  const ended = running.ended.then(
    (end) => {
      if (end.code === 0) return end;
      const failure = sudoFailure(end.stderr, where) ?? absent(end.stderr, name, where);
      if (failure !== undefined) throw failure;
      return end;
    },
    (error) => {
      throw inner(error, name, where);
    },
  );
  ended.catch(() => undefined); // whoever awaits it is told
  return { stdin: running.stdin, stdout: running.stdout, ended, kill: () => running.kill() };
}

/** What sudo itself says when it does not run a command (sudo 1.8 and 1.9, and sudo-rs where it has other words). */
const failures: readonly [RegExp, 'auth' | 'unsupported', string, string][] = [
  [
    /^sudo: (?:sorry, )?you must have a tty/m,
    'unsupported',
    'sudo wants a terminal, and there is none',
    'remove "Defaults requiretty" for this user from its sudoers',
  ],
  [
    /is not in the sudoers file|may not run sudo on|I'm sorry .*\. I'm afraid I can't do that/m,
    'auth',
    'sudo: this user may not use it',
    'add the user to the sudoers there (often: to the group sudo or wheel), or log in as another one',
  ],
  [
    /is not allowed to execute/m,
    'auth',
    'sudo: this user may not run this command as root',
    'allow it in the sudoers there, or log in as another user',
  ],
  [
    /incorrect password attempt|^Sorry, try again|incorrect authentication attempt|Authentication fail/im,
    'auth',
    'sudo: the password is wrong',
    "give the user's own password for sudo (where sudoers has no targetpw or rootpw)",
  ],
  [
    /account validation failure|password expired|Account or password is expired/im,
    'auth',
    'sudo: the account or its password has expired',
    'log in there once and change it',
  ],
  [
    /^sudo: (?:a password is required|no password was provided|interactive authentication is required|a terminal is required)/m,
    'auth',
    'sudo wants a password',
    'give one, or allow the user NOPASSWD in the sudoers there',
  ],
  [
    /must be owned by uid 0|effective uid is not 0|"no new privileges" flag/m,
    'unsupported',
    'sudo can not become root there',
    'it runs in a container, or from a file system mounted with "nosuid"; log in as root',
  ],
];

function sudoFailure(stderr: string, where: string): AppError | undefined {
  const found = failures.find(([pattern]) => pattern.test(stderr));
  return found && new AppError(found[1], found[2], { where, hint: found[3] });
}

function absent(stderr: string, name: string, where: string): AppError | undefined {
  return /^sudo: .*: command not found$/m.test(stderr) ? noCommand(name, where) : undefined;
}

const noCommand = (name: string, where: string, cause?: unknown): AppError =>
  new AppError('not-found', `there is no command "${name}"`, {
    where,
    hint: `install what brings "${name}" there`,
    cause,
  });

/** The host says "sudo" of a command that sudo's shell did not find. */
function inner(error: unknown, name: string, where: string): unknown {
  return error instanceof AppError && error.kind === 'not-found' ? noCommand(name, where, error) : error;
}

function sudoMissing(error: unknown, where: string): unknown {
  if (!(error instanceof AppError) || error.kind !== 'not-found') return error;
  return new AppError('not-found', 'there is no sudo', {
    where,
    hint: 'install sudo there, or log in as root and leave "Use sudo" out',
    cause: error,
  });
}

function wrongPassword(stderr: string, where: string): AppError {
  const failure = sudoFailure(stderr, where);
  // After one wrong line there is no more input: sudo complains of that as well.
  return failure ?? new AppError('auth', 'sudo: the password is wrong', { where });
}

function unknown({ code, stderr }: RunResult, where: string): AppError {
  const text = stderr
    .replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
    .trim()
    .slice(0, 300);
  return new AppError('io', `sudo ended with code ${code}${text === '' ? '' : `: ${text}`}`, { where });
}

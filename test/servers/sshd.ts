/** A real sshd on loopback with configuration, host keys and users of the test's own; ended with the test. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { tempFolder } from '../temp.ts';

export const sshdTools = ['/usr/sbin/sshd', 'ssh-keygen'] as const;
/** A user with a password can only be made by root. */
export const canAddUsers = process.getuid?.() === 0;

export interface SshdOptions {
  /** Lines of sshd_config that go before ours. */
  readonly config?: readonly string[];
  readonly port?: number;
  /** Default `internal-sftp`. */
  readonly sftp?: string;
  /** Default ed25519. */
  readonly hostKeys?: readonly string[];
}

export interface Sshd {
  readonly port: number;
  /** Who is let in with `key`. */
  readonly user: string;
  /** A private key without passphrase. */
  readonly key: string;
  /** `type base64` of a host key. */
  hostKey(type?: string): string;
  log(): string;
  /** Processes of open sessions. */
  sessions(): number[];
  /** No new connections; open ones stay. */
  stop(): Promise<void>;
}

export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  const folder = await tempFolder();
  await chmod(folder, 0o755);
  const port = options.port ?? (await freePort());
  const types = options.hostKeys ?? ['ed25519'];
  for (const type of types) makeKey(join(folder, `host_${type}`), type);
  const key = join(folder, 'client');
  makeKey(key, 'ed25519');
  await writeFile(join(folder, 'authorized_keys'), await readFile(`${key}.pub`), { mode: 0o644 });
  const config = join(folder, 'sshd_config');
  await writeFile(
    config,
    [
      ...(options.config ?? []),
      // bash under sshd reads ~/.bashrc: what that starts is no business of ours, least of all to be killed.
      `SetEnv HOME=${folder}`,
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      ...types.map((type) => `HostKey ${join(folder, `host_${type}`)}`),
      `PidFile ${join(folder, 'pid')}`,
      `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin yes',
      `Subsystem sftp ${options.sftp ?? 'internal-sftp'}`,
      '',
    ].join('\n'),
  );
  if (canAddUsers) mkdirSync('/run/sshd', { recursive: true });
  const server = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  server.stderr.on('data', (chunk) => {
    said += chunk;
  });
  onTestFinished(() => {
    for (const pid of descendants(server.pid!)) kill(pid, 'SIGKILL');
    server.kill('SIGKILL');
  });
  await listening(port, server, () => said);
  return {
    port,
    user: userInfo().username,
    key,
    hostKey: (type = types[0]!) =>
      readFileSync(join(folder, `host_${type}.pub`), 'utf8')
        .split(' ')
        .slice(0, 2)
        .join(' ')
        .trim(),
    log: () => said,
    sessions: () => descendants(server.pid!),
    async stop() {
      server.kill('SIGTERM');
      await once(server, 'exit');
    },
  };
}

export function makeKey(path: string, type: string, passphrase = ''): void {
  const args = ['-q', '-t', type, '-N', passphrase, '-C', 'test', '-f', path];
  const made = spawnSync('ssh-keygen', type === 'rsa' ? ['-b', '2048', ...args] : args);
  if (made.status !== 0) throw new Error(`ssh-keygen: ${made.stderr}`);
}

export interface TestUser {
  readonly name: string;
  readonly password: string;
}

/** A user of this computer, removed with the test. Only for root. */
export function addUser(home: string): TestUser {
  const name = `vmferry-${randomBytes(4).toString('hex')}`;
  const password = `pw-${randomBytes(12).toString('hex')}`;
  const added = alone('useradd', ['-M', '-d', home, '-s', '/bin/sh', name]);
  if (added.status !== 0) throw new Error(`useradd: ${added.stderr}`);
  onTestFinished(() => void alone('userdel', [name]));
  const set = alone('chpasswd', [], `${name}:${password}\n`);
  if (set.status !== 0) throw new Error(`chpasswd: ${set.stderr}`);
  return { name, password };
}

/** One at a time on this computer: several at once have left /etc/shadow empty. */
const alone = (command: string, args: readonly string[], input = '') =>
  spawnSync('flock', [join(tmpdir(), 'vmferry-users.lock'), command, ...args], { input });

/** A port that nobody listens on at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

async function listening(port: number, server: ChildProcess, said: () => string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (server.exitCode !== null) throw new Error(`sshd ended: ${said()}`);
    const socket = connect(port, '127.0.0.1');
    const up = await Promise.race([
      once(socket, 'data').then(
        () => true,
        () => false,
      ),
      once(socket, 'error').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (up) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`sshd did not come up: ${said()}`);
}

/** All processes below `root`, by their parents in /proc. */
function descendants(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      // After the name in brackets: state, parent.
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // It ended meanwhile.
    }
  }
  const isBelow = (pid: number): boolean => {
    const parent = parents.get(pid);
    return parent !== undefined && parent !== 0 && (parent === root || isBelow(parent));
  };
  return [...parents.keys()].filter(isBelow);
}

export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended meanwhile.
  }
}

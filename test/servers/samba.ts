/**
 * A real Samba of the test's own, on loopback and a free port: its configuration, users and state are in a folder that
 * is removed in the end. Shares may be called as Windows calls those of its drives (`C$`).
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/** Only root starts one; `smbclient` brings the library that is tested. */
export const sambaTools = [
  'smbd',
  'smbclient',
  'pdbedit',
  ...(process.getuid?.() === 0 ? [] : ['root-for-a-private-samba']),
] as const;

export interface Samba {
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** The folder of a share. */
  folder(share: string): string;
  log(): Promise<string>;
  stop(): Promise<void>;
}

/** `lines`: of smb.conf, for all. Whoever starts it stops it. */
export async function startSamba(shares: readonly string[], lines: readonly string[] = []): Promise<Samba> {
  const root = await mkdtemp(join(tmpdir(), 'vmferry-samba-'));
  const port = await freePort();
  const { username: user } = userInfo();
  const password = 'Grüße & "Quotes" 1';
  const states = [
    'private dir',
    'lock directory',
    'state directory',
    'cache directory',
    'pid directory',
    'ncalrpc dir',
  ];
  const folder = (share: string) => join(root, `share-${share.replace('$', '')}`);
  for (const name of states) await mkdir(join(root, name), { recursive: true });
  for (const share of shares) await mkdir(folder(share));
  const conf = join(root, 'smb.conf');
  const config = [
    '[global]',
    `smb ports = ${port}`,
    ...['interfaces = lo', 'bind interfaces only = yes', 'disable netbios = yes', 'map to guest = never'],
    ...['server role = standalone server', 'load printers = no', 'printcap name = /dev/null'],
    ...states.map((name) => `${name} = ${join(root, name)}`),
    `passdb backend = tdbsam:${join(root, 'passdb.tdb')}`,
    `log file = ${join(root, 'log')}`,
    ...lines,
    ...shares.flatMap((share) => [`[${share}]`, `path = ${folder(share)}`, 'read only = no']),
  ];
  await writeFile(conf, `${config.join('\n')}\n`);
  execFileSync('pdbedit', ['-s', conf, '-a', '-u', user, '-t'], {
    input: `${password}\n${password}\n`,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  // It ends itself at the end of its input, so a test that is killed leaves nothing; a socket there would be a client.
  const script = 'cat | smbd -F --no-process-group "$@"';
  const child = spawn('sh', ['-c', script, 'sh', '-s', conf, '-l', root], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  const log = async () => (await readFile(join(root, 'log'), 'utf8').catch(() => '')).slice(-4000);
  const stop = async () => {
    await ended(child);
    await rm(root, { recursive: true, force: true });
  };
  try {
    await answering(child, port);
  } catch (error) {
    const said = await log();
    await stop();
    throw new Error(`Samba does not start: ${said}`, { cause: error });
  }
  return { port, user, password, folder, log, stop };
}

/** Its children, one for each client, are of its group. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exit = once(child, 'exit');
  process.kill(-child.pid, 'SIGKILL');
  await exit;
}

async function answering(child: ChildProcess, port: number): Promise<void> {
  for (let tries = 0; tries < 900; tries++) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
    const answers = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.on('error', () => resolve(false));
    });
    if (answers) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('no answer on its port');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

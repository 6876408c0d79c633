/**
 * `npm run bench:ssh [-- --mib 512 --pairs 3 --delay 50]`: a disk copied from a host behind SSH, beside `ssh cat`, and
 * `qemu-img convert ssh://` where it can (Debian: qemu-block-extra). In pairs in one run, the order changing with each
 * pair; printed is the median of the ratios of time (ours / theirs): under 1.00 we are faster. The host is this
 * computer with an sshd of its own; the long way is a TCP proxy with a delay, and a window of 4 MiB for each
 * connection. Ours is timed from the connection to the finished file, theirs with the start of the program.
 */
import { execFileSync, spawn } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '512' },
    pairs: { type: 'string', default: '3' },
    delay: { type: 'string', default: '50' },
    folder: { type: 'string', default: tmpdir() },
  },
});
const mib = Number(values.mib);
const pairs = Number(values.pairs);
const delayMs = Number(values.delay);
const { username: user } = userInfo();
const folder = mkdtempSync(join(values.folder, 'vmferry-bench-ssh-'));
const at = (name: string) => join(folder, name);
// Beside the packages, which it takes from there.
const programs = resolve(`node_modules/.bench-ssh.${process.pid}`);

const median = (list: readonly number[]): number =>
  [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]!;

/** `mib` of random bytes, in stretches of 8 MiB with `hole` MiB left open behind each. */
function makeDisk(path: string, hole: number): void {
  const fd = openSync(path, 'w');
  const block = Buffer.alloc(1024 * 1024);
  for (let i = 0; i < mib; i++) {
    writeSync(fd, randomFillSync(block), 0, block.length, (i + Math.floor(i / 8) * hole) * block.length);
  }
  ftruncateSync(fd, (mib + Math.ceil(mib / 8) * hole) * block.length);
  closeSync(fd);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

async function startSshd() {
  for (const name of ['host', 'client'])
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at(name)]);
  const port = await freePort();
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true });
  writeFileSync(
    at('sshd_config'),
    `Port ${port}\nListenAddress 127.0.0.1\nHostKey ${at('host')}\nPidFile ${at('pid')}\n` +
      `AuthorizedKeysFile ${at('client.pub')}\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n` +
      'Subsystem sftp internal-sftp\n',
  );
  const server = spawn('/usr/sbin/sshd', ['-D', '-f', at('sshd_config')], { stdio: 'ignore' });
  return { port, server };
}

async function startProxy(port: number) {
  const proxy = spawn(process.execPath, [join(programs, 'bench-ssh-proxy.mjs'), `${port}`, `${delayMs}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [said] = (await once(proxy.stdout, 'data')) as [Buffer];
  return { port: Number(said.toString()), proxy };
}

/** qemu-img takes keys from an agent only. */
const env = { ...process.env, HOME: folder, SSH_AUTH_SOCK: at('agent') };

async function startKeyAgent() {
  const agent = spawn('ssh-agent', ['-D', '-a', env.SSH_AUTH_SOCK], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(agent.stdout, 'data');
  execFileSync('ssh-add', ['-q', at('client')], { env });
  return agent;
}

interface Timed {
  readonly seconds: number;
  readonly note?: string;
}
type Way = (port: number, disk: string, to: string) => Timed;

function timed(command: string, args: readonly string[], to?: string): Timed {
  const out = to === undefined ? 'ignore' : openSync(to, 'w');
  const start = process.hrtime.bigint();
  execFileSync(command, args, { stdio: ['ignore', out, 'inherit'], env });
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  if (typeof out === 'number') closeSync(out);
  return { seconds };
}

const ours: Way = (port, disk, to) => {
  const said = execFileSync(
    process.execPath,
    [join(programs, 'bench-ssh-copy.mjs'), `${port}`, user, at('client'), at('known'), disk, to],
    { encoding: 'utf8' },
  );
  const { seconds, way, rss } = JSON.parse(said);
  return { seconds, note: `${way}; ${Math.round(rss / 1024)} MiB of memory` };
};

const sshOptions = ['-F', 'none', '-i', at('client'), '-o', `UserKnownHostsFile=${at('known')}`];
const theirs: Record<string, Way> = {
  'ssh cat': (port, disk, to) =>
    timed('ssh', [...sshOptions, '-p', `${port}`, `${user}@127.0.0.1`, 'cat', disk], to),
  'qemu-img ssh://': (port, disk, to) =>
    timed('qemu-img', [
      ...['convert', '-O', 'raw', '--image-opts'],
      `driver=raw,file.driver=ssh,file.host=127.0.0.1,file.port=${port},file.user=${user},file.path=${disk},` +
        'file.host-key-check.mode=none',
      to,
    ]),
};

function compare(name: string, port: number, disk: string, their: string): void {
  const times: { ours: number; theirs: number }[] = [];
  let note = '';
  try {
    for (let i = 0; i < pairs; i++) {
      const pair = { ours: 0, theirs: 0 };
      for (const who of i % 2 === 0 ? (['ours', 'theirs'] as const) : (['theirs', 'ours'] as const)) {
        const run = (who === 'ours' ? ours : theirs[their]!)(port, disk, at(who));
        pair[who] = run.seconds;
        note = run.note ?? note;
      }
      execFileSync('cmp', [at('ours'), disk]);
      execFileSync('cmp', [at('theirs'), disk]);
      for (const who of ['ours', 'theirs']) rmSync(at(who));
      times.push(pair);
    }
  } catch (error) {
    console.log(
      `${name.padEnd(22)} ${their.padEnd(16)} left out: ${(error as Error).message.split('\n')[0]}`,
    );
    for (const who of ['ours', 'theirs']) rmSync(at(who), { force: true });
    return;
  }
  const ratio = median(times.map((t) => t.ours / t.theirs));
  const rate = mib / median(times.map((t) => t.ours));
  console.log(
    `${name.padEnd(22)} ${their.padEnd(16)} ratio ${ratio.toFixed(2)}  (ours ${median(times.map((t) => t.ours)).toFixed(2)} s, ` +
      `theirs ${median(times.map((t) => t.theirs)).toFixed(2)} s; ${rate.toFixed(0)} MiB/s of data; ${note})`,
  );
}

const running: { kill(): void }[] = [];
try {
  await build({
    entryPoints: ['scripts/bench-ssh-copy.ts', 'scripts/bench-ssh-proxy.ts'],
    outdir: programs,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'error',
  });
  makeDisk(at('dense.raw'), 0);
  makeDisk(at('sparse.raw'), 24);
  const { port, server } = await startSshd();
  running.push({ kill: () => server.kill('SIGKILL') });
  const agent = await startKeyAgent();
  running.push({ kill: () => agent.kill('SIGTERM') });
  const { port: far, proxy } = await startProxy(port);
  running.push({ kill: () => proxy.kill('SIGKILL') });
  const key = readFileSync(at('host.pub'), 'utf8').split(' ').slice(0, 2).join(' ');
  writeFileSync(at('known'), `[127.0.0.1]:${port} ${key}\n[127.0.0.1]:${far} ${key}\n`);
  console.log(`${mib} MiB of data, ${pairs} pairs; the long way: ${delayMs * 2} ms there and back`);
  for (const their of Object.keys(theirs)) {
    compare('loopback, dense', port, at('dense.raw'), their);
    compare('loopback, sparse 1:4', port, at('sparse.raw'), their);
    compare('long way, dense', far, at('dense.raw'), their);
  }
} finally {
  for (const process of running) process.kill();
  rmSync(folder, { recursive: true, force: true });
  rmSync(programs, { recursive: true, force: true });
}

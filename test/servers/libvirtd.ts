/**
 * A real libvirtd of the test's own: in a mount and a process namespace, so that neither its state nor its machines
 * meet those of this computer, and ending it ends all of its machines. Its socket is in a folder that all can
 * reach; its machines run by TCG (`<domain type='qemu'>`) as root.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll } from 'vitest';

const run = promisify(execFile);

export const libvirtdTools = [
  'libvirtd',
  'virsh',
  'qemu-system-x86_64',
  'qemu-img',
  'unshare',
  ...(process.getuid?.() === 0 ? [] : ['root-for-a-private-libvirtd']),
] as const;

export interface Libvirtd {
  readonly uri: string;
  /** Mode 0755, removed in the end: for disks and whatever else libvirt has to reach. */
  readonly folder: string;
  /** Throws with virsh's own words. */
  virsh(...args: string[]): Promise<string>;
  /** Defines a machine by its XML. */
  define(xml: string): Promise<void>;
  log(): Promise<string>;
  /** Ends libvirtd and its machines, without any goodbye. */
  stop(): Promise<void>;
}

/**
 * libvirt keeps its state in fixed places for root: they are covered, in this namespace alone. The shell is the
 * namespace's first process: with it all others end. It waits for the end of its input, so that a test that is
 * killed leaves nothing.
 */
const script = `
set -e
d=$1
mkdir -p /var/lib/libvirt /run/libvirt /var/log/libvirt /etc/libvirt
mount --make-rprivate /
for t in /var/lib/libvirt /run/libvirt /var/log/libvirt /etc/libvirt; do
  mount -t tmpfs -o mode=755 none $t
done
mkdir -p /var/lib/libvirt/qemu /etc/libvirt/qemu
cp "$d/qemu.conf" /etc/libvirt/qemu.conf
libvirtd -f "$d/libvirtd.conf" -p "$d/pid" </dev/null &
cat >/dev/null
`;

/** For a whole `describe`: started before its first test, ended after the last. */
export function useLibvirtd(options: LibvirtdOptions = {}): () => Libvirtd {
  let started: Libvirtd | undefined;
  // Its very first start on a computer asks QEMU for all it can do.
  beforeAll(async () => {
    started = await startLibvirtd(options);
  }, 60_000);
  afterAll(() => started?.stop());
  return () => started!;
}

export interface LibvirtdOptions {
  /** Lines of qemu.conf, besides ours. */
  readonly qemu?: readonly string[];
  /** Lines of libvirtd.conf that go before ours. */
  readonly daemon?: readonly string[];
}

/** Whoever starts it stops it. */
export async function startLibvirtd(options: LibvirtdOptions = {}): Promise<Libvirtd> {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-libvirt-'));
  await chmod(folder, 0o755);
  const own = join(folder, 'libvirt');
  await mkdir(own);
  await writeFile(
    join(own, 'libvirtd.conf'),
    lines([
      ...(options.daemon ?? []),
      `unix_sock_dir = "${own}"`,
      'unix_sock_rw_perms = "0777"',
      'unix_sock_ro_perms = "0777"',
      'auth_unix_rw = "none"',
      'auth_unix_ro = "none"',
      `log_outputs = "3:file:${own}/log"`,
    ]),
  );
  await writeFile(
    join(own, 'qemu.conf'),
    lines([
      ...(options.qemu ?? []),
      'stdio_handler = "file"',
      'security_driver = "none"',
      'cgroup_controllers = []',
      'user = "root"',
      'group = "root"',
      'remember_owner = 0',
    ]),
  );
  const args = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', script, 'sh', own];
  const server = spawn('unshare', args, { stdio: ['pipe', 'ignore', 'pipe'] });
  server.stdin.on('error', () => undefined); // it is killed
  let said = '';
  server.stderr.on('data', (chunk) => {
    said += chunk;
  });
  const uri = `qemu:///system?socket=${own}/libvirt-sock`;
  const virsh = async (...words: string[]) => {
    const { stdout } = await run('virsh', ['--quiet', '--connect', uri, ...words], {
      env: { ...process.env, LC_ALL: 'C' },
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout;
  };
  const stop = async () => {
    if (server.exitCode === null && server.signalCode === null) {
      const ended = once(server, 'exit');
      server.kill('SIGKILL');
      await ended;
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  const log = () => readFile(join(own, 'log'), 'utf8').catch(() => '');
  try {
    await answering(server, virsh, () => said);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    uri,
    folder,
    virsh,
    async define(xml) {
      const file = join(own, 'define.xml');
      await writeFile(file, xml);
      await virsh('define', '--file', file);
    },
    log,
    stop,
  };
}

const lines = (all: readonly string[]): string => `${all.join('\n')}\n`;

async function answering(
  server: ChildProcess,
  virsh: (...words: string[]) => Promise<string>,
  said: () => string,
): Promise<void> {
  let last: unknown;
  for (let attempt = 0; attempt < 400; attempt++) {
    if (server.exitCode !== null) throw new Error(`libvirtd ended: ${said()}`);
    try {
      await virsh('uri');
      return;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`libvirtd did not come up: ${said()}${String(last)}`);
}

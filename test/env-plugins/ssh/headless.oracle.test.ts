/** The whole way, from the command line: a profile, its password, a list, a conversion; and the password nowhere. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { storePaths } from '../../../src/state/stores/paths.ts';
import { ProfileStore } from '../../../src/state/stores/profiles.ts';
import { compareImages, qemuImg, qemuIo } from '../../oracles/qemu-img.ts';
import { describeWith } from '../../oracles/requires.ts';
import { addUser, canAddUsers, type Sshd, sshdTools, startSshd } from '../../servers/sshd.ts';
import { tempFolder } from '../../temp.ts';

const tools = [
  ...sshdTools,
  'qemu-img',
  'qemu-io',
  ...(canAddUsers ? ['useradd', 'chpasswd'] : ['root-to-add-a-user']),
];
const cli = resolve(import.meta.dirname, '../../../src/cli.tsx');

interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program, and looks meanwhile whether `secret` is in the arguments of any process. */
async function vmferry(args: string[], env: NodeJS.ProcessEnv, secret: string): Promise<Result> {
  const child = spawn(process.execPath, ['--import', 'tsx', cli, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    said.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    said.stderr += chunk;
  });
  const exited = once(child, 'close');
  let seen = 0;
  while (isRunning(child)) {
    const lines = commandLines();
    expect(lines.filter((line) => line.includes(secret))).toEqual([]);
    if (lines.some((line) => line.includes(cli))) seen++;
    await Promise.race([exited, new Promise((resolve) => setTimeout(resolve, 10))]);
  }
  await exited;
  expect(seen).toBeGreaterThan(3);
  return { code: child.exitCode, ...said };
}

const isRunning = (child: ChildProcess) => child.exitCode === null && child.signalCode === null;

function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
      } catch {
        return ''; // it ended meanwhile
      }
    });
}

async function environment(server: Sshd, user: string, secret: string, folder: string) {
  const home = await tempFolder();
  const known = join(home, '.ssh', 'known_hosts');
  await mkdir(join(home, '.ssh'));
  const { SSH_AUTH_SOCK: _, ...rest } = process.env;
  const env = {
    ...rest,
    HOME: home,
    VMFERRY_HOME: join(home, 'vmferry'),
    NO_COLOR: '1',
    THE_PASSWORD: secret,
  };
  await new ProfileStore(storePaths({ env }).profiles).save({
    name: 'far',
    environment: 'ssh',
    settings: { host: '127.0.0.1', port: String(server.port), user, folders: folder },
    secretFields: ['password'],
  });
  const know = () => writeFile(known, `[127.0.0.1]:${server.port} ${server.hostKey()}\n`);
  return { home, env, know };
}

async function textsBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return Promise.all(files.map((entry) => readFile(join(entry.parentPath, entry.name), 'latin1')));
}

describeWith(tools, 'a conversion over SSH from the command line', () => {
  it('lists, inspects and converts, and keeps the password to itself', async () => {
    const server = await startSshd({ config: ['PasswordAuthentication yes', 'PubkeyAuthentication no'] });
    const far = await tempFolder();
    await chmod(far, 0o755);
    const { name: user, password } = addUser(far);
    await qemuImg('create', '-q', '-f', 'qcow2', join(far, 'base.qcow2'), '64M');
    await qemuIo('qcow2', join(far, 'base.qcow2'), 'write -P 7 1M 5M', 'write -P 9 40M 300k');
    const image = join(far, "it's $(x).qcow2");
    await qemuImg('create', '-q', '-f', 'qcow2', '-b', 'base.qcow2', '-F', 'qcow2', image);
    await qemuIo('qcow2', image, 'write -P 11 3M 1M', 'write -z 41M 64k');
    const { home, env, know } = await environment(server, user, password, far);
    const secret = ['--secret', 'password=env:THE_PASSWORD'];
    const to = join(home, 'result.raw');

    const unknown = await vmferry(['list', 'far', ...secret], env, password);
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toMatch(/is not known and was not accepted/);
    await know();
    const none = await vmferry(['list', 'far'], env, password);
    expect(none.code).toBe(1);
    expect(none.stderr).toMatch(/there is no secret for "password"/);
    const wrong = await vmferry(['list', 'far', ...secret], { ...env, THE_PASSWORD: 'wrong-one' }, password);
    expect(wrong.stderr).toMatch(/was not let in \(tried: password/);
    expect(wrong.stderr).not.toContain('wrong-one');

    const list = await vmferry(['list', 'far', '--json', ...secret], env, password);
    expect(list.stderr).toBe('');
    const ids = list.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).machine.id);
    expect(ids).toEqual([image]); // its base is a part of it
    const run = await vmferry(['convert', `far:${image}`, '--to', to, ...secret], env, password);
    expect(run).toMatchObject({ code: 0 });
    await compareImages(to, 'raw', image, 'qcow2');

    const printed = [unknown, none, wrong, list, run].flatMap((r) => [r.stdout, r.stderr]);
    const written = await textsBelow(home);
    expect(written.length).toBeGreaterThan(3);
    for (const form of [password, Buffer.from(password).toString('base64').slice(0, -4)]) {
      expect([...printed, ...written, server.log()].filter((text) => text.includes(form))).toEqual([]);
    }
  });
});

/** Commands as root by a real sudo, whatever its rules are. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { elevatedHost } from '../../../src/io/host/elevation.ts';
import type { Host } from '../../../src/io/host/host.ts';
import { localHost } from '../../../src/io/host/local-host.ts';
import { sshHost } from '../../../src/io/host/ssh-host.ts';
import { connectSsh } from '../../../src/io/ssh/connect.ts';
import { AppError } from '../../../src/model/errors.ts';
import { describeWith } from '../../oracles/requires.ts';
import { addUser, canAddUsers, sshdTools, startSshd } from '../../servers/sshd.ts';
import { tempFolder } from '../../temp.ts';

const noPassword = async (): Promise<string> => {
  throw new AppError('auth', 'there is no password');
};

interface Place {
  readonly host: Host;
  readonly user: string;
  readonly password: string;
}

/** A user with these rules, logged in by a key. `USER` in a rule is its name. */
async function place(...rules: string[]): Promise<Place> {
  const home = await tempFolder();
  await chmod(home, 0o755);
  const { name, password } = addUser(home);
  if (rules.length > 0) {
    const file = `/etc/sudoers.d/${name}`;
    writeFileSync(file, rules.map((rule) => `${rule.replaceAll('USER', name)}\n`).join(''), { mode: 0o440 });
    onTestFinished(() => rmSync(file, { force: true }));
    const checked = spawnSync('visudo', ['-c', '-q', '-f', file]);
    if (checked.status !== 0) throw new Error(`visudo: ${checked.stdout}${checked.stderr}`);
  }
  const server = await startSshd();
  const known = join(await tempFolder(), 'known_hosts');
  await writeFile(known, `[127.0.0.1]:${server.port} ${server.hostKey()}\n`);
  const connection = await connectSsh(
    { host: '127.0.0.1', port: server.port, user: name },
    { keyFile: server.key, password: noPassword, passphrase: noPassword },
    { confirm: async () => false, knownHosts: { user: known, system: [] } },
  );
  const host = sshHost(connection);
  onTestFinished(() => host.close());
  return { host, user: name, password };
}

const failure = (work: Promise<unknown>): Promise<AppError> =>
  work.then(
    () => {
      throw new Error('it should have failed');
    },
    (error) => error,
  );

/** What a command reads and writes arrives as it is; nothing of the password is in it. */
async function expectRoot(host: Host): Promise<void> {
  expect((await host.run(['id', '-u'])).stdout.toString()).toBe('0\n');
  const data = Buffer.concat([Buffer.from('first line\n\n'), randomBytes(300_000)]);
  expect((await host.run(['cat'], { input: data })).stdout.equals(data)).toBe(true);
  const odd = `a'b "c" $(reboot) \n-n`;
  expect((await host.run(['printf', '%s', odd])).stdout.toString()).toBe(odd);
  expect(await host.run(['sh', '-c', 'cat >/dev/null; echo no >&2; exit 3'])).toMatchObject({ code: 3 });
  const running = await host.spawn(['wc', '-c']);
  const said: Buffer[] = [];
  running.stdout.on('data', (chunk) => said.push(chunk));
  running.stdin.write(data);
  await new Promise((resolve) => setImmediate(resolve));
  running.stdin.end(data);
  expect(await running.ended).toMatchObject({ code: 0 });
  expect(Buffer.concat(said).toString().trim()).toBe(String(2 * data.length));
  expect(await failure(host.run(['no-such-command-x']))).toMatchObject({
    kind: 'not-found',
    message: 'there is no command "no-such-command-x"',
  });
}

const tools = [
  ...sshdTools,
  'sudo',
  'visudo',
  ...(canAddUsers ? ['useradd', 'chpasswd'] : ['root-to-add-a-user']),
];

describeWith(tools, 'commands by sudo', () => {
  it('with a password', async () => {
    const { host, password } = await place('USER ALL=(ALL) ALL');
    let asked = 0;
    const root = await elevatedHost(host, {
      password: async () => {
        asked++;
        return password;
      },
    });
    await expectRoot(root);
    expect(asked).toBe(1);
  });

  it('without one, which is not asked for', async () => {
    const { host } = await place('USER ALL=(ALL) NOPASSWD: ALL');
    await expectRoot(await elevatedHost(host, { password: noPassword }));
  });

  it.each([
    ['remembered for everybody', 'Defaults:USER timestamp_type=global'],
    ['never remembered', 'Defaults:USER timestamp_timeout=0'],
    ['in a terminal of its own', 'Defaults:USER use_pty'],
  ])('%s', async (_name, rule) => {
    const { host, password } = await place(rule, 'USER ALL=(ALL) ALL');
    await host.run(['sudo', '-S', '-v'], { input: `${password}\n` });
    await expectRoot(await elevatedHost(host, { password: async () => password }));
  });

  it('some of which need no password do not read it', async () => {
    const { host, password } = await place(
      'USER ALL=(ALL) ALL',
      'USER ALL=(ALL) NOPASSWD: /bin/sh, /usr/bin/sh',
    );
    await expectRoot(await elevatedHost(host, { password: async () => password }));
  });

  it('of which only single ones are allowed', async () => {
    const { host, password } = await place('USER ALL=(root) /usr/bin/cat, /usr/bin/id');
    const root = await elevatedHost(host, { password: async () => password });
    expect((await root.run(['id', '-u'])).stdout.toString()).toBe('0\n');
    expect((await root.run(['cat'], { input: 'data' })).stdout.toString()).toBe('data');
    expect((await failure(root.run(['wc']))).message).toMatch(/may not run this command/);
    const free = await place('USER ALL=(root) NOPASSWD: /usr/bin/cat, /usr/bin/id');
    const rootFree = await elevatedHost(free.host, { password: noPassword });
    expect((await rootFree.run(['cat'], { input: 'data' })).stdout.toString()).toBe('data');
    const mixed = await place('USER ALL=(root) NOPASSWD: /usr/bin/cat, PASSWD: /usr/bin/id');
    const refused = await failure(elevatedHost(mixed.host, { password: async () => mixed.password }));
    expect(refused).toMatchObject({ kind: 'unsupported' });
  });

  it('that fail say why, without the password', async () => {
    const { host } = await place('USER ALL=(ALL) ALL');
    const wrong = await failure(elevatedHost(host, { password: async () => 'wrong-one' }));
    expect(wrong).toMatchObject({ kind: 'auth', message: 'sudo: the password is wrong' });
    expect(JSON.stringify([wrong.message, wrong.hint])).not.toContain('wrong-one');
    expect((await failure(elevatedHost(host, { password: noPassword }))).message).toMatch(/no password/);
    const broken = await failure(elevatedHost(host, { password: async () => 'a\nb' }));
    expect(broken.message).toMatch(/line break/);

    const stranger = await place();
    const unknown = await failure(elevatedHost(stranger.host, { password: async () => stranger.password }));
    expect(unknown.message).toMatch(/may not use it/);

    const tty = await place('Defaults:USER requiretty', 'USER ALL=(ALL) ALL');
    const terminal = await failure(elevatedHost(tty.host, { password: async () => tty.password }));
    expect(terminal).toMatchObject({ kind: 'unsupported' });
    expect(terminal.message).toMatch(/wants a terminal/);
  });

  it('keep the password out of the arguments of all processes', async () => {
    const { host, password } = await place('USER ALL=(ALL) ALL');
    const root = await elevatedHost(host, { password: async () => password });
    const running = await root.spawn(['sh', '-c', 'echo up; cat']);
    await once(running.stdout, 'data');
    const all = spawnSync('ps', ['axwwe', '-o', 'args']).stdout.toString();
    expect(all).toContain('echo up');
    expect(all).not.toContain(password);
    running.stdin.end();
    await running.ended;
  });

  it.each([
    ['without a password', 'USER ALL=(ALL) NOPASSWD: ALL'],
    ['with one', 'USER ALL=(ALL) ALL'],
  ])('show files as root sees them, %s', async (_, rule) => {
    const { host, password } = await place(rule);
    const folder = await tempFolder();
    await chmod(folder, 0o700);
    await writeFile(join(folder, 'x'), 'for root only');
    expect(await failure(host.files.text(join(folder, 'x')))).toMatchObject({ kind: 'auth' });
    const root = await elevatedHost(host, { password: async () => password });
    expect(await root.files.text(join(folder, 'x'))).toBe('for root only');
    const sink = await root.files.create(join(folder, 'y'));
    await sink.write(Buffer.from('new'), 0);
    await sink.finish(3);
    expect((await root.files.list(folder)).map((f) => f.size)).toEqual([13, 3]);
  });

  it('are not needed by root', async () => {
    const here = localHost();
    expect(await elevatedHost(here, { password: noPassword })).toBe(here);
  });
});

it('there is no sudo: that is said', async () => {
  const absent: Host = {
    ...localHost(),
    async run(args) {
      if (args[0] === 'id') return { code: 0, stdout: Buffer.from('1000\n'), stderr: '' };
      throw new AppError('not-found', `there is no command "${args[0]}"`);
    },
  };
  expect(await failure(elevatedHost(absent, { password: noPassword }))).toMatchObject({
    kind: 'not-found',
    message: 'there is no sudo',
  });
});

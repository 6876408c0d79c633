/** Connections to a real sshd: who is let in, which host is believed, and what is said when it fails. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { SshAuth } from '../../../src/io/ssh/authentication.ts';
import { connectSsh, type SshOptions } from '../../../src/io/ssh/connect.ts';
import type { SshConnection } from '../../../src/io/ssh/connection.ts';
import { AppError } from '../../../src/model/errors.ts';
import { describeWith } from '../../oracles/requires.ts';
import {
  addUser,
  canAddUsers,
  freePort,
  kill,
  makeKey,
  type Sshd,
  sshdTools,
  startSshd,
} from '../../servers/sshd.ts';
import { tempFolder } from '../../temp.ts';

const noSecret = async (): Promise<string> => {
  throw new AppError('auth', 'there is no secret');
};
const never = async () => {
  throw new Error('nothing was to be asked');
};

async function knownHosts(server: Sshd): Promise<string> {
  const file = join(await tempFolder(), 'known_hosts');
  await writeFile(file, `[127.0.0.1]:${server.port} ${server.hostKey()}\n`);
  return file;
}

interface Login {
  readonly user?: string;
  readonly auth?: Partial<SshAuth>;
  readonly knownHosts?: string;
  readonly options?: Partial<SshOptions>;
}

async function connect(server: Sshd, login: Login = {}): Promise<SshConnection> {
  const connection = await connectSsh(
    { host: '127.0.0.1', port: server.port, user: login.user ?? server.user },
    { keyFile: server.key, password: noSecret, passphrase: noSecret, ...login.auth },
    {
      confirm: never,
      knownHosts: { user: login.knownHosts ?? (await knownHosts(server)), system: [] },
      ...login.options,
    },
  );
  onTestFinished(() => connection.close());
  return connection;
}

const failure = (work: Promise<unknown>): Promise<AppError> =>
  work.then(
    () => {
      throw new Error('it should have failed');
    },
    (error) => error,
  );

describeWith(sshdTools, 'logging in', () => {
  it('by a key, and running a command', async () => {
    const connection = await connect(await startSshd());
    const odd = `a'b "c" \n $(reboot) \`x\` -n *`;
    const result = await connection.exec(['printf', '%s', odd]);
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.stdout.toString()).toBe(odd);
    expect(await connection.exec(['sh', '-c', 'cat; echo no >&2; exit 3'], { input: 'yes' })).toMatchObject({
      code: 3,
      stdout: Buffer.from('yes'),
      stderr: 'no\n',
    });
  });

  it('by an encrypted key, whose passphrase is asked only then', async () => {
    const server = await startSshd();
    spawnSync('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'open sesame', '-f', server.key]);
    await connect(server, { auth: { passphrase: async () => 'open sesame' } });
    const wrong = await failure(connect(server, { auth: { passphrase: async () => 'wrong' } }));
    expect(wrong).toMatchObject({ kind: 'auth' });
    expect(wrong.message).toMatch(/passphrase does not open this key/);
    const none = await failure(connect(server));
    expect(none.message).toMatch(/there is no secret/);
  });

  it.each(['rsa', 'ecdsa'])('by a key of type %s', async (type) => {
    const server = await startSshd();
    const key = join(await tempFolder(), 'key');
    makeKey(key, type);
    await appendFile(join(server.key, '..', 'authorized_keys'), await readFile(`${key}.pub`));
    await connect(server, { auth: { keyFile: key } });
  });

  it('by a usual key of the user, where none is named', async () => {
    const server = await startSshd();
    const home = await tempFolder();
    await mkdir(join(home, '.ssh'));
    makeKey(join(home, '.ssh', 'id_ed25519'), 'ed25519', 'nobody gives this one');
    await copyFile(server.key, join(home, '.ssh', 'id_rsa'));
    vi.stubEnv('HOME', home);
    onTestFinished(() => void vi.unstubAllEnvs());
    await connect(server, { auth: { keyFile: undefined } });
  });

  it('by an agent', async () => {
    const server = await startSshd();
    const socket = join(await tempFolder(), 'agent');
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] });
    onTestFinished(() => void agent.kill());
    await once(agent.stdout, 'data');
    const added = spawnSync('ssh-add', ['-q', server.key], {
      env: { ...process.env, SSH_AUTH_SOCK: socket },
    });
    expect(added.status).toBe(0);
    await connect(server, { auth: { keyFile: undefined, agent: socket } });
  });

  it('fails with what was tried and what the server offers; an agent that is gone is no obstacle', async () => {
    const server = await startSshd();
    const key = join(await tempFolder(), 'stranger');
    makeKey(key, 'ed25519');
    const refused = await failure(connect(server, { auth: { keyFile: key, agent: '/nonexistent' } }));
    expect(refused).toMatchObject({ kind: 'auth', where: `${server.user}@127.0.0.1:${server.port}` });
    expect(refused.message).toMatch(
      /tried: key .*stranger; the server offers publickey; the agent at \/nonexistent does not answer/,
    );
    expect(refused.hint).toMatch(/authorized_keys/);
    const missing = await failure(connect(server, { auth: { keyFile: '/nonexistent' } }));
    expect(missing.message).toMatch(/\/nonexistent: the key file: no such file/);
  });
});

const asUser = canAddUsers ? sshdTools : [...sshdTools, 'root-to-add-a-user'];
describeWith([...asUser, 'useradd', 'chpasswd'], 'logging in by a password', () => {
  const passwordOnly = ['PasswordAuthentication yes', 'PubkeyAuthentication no'];

  it('works, and a wrong one is said to be the trouble', async () => {
    const server = await startSshd({ config: passwordOnly });
    const { name, password } = addUser(await tempFolder());
    const good = await connect(server, { user: name, auth: { password: async () => password } });
    expect((await good.exec(['id', '-un'])).stdout.toString().trim()).toBe(name);
    const wrong = await failure(connect(server, { user: name, auth: { password: async () => 'wrong' } }));
    expect(wrong).toMatchObject({ kind: 'auth', hint: 'check the user and the password' });
    expect(wrong.message).toMatch(/tried: password; the server offers password/);
    const none = await failure(connect(server, { user: name }));
    expect(none.message).toMatch(/there is no secret/);
  });

  it('works after a key, where the server wants both', async () => {
    const server = await startSshd({
      config: ['PasswordAuthentication yes', 'AuthenticationMethods publickey,password'],
    });
    const { name, password } = addUser(await tempFolder());
    await connect(server, { user: name, auth: { password: async () => password } });
  });

  it('works as the answer to a question (PAM)', async () => {
    const server = await startSshd({
      config: ['UsePAM yes', 'KbdInteractiveAuthentication yes', 'PubkeyAuthentication no'],
    });
    const { name, password } = addUser(await tempFolder());
    await connect(server, { user: name, auth: { password: async () => password } });
    const wrong = await failure(connect(server, { user: name, auth: { password: async () => 'wrong' } }));
    expect(wrong.message).toMatch(/tried: keyboard-interactive/);
  });
});

describeWith(sshdTools, "the host's key", () => {
  it('of an unknown host is asked for, refused by no, remembered by yes', async () => {
    const server = await startSshd();
    const file = join(await tempFolder(), '.ssh', 'known_hosts');
    const shown = spawnSync('ssh-keygen', ['-l', '-f', '-'], { input: server.hostKey() }).stdout.toString();
    const fingerprint = shown.split(' ')[1]!;
    const questions: string[] = [];
    const answering = (yes: boolean) => ({
      confirm: async (question: string) => {
        questions.push(question);
        return yes;
      },
    });
    const refused = await failure(connect(server, { knownHosts: file, options: answering(false) }));
    expect(refused).toMatchObject({ kind: 'auth' });
    expect(refused.message).toContain(fingerprint);
    await expect(readFile(file)).rejects.toThrow(/ENOENT/);
    await connect(server, { knownHosts: file, options: answering(true) });
    expect(questions).toHaveLength(2);
    expect(questions[1]).toContain(fingerprint);
    expect(await readFile(file, 'utf8')).toBe(`[127.0.0.1]:${server.port} ${server.hostKey()}\n`);
    await connect(server, { knownHosts: file }); // asks nothing
    const found = spawnSync('ssh-keygen', ['-F', `[127.0.0.1]:${server.port}`, '-f', file]);
    expect(found.status).toBe(0);
  });

  it('in hashed form is known', async () => {
    const server = await startSshd();
    const file = await knownHosts(server);
    expect(spawnSync('ssh-keygen', ['-q', '-H', '-f', file]).status).toBe(0);
    expect(await readFile(file, 'utf8')).toMatch(/^\|1\|/);
    await connect(server, { knownHosts: file });
  });

  it('that is another one than before is refused before anything is told', async () => {
    const before = await startSshd();
    const file = await knownHosts(before);
    await before.stop();
    const server = await startSshd({ port: before.port });
    let asked = false;
    const secret = async () => {
      asked = true;
      return 'secret';
    };
    const refused = await failure(
      connect(server, {
        knownHosts: file,
        auth: { keyFile: undefined, password: secret, passphrase: secret },
      }),
    );
    expect(refused).toMatchObject({ kind: 'auth' });
    expect(refused.message).toMatch(/known_hosts:1 has another ssh-ed25519 key/);
    expect(refused.hint).toContain(`ssh-keygen -R '[127.0.0.1]:${server.port}'`);
    expect(asked).toBe(false);
    expect(spawnSync('ssh-keygen', ['-R', `[127.0.0.1]:${server.port}`, '-f', file]).status).toBe(0);
    await connect(server, { knownHosts: file, options: { confirm: async () => true } });
  });

  it('is asked from a server with several in the type that is known', async () => {
    const server = await startSshd({ hostKeys: ['ed25519', 'ecdsa', 'rsa'] });
    for (const type of ['ecdsa', 'rsa']) {
      const file = join(await tempFolder(), 'known_hosts');
      await writeFile(file, `[127.0.0.1]:${server.port} ${server.hostKey(type)}\n`);
      await connect(server, { knownHosts: file });
    }
  });

  it('with a certificate is believed for the key alone', async () => {
    const folder = await tempFolder();
    const [authority, key] = [join(folder, 'authority'), join(folder, 'key')];
    makeKey(authority, 'ed25519');
    makeKey(key, 'ed25519');
    const signed = spawnSync('ssh-keygen', ['-q', '-s', authority, '-I', 'x', '-h', `${key}.pub`]);
    expect(signed.status).toBe(0);
    const server = await startSshd({ config: [`HostKey ${key}`, `HostCertificate ${key}-cert.pub`] });
    const file = join(folder, 'known_hosts');
    const [type, base64] = (await readFile(`${key}.pub`, 'utf8')).split(' ');
    await writeFile(file, `[127.0.0.1]:${server.port} ${type} ${base64}\n`);
    await connect(server, { knownHosts: file });
    await writeFile(file, `@cert-authority * ${(await readFile(`${authority}.pub`, 'utf8')).trim()}\n`);
    const refused = await failure(connect(server, { knownHosts: file }));
    expect(refused.message).toMatch(/known_hosts:1 trusts this host by a certificate authority/);
  });

  it('that is revoked is refused', async () => {
    const server = await startSshd();
    const file = await knownHosts(server);
    await appendFile(file, `@revoked * ${server.hostKey()}\n`);
    expect((await failure(connect(server, { knownHosts: file }))).message).toMatch(
      /revoked in .*known_hosts:2/,
    );
  });
});

describeWith(sshdTools, 'a connection that fails', () => {
  const at = async (port: number, options: Partial<SshOptions> = {}, host = '127.0.0.1') =>
    failure(
      connectSsh(
        { host, port, user: 'me' },
        { password: noSecret, passphrase: noSecret },
        { confirm: never, knownHosts: { user: join(await tempFolder(), 'none'), system: [] }, ...options },
      ),
    );

  /** A server that takes connections and says what it is told to. */
  async function mute(says = ''): Promise<number> {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.write(says);
      onTestFinished(() => void socket.destroy());
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    return (server.address() as { port: number }).port;
  }

  it('says at which step', async () => {
    expect(await at(await freePort())).toMatchObject({
      kind: 'unreachable',
      message: expect.stringMatching(/nothing listens on port/),
    });
    expect(await at(22, {}, 'no-such-host.invalid')).toMatchObject({
      kind: 'unreachable',
      message: expect.stringMatching(/^name resolution: /),
    });
    expect(await at(await mute('HTTP/1.0 400 Bad Request\r\n\r\n'), { timeoutMs: 300 })).toMatchObject({
      kind: 'unreachable',
      message: expect.stringMatching(/^key exchange: /),
    });
    expect(await at(await mute(), { timeoutMs: 100 })).toMatchObject({
      kind: 'unreachable',
      message: 'key exchange: no answer for 0.1 seconds',
    });
  });

  it('because of algorithms says so', async () => {
    const server = await startSshd({ config: ['KexAlgorithms diffie-hellman-group1-sha1'] });
    expect((await at(server.port)).message).toMatch(/key exchange: .*share no key exchange algorithm/);
  });

  it('is ended by a cancel, before and while', async () => {
    expect(await at(1, { signal: AbortSignal.abort() })).toMatchObject({ kind: 'cancelled' });
    const stop = new AbortController();
    const cancelled = at(await mute(), { signal: stop.signal });
    setImmediate(() => stop.abort());
    expect(await cancelled).toMatchObject({ kind: 'cancelled' });
  });

  it('is ended by a cancel while somebody is asked', async () => {
    const server = await startSshd();
    const stop = new AbortController();
    const confirm = () => {
      stop.abort();
      return new Promise<boolean>(() => undefined);
    };
    expect(await at(server.port, { signal: stop.signal, confirm })).toMatchObject({ kind: 'cancelled' });
  });
});

describeWith(sshdTools, 'a command', () => {
  it('has what ~/.bashrc prints before its own output: it can not be told apart', async () => {
    const server = await startSshd();
    await writeFile(join(server.key, '..', '.bashrc'), 'echo noise\n');
    const said = (await (await connect(server)).exec(['echo', 'word'])).stdout.toString();
    expect(['word\n', 'noise\nword\n']).toContain(said); // which one, the shell of the user decides
  });

  it('is ended by a cancel, by saying too much, and by the end of the connection', async () => {
    const server = await startSshd();
    const connection = await connect(server);
    const stop = new AbortController();
    const sleeping = failure(connection.exec(['sleep', '1000'], { signal: stop.signal }));
    await connection.exec(['true']);
    stop.abort();
    expect(await sleeping).toMatchObject({ kind: 'cancelled' });
    const loud = await failure(connection.exec(['yes'], { maximumBytes: 100_000 }));
    expect(loud).toMatchObject({ kind: 'io', message: '"yes" says more than 100000 bytes' });
    const killed = await failure(connection.exec(['sh', '-c', 'kill -9 $$']));
    expect(killed.message).toMatch(/ended by SIGKILL/);
    const lost = failure(connection.exec(['sleep', '1000']));
    await connection.exec(['true']);
    for (const pid of server.sessions()) kill(pid, 'SIGKILL');
    expect(await lost).toMatchObject({
      kind: 'unreachable',
      message: expect.stringMatching(/connection was lost/),
    });
    expect(await failure(connection.exec(['true']))).toMatchObject({ kind: 'unreachable' });
  });
});

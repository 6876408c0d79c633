/** Keys and questions at the door of a real sshd: what is tried, in which order, and what is asked when. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Prompt, SshAuth } from '../../../src/io/ssh/authentication.ts';
import { connectSsh } from '../../../src/io/ssh/connect.ts';
import type { SshConnection } from '../../../src/io/ssh/connection.ts';
import { AppError } from '../../../src/model/errors.ts';
import { describeWith } from '../../oracles/requires.ts';
import { addUser, canAddUsers, makeKey, type Sshd, sshdTools, startSshd } from '../../servers/sshd.ts';
import { tempFolder } from '../../temp.ts';

const noSecret = async (): Promise<string> => {
  throw new AppError('auth', 'there is no secret');
};

async function connect(server: Sshd, auth: Partial<SshAuth>, user = server.user): Promise<SshConnection> {
  const known = join(await tempFolder(), 'known_hosts');
  await writeFile(known, `[127.0.0.1]:${server.port} ${server.hostKey()}\n`);
  const connection = await connectSsh(
    { host: '127.0.0.1', port: server.port, user },
    { password: noSecret, passphrase: noSecret, ...auth },
    { confirm: async () => false, knownHosts: { user: known, system: [] } },
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

async function agentWith(...keys: string[]): Promise<string> {
  const socket = join(await tempFolder(), 'agent');
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] });
  onTestFinished(() => void agent.kill());
  await once(agent.stdout, 'data');
  for (const key of keys) {
    const added = spawnSync('ssh-add', ['-q', key], { env: { ...process.env, SSH_AUTH_SOCK: socket } });
    if (added.status !== 0) throw new Error(`ssh-add: ${added.stderr}`);
  }
  return socket;
}

async function strangers(count: number): Promise<string[]> {
  const folder = await tempFolder();
  const paths = Array.from({ length: count }, (_, index) => join(folder, `stranger${index}`));
  for (const path of paths) makeKey(path, 'ed25519');
  return paths;
}

async function lock(key: string, ...more: string[]): Promise<void> {
  spawnSync('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'open sesame', ...more, '-f', key]);
}

describeWith(sshdTools, 'keys', () => {
  it('of an agent that are named come first; with too many others there the door is shut', async () => {
    const server = await startSshd({ config: ['MaxAuthTries 3'] });
    const others = await strangers(5);
    const agent = await agentWith(...others, server.key);
    const many = await failure(connect(server, { agent, identityFiles: ['/nonexistent'] }));
    expect(many).toMatchObject({ kind: 'auth', hint: expect.stringContaining('remove keys from the agent') });
    await connect(server, { agent, identityFiles: [server.key] });
    // Its public half is enough to name it.
    await rm(server.key);
    await connect(server, { agent, identityFiles: [`${server.key}.pub`] });
    await connect(server, { agent, keyFile: `${server.key}.pub`, identitiesOnly: true });
  });

  it('that are not named stay in the agent, where only named ones are wanted', async () => {
    const server = await startSshd();
    const agent = await agentWith(server.key);
    const [other] = await strangers(1);
    const refused = await failure(connect(server, { agent, identityFiles: [other!], identitiesOnly: true }));
    expect(refused.message).toMatch(/tried: key \S+stranger0; the server/);
    const without = await failure(connect(server, { agent, without: new Set(['publickey']) }));
    expect(without.message).toMatch(/nothing could be tried/);
  });

  it('whose passphrase is asked once, and only when the server takes the key', async () => {
    const server = await startSshd();
    const [locked] = await strangers(1);
    await lock(locked!);
    const files: string[] = [];
    const passphrase = async (file: string) => {
      files.push(file);
      return 'open sesame';
    };
    await connect(server, { identityFiles: [locked!, server.key], passphrase });
    expect(files).toEqual([]);
    await lock(server.key);
    const connection = await connect(server, { identityFiles: [locked!, server.key], passphrase });
    const other = await connection.another();
    onTestFinished(() => other.close());
    expect(files).toEqual([server.key]);
  });

  it.each([
    ['ecdsa', 'OpenSSH', []],
    ['rsa', 'OpenSSH', []],
    ['rsa', 'PEM', ['-m', 'PEM']],
    ['ecdsa', 'PEM', ['-m', 'PEM']],
  ])('%s in the form of %s, encrypted', async (type, _form, more) => {
    const server = await startSshd();
    const key = join(await tempFolder(), 'key');
    makeKey(key, type);
    await lock(key, ...more);
    await appendFile(join(server.key, '..', 'authorized_keys'), await readFile(`${key}.pub`));
    await connect(server, { keyFile: key, passphrase: async () => 'open sesame' });
    await rm(`${key}.pub`);
    await connect(server, { keyFile: key, passphrase: async () => 'open sesame' });
    const wrong = await failure(connect(server, { keyFile: key, passphrase: async () => 'wrong' }));
    expect(wrong.message).toMatch(/passphrase does not open this key/);
  });
});

const asUser = canAddUsers ? sshdTools : [...sshdTools, 'root-to-add-a-user'];
describeWith([...asUser, 'useradd', 'chpasswd'], 'more than a key', () => {
  it('is given after a key of an agent, or one with a passphrase', async () => {
    const server = await startSshd({
      config: ['PasswordAuthentication yes', 'AuthenticationMethods publickey,password'],
    });
    const { name, password } = addUser(await tempFolder());
    const agent = await agentWith(server.key);
    await connect(server, { agent, password: async () => password }, name);
    await lock(server.key);
    const secrets = { passphrase: async () => 'open sesame', password: async () => password };
    await connect(server, { keyFile: server.key, ...secrets }, name);
  });

  it('is asked for with the words of the server', async () => {
    const server = await startSshd({
      config: ['UsePAM yes', 'KbdInteractiveAuthentication yes', 'PubkeyAuthentication no'],
    });
    const { name, password } = addUser(await tempFolder());
    const prompts: Prompt[] = [];
    const ask = async (prompt: Prompt) => {
      prompts.push(prompt);
      return password;
    };
    await connect(server, { ask }, name);
    expect(prompts).toEqual([{ text: expect.stringMatching(/Password:/), hidden: true }]);
  });
});

/** Ways to a real sshd: by an alias, through other hosts, by a command; old servers; further connections. */
import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { algorithmLists } from '../../../src/io/ssh/algorithms.ts';
import { hostConfig } from '../../../src/io/ssh/config.ts';
import type { SshConnection } from '../../../src/io/ssh/connection.ts';
import { type ReachOptions, reachHost, type SshRequest, type SshSecrets } from '../../../src/io/ssh/reach.ts';
import { AppError } from '../../../src/model/errors.ts';
import { describeWith } from '../../oracles/requires.ts';
import { addUser, canAddUsers, freePort, kill, type Sshd, sshdTools, startSshd } from '../../servers/sshd.ts';
import { tempFolder } from '../../temp.ts';

const noSecret = async (): Promise<string> => {
  throw new AppError('auth', 'there is no secret');
};

interface Trip {
  readonly config?: string;
  /** Hosts whose keys are known. */
  readonly known?: readonly Sshd[];
  readonly secrets?: Partial<SshSecrets>;
  readonly options?: Partial<ReachOptions>;
}

interface Home {
  readonly files: { user: string; system: string };
  readonly knownHosts: string;
}

async function homeWith({ config = '', known = [] }: Trip): Promise<Home> {
  const folder = await tempFolder();
  const knownHosts = join(folder, 'known_hosts');
  await writeFile(knownHosts, known.map((s) => `[127.0.0.1]:${s.port} ${s.hostKey()}\n`).join(''));
  const user = join(folder, 'config');
  const last = `\nHost *\n UserKnownHostsFile ${knownHosts}\n IdentityAgent none\n`;
  await writeFile(user, config + last, { mode: 0o600 });
  return { files: { user, system: '/nonexistent' }, knownHosts };
}

async function reach(request: SshRequest, trip: Trip, home?: Home): Promise<SshConnection> {
  const { files } = home ?? (await homeWith(trip));
  const connection = await reachHost(
    request,
    { password: noSecret, passphrase: noSecret, ...trip.secrets },
    { confirm: async () => false, configFiles: files, timeoutMs: 10_000, ...trip.options },
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

const hostBlock = (alias: string, server: Sshd, ...more: string[]): string =>
  [
    `Host ${alias}`,
    'HostName 127.0.0.1',
    `Port ${server.port}`,
    `User ${server.user}`,
    `IdentityFile ${server.key}`,
    ...more,
    '',
  ].join('\n');

/** The process of sshd that serves this connection sees who is in front of it. */
const peerOf = async (connection: SshConnection): Promise<string> =>
  (await connection.exec(['sh', '-c', 'echo "$SSH_CONNECTION"'])).stdout.toString();

describeWith(['ssh'], 'the configuration', () => {
  it('means what it means to ssh', async () => {
    const text = `Host a* !ab
  HostName %h.example
  Port 2022
Host ab ac
  User someone
  ProxyJump j1,u@j2:99
Match host ac.example
  ConnectTimeout 9
  HostKeyAlias k
Host *
  ServerAliveInterval 33
  IdentityFile ~/.ssh/one
  IdentityFile "~/.ssh/t wo"
  ProxyCommand nothing
  UserKnownHostsFile ~/a ~/b
`;
    const user = join(await tempFolder(), 'config');
    await writeFile(user, text, { mode: 0o600 });
    for (const host of ['a', 'ab', 'ac', 'b']) {
      const told = new Map<string, string>();
      for (const line of spawnSync('ssh', ['-G', '-F', user, host]).stdout.toString().split('\n')) {
        const [key, ...value] = line.split(' ');
        told.set(key!, value.join(' '));
      }
      const config = await hostConfig({ host }, { user, system: '/nonexistent' });
      expect({
        hostname: config.host,
        port: String(config.port),
        user: config.user,
        proxyjump: config.jumps.length > 0 ? config.jumps.join(',') : undefined,
        proxycommand: config.proxyCommand,
        connecttimeout:
          config.connectTimeoutMs === undefined ? 'none' : String(config.connectTimeoutMs / 1000),
        serveraliveinterval: String((config.keepAliveMs ?? 0) / 1000),
        hostkeyalias: config.hostKeyAlias,
      }).toEqual({
        hostname: told.get('hostname'),
        port: told.get('port'),
        user: told.get('user'),
        proxyjump: told.get('proxyjump'),
        proxycommand: told.get('proxycommand'),
        connecttimeout: told.get('connecttimeout'),
        serveraliveinterval: told.get('serveraliveinterval'),
        hostkeyalias: told.get('hostkeyalias'),
      });
      expect(config.identityFiles.map((f) => f.replace(/^.*\/\.ssh\//, ''))).toEqual(['one', 't wo']);
    }
  });
});

describeWith(sshdTools, 'a way', () => {
  it('by an alias, whose key is known by another name', async () => {
    const server = await startSshd();
    const home = await homeWith({ config: hostBlock('box', server, 'HostKeyAlias the-box') });
    await writeFile(home.knownHosts, `the-box ${server.hostKey()}\n`);
    const connection = await reach({ host: 'box' }, {}, home);
    expect(connection.name).toBe(`${server.user}@127.0.0.1:${server.port}`);
  });

  it('through two hosts, each with its own key and login', async () => {
    const [first, second, last] = await Promise.all([startSshd(), startSshd(), startSshd()]);
    const config = [hostBlock('first', first), hostBlock('second', second), hostBlock('last', last)].join('');
    const connection = await reach(
      { host: 'last', jump: 'first,second' },
      { config, known: [first, second, last] },
    );
    const big = await connection.exec(['head', '-c', '3000000', '/dev/zero']);
    expect(big.stdout.length).toBe(3_000_000);
    for (const server of [first, second, last]) expect(server.log()).toMatch(/Accepted publickey/);
    // What the configuration says leads the same way; a jump host for all is not used for itself.
    const all = `${config}Host *\n ProxyJump first\n`;
    const again = await reach({ host: 'last' }, { config: all, known: [first, last] });
    expect((await peerOf(again)).startsWith('127.0.0.1')).toBe(true);
    const direct = await reach({ host: 'first' }, { config: all, known: [first] });
    expect((await direct.exec(['true'])).code).toBe(0);
    await connection.close();
    await again.close();
    await direct.close();
    await expect.poll(() => [first, second, last].flatMap((s) => s.sessions())).toEqual([]);
  });

  it('that fails says at which host and which step', async () => {
    const [first, last] = await Promise.all([startSshd(), startSshd({ config: ['AllowTcpForwarding no'] })]);
    const config = hostBlock('first', first) + hostBlock('last', last);
    const port = await freePort();
    const closed = await failure(reach({ host: 'x', jump: `127.0.0.1:${port}` }, { config }));
    expect(closed.message).toMatch(/^jump host .*127\.0\.0\.1:\d+: connecting: nothing listens/);
    const stranger = await failure(reach({ host: 'last', jump: 'first' }, { config, known: [last] }));
    expect(stranger).toMatchObject({ kind: 'auth' });
    expect(stranger.message).toMatch(/^jump host .*: host key: .* was not accepted/);
    const behind = await failure(
      reach({ host: '127.0.0.1', port, jump: 'first' }, { config, known: [first] }),
    );
    expect(behind.message).toMatch(/^jump host .*: forwarding: from there nothing answers at 127/);
    const forbidden = await failure(reach({ host: 'first', jump: 'last' }, { config, known: [first, last] }));
    expect(forbidden.message).toMatch(/forwarding: the host does not allow/);
    const circle = `${config}Host c1\nHostName 127.0.0.1\nPort 1\nProxyJump c2\nHost c2\nHostName 127.0.0.1\nPort 2\nProxyJump c1\n`;
    expect((await failure(reach({ host: 'c1' }, { config: circle }))).message).toMatch(/without end/);
    const inner = `${hostBlock('first', first)}Host last\nHostName 127.0.0.1\nPort ${last.port}\nUser ${last.user}\nIdentityFile /nonexistent\n`;
    const login = await failure(
      reach({ host: 'last', jump: 'first' }, { config: inner, known: [first, last] }),
    );
    expect(login.message).toMatch(/^authentication: .* was not let in/);
    expect(login.where).toBe(`${last.user}@127.0.0.1:${last.port}`);
  });

  it('whose host between is lost is lost, and told so', async () => {
    const [first, last] = await Promise.all([startSshd(), startSshd()]);
    const config = hostBlock('first', first) + hostBlock('last', last, 'ProxyJump first');
    const connection = await reach({ host: 'last' }, { config, known: [first, last] });
    for (const pid of first.sessions()) kill(pid, 'SIGKILL');
    expect((await connection.lost).message).toMatch(/the connection was lost/);
    const again = await connection.another();
    onTestFinished(() => again.close());
    expect((await again.exec(['true'])).code).toBe(0);
  });

  it('by a command, which ends with the connection', async () => {
    const server = await startSshd();
    const relay = `${process.execPath} -e "const s=require('net').connect(+process.argv[2],process.argv[1]);process.stdin.pipe(s);s.pipe(process.stdout)" %h %p`;
    const config = hostBlock('box', server, `ProxyCommand ${relay}`);
    const connection = await reach({ host: 'box' }, { config, known: [server] });
    expect((await connection.exec(['head', '-c', '2000000', '/dev/zero'])).stdout.length).toBe(2_000_000);
    await connection.close();
    const broken = hostBlock('box', server, 'ProxyCommand sh -c "echo no way >&2; exit 7"');
    const refused = await failure(reach({ host: 'box' }, { config: broken, known: [server] }));
    expect(refused.message).toMatch(/ProxyCommand ended with code 7: no way/);
  });

  it('to a new host asks once, and goes there again without a question', async () => {
    const server = await startSshd();
    const home = await homeWith({ config: hostBlock('box', server, 'HashKnownHosts yes') });
    let asked = 0;
    const confirm = async () => {
      asked++;
      return true;
    };
    const connection = await reach({ host: 'box' }, { options: { confirm } }, home);
    expect(await readFile(home.knownHosts, 'utf8')).toMatch(/^\|1\|[^|]+\|\S+ ssh-ed25519 /);
    await reach({ host: 'box' }, { options: { confirm } }, home);
    await writeFile(home.knownHosts, ''); // as if it could not be remembered
    const others = await Promise.all([connection.another(), connection.another()]);
    for (const other of others) onTestFinished(() => other.close());
    expect(asked).toBe(1);
  });

  it('to a new host is as strict as the configuration says', async () => {
    const server = await startSshd();
    const yes = hostBlock('box', server, 'StrictHostKeyChecking yes');
    const confirm = async () => {
      throw new Error('nothing was to be asked');
    };
    const refused = await failure(reach({ host: 'box' }, { config: yes, options: { confirm } }));
    expect(refused.hint).toMatch(/StrictHostKeyChecking yes/);
    const home = await homeWith({ config: hostBlock('box', server, 'StrictHostKeyChecking accept-new') });
    await reach({ host: 'box' }, { options: { confirm } }, home);
    expect(await readFile(home.knownHosts, 'utf8')).toContain(server.hostKey());
    const no = hostBlock('box', server, 'StrictHostKeyChecking no');
    const said: string[] = [];
    const report = (step: string) => said.push(step);
    const asked = await failure(reach({ host: 'box' }, { config: no, options: { report } }));
    expect(asked.message).toMatch(/was not accepted/);
    expect(said.join('\n')).toMatch(/is not honoured/);
  });
});

describeWith([...sshdTools, 'ssh'], 'every algorithm', () => {
  const known = (what: string) => spawnSync('ssh', ['-Q', what]).stdout.toString().split('\n');

  it('that is offered works with a server that has it', async () => {
    const dsa = known('key').includes('ssh-dss') ? ['dsa'] : [];
    const server = await startSshd({
      hostKeys: ['ed25519', 'ecdsa', 'rsa', ...dsa],
      config: [
        `KexAlgorithms ${known('kex').filter(Boolean).join(',')}`,
        `Ciphers ${known('cipher').filter(Boolean).join(',')}`,
        `MACs ${known('mac').filter(Boolean).join(',')}`,
        'HostKeyAlgorithms +ssh-rsa,ssh-dss',
        'ModuliFile /nonexistent', // its numbers take Node seconds to test
      ],
    });
    const lists = algorithmLists(true);
    const both = (names: readonly string[], what: string) => names.filter((n) => known(what).includes(n));
    const [kex, ciphers, macs] = [
      both(lists.kex, 'kex'),
      both(lists.cipher, 'cipher'),
      both(lists.mac, 'mac'),
    ];
    const hostKeys = both(lists.hostKey, 'HostKeyAlgorithms').filter((name) => !/nistp(384|521)$/.test(name));
    // A cipher that authenticates by itself has no MAC beside it.
    const aead = ciphers.filter((name) => /gcm|poly1305/.test(name));
    const others = ciphers.filter((name) => !aead.includes(name));
    const turn = (names: readonly string[], index: number) => names[index % names.length]!;
    const rounds = Math.max(kex.length, macs.length + aead.length, others.length + aead.length);
    expect(rounds).toBeGreaterThan(10);
    const lines = Array.from({ length: rounds }, (_, index) => {
      const cipher = index < aead.length ? aead[index] : turn(others, index - aead.length);
      const mac = index < aead.length ? macs[0] : turn(macs, index - aead.length);
      return `KexAlgorithms ${turn(kex, index)}\nCiphers ${cipher}\nMACs ${mac}\nHostKeyAlgorithms ${turn(hostKeys, index)}`;
    });
    for (const line of lines) {
      const options = { confirm: async () => true };
      const connection = await reach(
        { host: 'box' },
        { config: hostBlock('box', server, line), options },
      ).catch((error) => {
        throw new Error(`${line}: ${error.message}`);
      });
      expect((await connection.exec(['echo', line])).stdout.toString()).toBe(`${line}\n`);
      await connection.close();
    }
  });
});

describeWith(sshdTools, 'a server', () => {
  const old = [
    'KexAlgorithms diffie-hellman-group14-sha1',
    'HostKeyAlgorithms ssh-rsa',
    'Ciphers aes128-cbc',
    'MACs hmac-sha1',
    'PubkeyAcceptedAlgorithms +ssh-rsa',
  ];

  it('with old algorithms alone is spoken to only where that is allowed', async () => {
    const server = await startSshd({ config: old, hostKeys: ['rsa'] });
    const trip = { config: hostBlock('box', server), known: [server] };
    const refused = await failure(reach({ host: 'box' }, trip));
    expect(refused).toMatchObject({ kind: 'unreachable', hint: expect.stringContaining('legacy=yes') });
    expect(refused.message).toMatch(
      /SSH-2\.0-OpenSSH.* and this program share no key exchange algorithm; it offers diffie-hellman-group14-sha1$/,
    );
    const connection = await reach({ host: 'box', legacy: true }, trip);
    expect((await connection.exec(['true'])).code).toBe(0);
    const lists = [
      'KexAlgorithms +diffie-hellman-group14-sha1',
      'HostKeyAlgorithms +ssh-rsa',
      'Ciphers +aes128-cbc',
    ];
    await reach({ host: 'box' }, { ...trip, config: hostBlock('box', server, ...lists) });
  });

  it('with an old cipher or an old type of host key alone is told by that', async () => {
    const cipher = await startSshd({ config: ['Ciphers aes256-cbc'] });
    const first = await failure(
      reach({ host: 'box' }, { config: hostBlock('box', cipher), known: [cipher] }),
    );
    expect(first.message).toMatch(/share no cipher; it offers aes256-cbc/);
    const key = await startSshd({ config: ['HostKeyAlgorithms ssh-rsa'], hostKeys: ['rsa'] });
    const second = await failure(reach({ host: 'box' }, { config: hostBlock('box', key), known: [key] }));
    expect(second.message).toMatch(/share no type of host key; it offers ssh-rsa/);
  });

  it('with an algorithm that is newer than this program is told so', async () => {
    const server = await startSshd({ config: ['KexAlgorithms sntrup761x25519-sha512@openssh.com'] });
    const trip = { config: hostBlock('box', server), known: [server] };
    const refused = await failure(reach({ host: 'box', legacy: true }, trip));
    expect(refused.message).toMatch(/it offers sntrup761x25519-sha512@openssh\.com/);
    expect(refused.hint).toMatch(/allow one of these in its sshd_config: curve25519-sha256/);
  });
});

const asUser = canAddUsers ? sshdTools : [...sshdTools, 'root-to-add-a-user'];
describeWith([...asUser, 'useradd', 'chpasswd'], 'questions on the way', () => {
  it('a jump host that wants a password has it asked for by its name', async () => {
    const [first, last] = await Promise.all([
      startSshd({ config: ['PasswordAuthentication yes', 'PubkeyAuthentication no'] }),
      startSshd(),
    ]);
    const { name, password } = addUser(await tempFolder());
    const config = hostBlock('last', last);
    const jump = `${name}@127.0.0.1:${first.port}`;
    const texts: string[] = [];
    const ask: SshSecrets['ask'] = async ({ text, hidden }) => {
      texts.push(text);
      expect(hidden).toBe(true);
      return password;
    };
    const trip = { config, known: [first, last] };
    const connection = await reach({ host: 'last', jump }, { ...trip, secrets: { ask } });
    const other = await connection.another();
    onTestFinished(() => other.close());
    expect(texts).toEqual([`Password of the jump host ${jump}`]);
    const secrets = { password: async () => password };
    const refused = await failure(reach({ host: 'last', jump }, { ...trip, secrets }));
    expect(refused.message).toMatch(/^jump host .*there is no password for a jump host/);
  });
});

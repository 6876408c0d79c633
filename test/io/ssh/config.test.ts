/** What the configuration of ssh says of a host. */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { algorithmLists } from '../../../src/io/ssh/algorithms.ts';
import {
  type HostConfig,
  type HostQuery,
  hostConfig,
  ownName,
  parseJump,
} from '../../../src/io/ssh/config.ts';
import { matchesPattern, splitArgs } from '../../../src/io/ssh/config-lines.ts';
import { tempFolder } from '../../temp.ts';

async function configured(text: string, query: HostQuery, system = ''): Promise<HostConfig> {
  const folder = await tempFolder();
  const files = { user: join(folder, 'config'), system: join(folder, 'system') };
  await writeFile(files.user, text, { mode: 0o600 });
  await writeFile(files.system, system, { mode: 0o644 });
  return hostConfig(query, files);
}

it('is what was asked for where there are no files', async () => {
  const files = { user: '/nonexistent/a', system: '/nonexistent/b' };
  expect(await hostConfig({ host: 'h' }, files)).toMatchObject({
    alias: 'h',
    host: 'h',
    port: 22,
    user: ownName(),
    jumps: [],
    identityFiles: [],
    strict: 'ask',
    notes: [],
  });
});

it('takes the first value, the user before the system, and what was asked for before both', async () => {
  const text = `
# a comment
Host lab*  !lab9   "other one"
  HostName=%h.example
  Port 2201
  User "jane doe" # that one
  IdentityFile ~/.ssh/%r@%h
  ConnectTimeout 1m30
Host lab1
  Port 2202
  user nobody
  IdentityFile %d/second
  StrictHostKeyChecking accept-new
Host *
  IdentitiesOnly yes
`;
  const system = 'Host *\n  StrictHostKeyChecking yes\n  ServerAliveInterval 7\n  HashKnownHosts yes\n';
  const lab1 = await configured(text, { host: 'lab1' }, system);
  expect(lab1).toMatchObject({
    host: 'lab1.example',
    port: 2201,
    user: 'jane doe',
    identityFiles: [join(homedir(), '.ssh/jane doe@lab1.example'), join(homedir(), 'second')],
    identitiesOnly: true,
    connectTimeoutMs: 90_000,
    keepAliveMs: 7_000,
    strict: 'accept-new',
    hashKnownHosts: true,
  });
  expect(await configured(text, { host: 'lab9' }, system)).toMatchObject({
    host: 'lab9',
    port: 22,
    strict: 'yes',
  });
  expect(await configured(text, { host: 'lab1', port: 9, user: 'me' })).toMatchObject({
    port: 9,
    user: 'me',
  });
});

it('includes files, which end with the block that they stand in', async () => {
  const folder = await tempFolder();
  await mkdir(join(folder, 'config.d'));
  await writeFile(join(folder, 'config.d', '20-b.conf'), 'Port 20\nHost x\n User inner\n', { mode: 0o600 });
  await writeFile(join(folder, 'config.d', '10-a.conf'), 'Host nobody\nPort 10\n', { mode: 0o600 });
  await writeFile(join(folder, 'config.d', '.hidden.conf'), 'Port 1\n', { mode: 0o600 });
  const user = join(folder, 'config');
  await writeFile(user, 'Host y\n Include config.d/*.conf\n Compression yes\nHost *\n User outer\n', {
    mode: 0o600,
  });
  const files = { user, system: '/nonexistent' };
  expect(await hostConfig({ host: 'y' }, files)).toMatchObject({ port: 20, user: 'outer' });
  // Within a block that does not fit, the included one does not either.
  expect(await hostConfig({ host: 'x' }, files)).toMatchObject({ port: 22, user: 'outer' });
  await writeFile(user, 'Include config.d/[12]*.conf none\nHost x\n Port 30\n', { mode: 0o600 });
  expect(await hostConfig({ host: 'x' }, files)).toMatchObject({ port: 20, user: 'inner' });
  await writeFile(user, 'Include config\n', { mode: 0o600 });
  await expect(hostConfig({ host: 'x' }, files)).rejects.toThrow(/include one another/);
});

it('matches by host and user, and tells of conditions that it passes over', async () => {
  const text = `
Match exec "touch /tmp/never" host a
  Port 1
Match originalhost a !user root
  Port 2
Match host=b.example,c
  Port 3
Match all
  User late
`;
  const a = await configured(text, { host: 'a', user: 'me' });
  expect(a).toMatchObject({ port: 2, user: 'me' });
  expect(a.notes).toEqual([expect.stringMatching(/config:2: "Match exec" is not understood/)]);
  expect(await configured(text, { host: 'a', user: 'root' })).toMatchObject({ port: 22 });
  expect(await configured(`Host b\nHostName b.example\n${text}`, { host: 'b' })).toMatchObject({
    port: 3,
    user: 'late',
  });
});

it('says by which way', async () => {
  const jump = await configured('Host a\nProxyJump j1,%r@j2:2222\nProxyCommand x', { host: 'a', user: 'me' });
  expect(jump).toMatchObject({ jumps: ['j1', 'me@j2:2222'] });
  expect(jump.proxyCommand).toBeUndefined();
  expect(await configured('ProxyJump none\nHost a\nProxyJump b', { host: 'a' })).toMatchObject({ jumps: [] });
  const command = await configured('Host a\nUser u\nProxyCommand nc -x "p q" %h %p %r %%', { host: 'a' });
  expect(command.proxyCommand).toBe('nc -x "p q" a 22 u %');
  const cunning = configured('ProxyCommand nc %h', { host: '$(reboot)' });
  await expect(cunning).rejects.toThrow(/can not be put into a ProxyCommand/);
  await expect(configured('ProxyCommand nc %Z', { host: 'a' })).rejects.toThrow(/"%Z" is not known/);
  expect(parseJump('me@[fe80::1]:2222')).toEqual({ user: 'me', host: 'fe80::1', port: 2222 });
  expect(parseJump('ssh://h/')).toEqual({ host: 'h' });
  for (const bad of ['', 'a b', '-x', 'h:0', 'h:99999', 'fe80::1']) {
    expect(() => parseJump(bad)).toThrow(/not a host to jump through/);
  }
});

it('keeps an address with a zone as it is', async () => {
  expect(await configured('', { host: 'fe80::1%eth0' })).toMatchObject({ host: 'fe80::1%eth0' });
});

it('fits patterns, also cunning ones', () => {
  for (const [pattern, name, fits] of [
    ['*', '', true],
    ['a?c*', 'abc', true],
    ['*.b.*', 'a.b.b.c', true],
    ['*a', 'ab', false],
    ['a.c', 'abc', false],
    ['?', '', false],
    ['a*b*c**', 'aXbYc', true],
    [`${'a*'.repeat(500)}b`, 'a'.repeat(2000), false],
  ] as const) {
    expect([pattern, name, matchesPattern(pattern, name)]).toEqual([pattern, name, fits]);
  }
});

it('does not honour that keys are not checked, and says so', async () => {
  const { strict, notes } = await configured('StrictHostKeyChecking no\n', { host: 'a' });
  expect(strict).toBe('ask');
  expect(notes).toEqual([expect.stringMatching(/config:1: .* is not honoured/)]);
});

it('names places, of which some are none', async () => {
  vi.stubEnv('VMFERRY_TEST_DIR', '/place');
  onTestFinished(() => void vi.unstubAllEnvs());
  const config = await configured(
    `UserKnownHostsFile \${VMFERRY_TEST_DIR}/%n none
GlobalKnownHostsFile none
IdentityAgent none
HostKeyAlias the-alias
PasswordAuthentication no
AddressFamily inet6
`,
    { host: 'a' },
  );
  expect(config).toMatchObject({
    userKnownHosts: ['/place/a'],
    globalKnownHosts: [],
    identityAgent: 'none',
    hostKeyAlias: 'the-alias',
    family: 6,
  });
  expect([...config.without]).toEqual(['password']);
  await expect(configured(`IdentityFile $\{VMFERRY_UNSET}/x`, { host: 'a' })).rejects.toThrow(/is not set/);
  await expect(configured('Port x', { host: 'a' })).rejects.toMatchObject({
    kind: 'usage',
    where: expect.stringMatching(/config:1$/),
  });
});

it('that others may write to is refused', async () => {
  const user = join(await tempFolder(), 'config');
  await writeFile(user, 'Port 1\n');
  await chmod(user, 0o666);
  await expect(hostConfig({ host: 'a' }, { user, system: '/nonexistent' })).rejects.toThrow(/somebody else/);
});

it('splits words as ssh does', () => {
  expect(splitArgs(`a "b c" 'd e' f\\"g h#i # j`)).toEqual(['a', 'b c', 'd e', 'f"g', 'h#i']);
  expect(splitArgs('"open')).toEqual(['open']);
});

it('changes the lists of algorithms', () => {
  const current = algorithmLists(false);
  expect(current.hostKey).not.toContain('ssh-rsa');
  expect(algorithmLists(true).hostKey.slice(-2)).toEqual(['ssh-rsa', 'ssh-dss']);
  expect(algorithmLists(true).cipher[0]).toBe(current.cipher[0]);
  const changed = algorithmLists(false, {
    kex: 'sntrup761x25519-sha512@openssh.com,ecdh-sha2-nistp384',
    hostKey: '+ssh-rsa',
    cipher: '^aes256-ctr',
    mac: '-*etm@openssh.com,hmac-sha1',
  });
  expect(changed.kex).toEqual(['ecdh-sha2-nistp384']);
  expect(changed.hostKey).toEqual([...current.hostKey, 'ssh-rsa']);
  expect(changed.cipher[0]).toBe('aes256-ctr');
  expect(changed.cipher).toHaveLength(current.cipher.length);
  expect(changed.mac).toEqual(['hmac-sha2-256', 'hmac-sha2-512']);
  expect(() => algorithmLists(false, { kex: 'mlkem768x25519-sha256' })).toThrow(/none of "mlkem768/);
});

import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeChange } from '../../../../src/guest/change/describe.ts';
import { copyFiles } from '../../../../src/guest/change/linux/additions/copies.ts';
import { hostsWith, setHostname } from '../../../../src/guest/change/linux/additions/hostname.ts';
import { setPasswords, withPassword } from '../../../../src/guest/change/linux/additions/passwords.ts';
import { addSshKeys } from '../../../../src/guest/change/linux/additions/ssh-keys.ts';
import { tempFolder } from '../../../temp.ts';
import { asked } from './plan-one.ts';

const passwd = 'root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1001:Alice:/home/alice:/bin/sh\n';
const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB alice@desk';

describe('the name', () => {
  it('is changed where it is written down', async () => {
    const files = {
      '/etc/hostname': 'old\n',
      '/etc/HOSTNAME': 'old.example\n',
      '/etc/hosts': '127.0.0.1 localhost\n127.0.1.1\told.example old\n',
    };
    const { tree } = await asked(setHostname, files, { hostname: 'new.example' });
    expect(await tree.view.text('/etc/hostname')).toBe('new.example\n');
    expect(await tree.view.text('/etc/HOSTNAME')).toBe('new.example\n');
    expect(await tree.view.text('/etc/hosts')).toBe('127.0.0.1 localhost\n127.0.1.1\tnew.example new\n');
  });

  it('is that of a Red Hat before systemd', async () => {
    const files = { '/etc/sysconfig/network': 'NETWORKING=yes\nHOSTNAME=old\n' };
    const { tree, edits } = await asked(
      setHostname,
      files,
      { hostname: 'new' },
      { system: { init: 'sysvinit' } },
    );
    expect(await tree.view.text('/etc/sysconfig/network')).toBe('NETWORKING=yes\nHOSTNAME=new\n');
    expect(edits).toHaveLength(1);
  });

  it.each([
    ['::1 localhost\n', 'x', 'new', '::1 localhost\n127.0.1.1\tnew\n'],
    ['10.0.0.1 db old other # the old\n', 'old', 'new', '10.0.0.1\tdb new other # the old\n'],
    ['10.0.0.1 new\n', 'old', 'new', '10.0.0.1 new\n'],
    ['# old\n', 'old', 'n.x', '# old\n127.0.1.1\tn.x n\n'],
  ])('in hosts: %j', (text, old, name, after) => expect(hostsWith(text, old, name)).toBe(after));

  it.each(['', '-a', 'a b', 'a/../b', 'x'.repeat(65), "a';reboot"])('%j is none', async (hostname) => {
    await expect(asked(setHostname, {}, { hostname })).rejects.toMatchObject({ kind: 'usage' });
  });
});

describe('SSH keys', () => {
  const want = (...keys: string[]) => ({ sshKeys: [{ user: 'alice', keys }] });

  it('make a folder and a file of the user', async () => {
    const { edits } = await asked(
      addSshKeys,
      { '/etc/passwd': passwd, '/home/alice/.profile': '' },
      want(key),
    );
    const owner = { uid: 1000, gid: 1001 };
    expect(edits).toMatchObject([
      { kind: 'folder', path: '/home/alice/.ssh', mode: 0o700, ...owner },
      { kind: 'write', path: '/home/alice/.ssh/authorized_keys', mode: 0o600, ...owner },
    ]);
  });

  it('go behind what is there, none twice', async () => {
    const path = '/home/alice/.ssh/authorized_keys';
    const files = { '/etc/passwd': passwd, [path]: `from="10.0.0.1" ${key}` };
    const other = 'ssh-ed25519 AAAAother';
    const { tree } = await asked(addSshKeys, files, want(key, other, other));
    expect(await tree.view.text(path)).toBe(`from="10.0.0.1" ${key}\n${other}\n`);
    expect((await asked(addSshKeys, files, want(key))).edits).toEqual([]);
  });

  it('go where sshd looks', async () => {
    const config = 'AuthorizedKeysFile /etc/ssh/keys/%u\nMatch User bob\n  AuthorizedKeysFile none\n';
    const files = { '/etc/passwd': passwd, '/etc/ssh/sshd_config': config };
    const { edits } = await asked(addSshKeys, files, want(key));
    expect(edits.at(-1)).toMatchObject({ path: '/etc/ssh/keys/alice' });
  });

  it.each([
    ['no such user', { '/etc/passwd': 'root:x:0:0::/root:/bin/sh\n' }, 'guest.no-such-user'],
    [
      'a link out of the home',
      { '/etc/passwd': passwd, '/home/alice/.ssh': { link: '/root/.ssh' } },
      'guest.ssh-keys',
    ],
    [
      'one file for all',
      { '/etc/passwd': passwd, '/etc/ssh/sshd_config': 'AuthorizedKeysFile /etc/keys\n' },
      'guest.ssh-keys',
    ],
  ])('%s is a blocker', async (_name, files, rule) => {
    const { findings, edits } = await asked(addSshKeys, files, want(key));
    expect(findings).toMatchObject([{ rule, severity: 'blocker' }]);
    expect(edits).toEqual([]);
  });

  it.each(['hello', `${key}\nssh-rsa AAAA`, ''])('%j is none', async (line) => {
    await expect(asked(addSshKeys, { '/etc/passwd': passwd }, want(line))).rejects.toMatchObject({
      kind: 'usage',
    });
  });
});

describe('a password', () => {
  const files = {
    '/etc/passwd': passwd,
    '/etc/shadow': 'root:*:19000:0:99999:7:::\nalice:!:0:0:99999:7:::\n',
  };
  const add = { passwordsOf: ['alice'] };

  it('is in no description, nor is any hash', async () => {
    const { tree } = await asked(setPasswords, files, add, { password: async () => 'open sesame' });
    expect(await tree.view.text('/etc/shadow')).toMatch(
      /^root:\*:19000:.*\nalice:\$6\$[^:]{16,}:\d{5}:0:99999:7:::\n$/,
    );
    const [described] = tree.changes.map(describeChange);
    expect(described!.files).toEqual([
      { path: '/etc/shadow', kind: 'changed', bytes: expect.any(Number), secret: true },
    ]);
    expect(JSON.stringify(described)).not.toMatch(/sesame|\$6\$|99999/);
  });

  it('is added for a user without one', () => {
    expect(withPassword('root:*:1::::::', 'bob', 'H', 20000)).toBe(
      'root:*:1::::::\nbob:H:20000:0:99999:7:::\n',
    );
  });

  it('that nobody gave is a blocker', async () => {
    const { findings } = await asked(setPasswords, files, add);
    expect(findings).toMatchObject([{ rule: 'guest.password', severity: 'blocker' }]);
  });

  it.each(['', 'two\nlines', 'x'.repeat(513)])('%j is none', async (text) => {
    const run = asked(setPasswords, files, add, { password: async () => text });
    await expect(run).rejects.toMatchObject({ kind: 'usage' });
  });
});

describe('copies', () => {
  it('are small files as text, large ones unread, folders as they are', async () => {
    const folder = await tempFolder();
    await mkdir(join(folder, 'in/sub'), { recursive: true });
    await writeFile(join(folder, 'in/small.sh'), 'echo\n');
    await chmod(join(folder, 'in/small.sh'), 0o755);
    await writeFile(join(folder, 'in/sub/large'), Buffer.alloc(3 * 2 ** 20, 7));
    await symlink('small.sh', join(folder, 'in/link'));
    const { edits } = await asked(
      copyFiles,
      { '/opt/x': '' },
      { copies: [{ from: join(folder, 'in'), to: '/opt/' }] },
    );
    expect(edits).toMatchObject([
      { kind: 'folder', path: '/opt/in' },
      { kind: 'link', path: '/opt/in/link', target: 'small.sh' },
      { kind: 'write', path: '/opt/in/small.sh', mode: 0o755, uid: 0, gid: 0 },
      { kind: 'folder', path: '/opt/in/sub' },
      { kind: 'upload', path: '/opt/in/sub/large', size: 3 * 2 ** 20 },
    ]);
    const large = edits.at(-1)!;
    if (large.kind !== 'upload') throw new Error();
    let bytes = 0;
    for await (const chunk of large.chunks()) bytes += chunk.length;
    expect(bytes).toBe(large.size);
    await writeFile(join(folder, 'in/sub/large'), 'shorter');
    await expect(
      (async () => {
        for await (const _ of large.chunks());
      })(),
    ).rejects.toMatchObject({ kind: 'conflict' });
  });

  it('of a file go into a folder of the guest', async () => {
    const folder = await tempFolder();
    await writeFile(join(folder, 'a'), 'x');
    const from = join(folder, 'a');
    const to = async (path: string) =>
      (await asked(copyFiles, { '/opt/x': '' }, { copies: [{ from, to: path }] })).edits;
    expect(await to('/opt')).toMatchObject([{ path: '/opt/a' }]);
    expect((await to('/srv/b')).at(-1)).toMatchObject({ path: '/srv/b' });
    await expect(to('opt')).rejects.toMatchObject({ kind: 'usage' });
    await expect(to('/opt/x/y')).rejects.toMatchObject({ kind: 'conflict' });
  });
});

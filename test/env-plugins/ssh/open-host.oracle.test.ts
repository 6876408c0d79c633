/** From the fields of a form to a host whose commands run as root. */
import { rmSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { openHost } from '../../../src/env-plugins/ssh-host/open-host.ts';
import { AppError } from '../../../src/model/errors.ts';
import { describeWith } from '../../oracles/requires.ts';
import { addUser, canAddUsers, sshdTools, startSshd } from '../../servers/sshd.ts';
import { tempFolder } from '../../temp.ts';

const tools = [...sshdTools, 'sudo', ...(canAddUsers ? ['useradd', 'chpasswd'] : ['root-to-add-a-user'])];

describeWith(tools, 'a host of a form', () => {
  it('uses sudo, with the password of the login where there is no other', async () => {
    const server = await startSshd();
    const home = await tempFolder();
    await chmod(home, 0o755);
    const { name, password } = addUser(home);
    const rules = `/etc/sudoers.d/${name}`;
    writeFileSync(rules, `${name} ALL=(ALL) ALL\n`, { mode: 0o440 });
    onTestFinished(() => rmSync(rules, { force: true }));
    const own = await tempFolder();
    await mkdir(join(own, '.ssh'));
    await writeFile(join(own, '.ssh', 'known_hosts'), `[127.0.0.1]:${server.port} ${server.hostKey()}\n`);
    vi.stubEnv('HOME', own);
    vi.stubEnv('SSH_AUTH_SOCK', '');
    onTestFinished(() => void vi.unstubAllEnvs());

    const open = async (secrets: Record<string, string>, sudo: string) => {
      const host = await openHost(
        { host: '127.0.0.1', port: String(server.port), user: name, keyFile: server.key, sudo },
        {
          signal: new AbortController().signal,
          secret: async (key) => {
            const secret = secrets[key];
            if (secret === undefined) throw new AppError('auth', `there is no secret for "${key}"`);
            return secret;
          },
          report: () => undefined,
          confirm: async () => false,
        },
      );
      onTestFinished(() => host.close());
      return (await host.run(['id', '-un'])).stdout.toString().trim();
    };
    expect(await open({ password }, 'no')).toBe(name);
    expect(await open({ password }, 'yes')).toBe('root');
    expect(await open({ sudoPassword: password, password: 'of the login' }, 'yes')).toBe('root');
    await expect(open({ sudoPassword: 'wrong' }, 'yes')).rejects.toThrow(/the password is wrong/);
    await expect(open({}, 'yes')).rejects.toThrow(/there is no secret for "password"/);
  });
});

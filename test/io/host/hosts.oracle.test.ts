/** This computer, and the same computer behind a real sshd, with each way to its files: one behaviour. */
import { spawnSync } from 'node:child_process';
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Host } from '../../../src/io/host/host.ts';
import { localHost } from '../../../src/io/host/local-host.ts';
import { sshHost } from '../../../src/io/host/ssh-host.ts';
import { testHost } from '../../conformance/test-host.ts';
import { describeWith } from '../../oracles/requires.ts';
import { connectTo } from '../../servers/ssh-login.ts';
import { sshdTools, startSshd } from '../../servers/sshd.ts';
import { tempFolder } from '../../temp.ts';

testHost('this computer', async () => localHost(), { extents: true });

/** A computer behind SSH on which only these commands are found, and what its shell greets with. */
async function behindSsh(
  commands?: readonly string[],
  greeting?: string,
  config: readonly string[] = [],
): Promise<Host> {
  const home = await tempFolder();
  if (greeting !== undefined) await writeFile(join(home, '.bashrc'), greeting);
  const variables = [`HOME=${home}`];
  if (commands !== undefined) {
    for (const name of commands) await symlink(pathOf(name), join(home, name));
    variables.push(`PATH=${home}`);
  }
  const server = await startSshd({ config: [...config, `SetEnv ${variables.join(' ')}`] });
  return sshHost(await connectTo(server));
}

const pathOf = (name: string): string => spawnSync('which', [name], { encoding: 'utf8' }).stdout.trim();

const basics = ['sh', 'env', 'cat', 'printf', 'sleep', 'true'];
const noise = `echo 'Welcome! This is a very friendly host.'; printf '\\0\\1\\2'; head -c 70000 /dev/zero\n`;

describeWith([...sshdTools, 'python3'], 'behind SSH', () => {
  testHost('a computer with Python', () => behindSsh(), { extents: true, helper: 'python' });
});
describeWith([...sshdTools, 'perl'], 'behind SSH', () => {
  testHost('a computer with Perl only', () => behindSsh([...basics, 'perl']), {
    extents: true,
    helper: 'perl',
  });
});
describeWith(sshdTools, 'behind SSH', () => {
  testHost('a computer with SFTP only', () => behindSsh(basics), { extents: false, helper: 'SFTP' });
});
describeWith([...sshdTools, 'python3', 'bash'], 'behind SSH', () => {
  testHost('a computer that greets', () => behindSsh(undefined, noise), {
    extents: true,
    helper: 'python',
  });
});

describeWith(sshdTools, 'behind SSH, a user without a shell', () => {
  it('is told as that, with what is said there', async () => {
    const host = await behindSsh(undefined, undefined, [
      'ForceCommand echo This account is not available.; exit 1',
    ]);
    const expected = {
      kind: 'unsupported',
      message: 'no command can be run there: This account is not available.',
      hint: expect.stringContaining('login shell'),
    };
    await expect(host.run(['id'])).rejects.toMatchObject(expected);
    await expect(host.spawn(['cat'])).rejects.toMatchObject(expected);
  });
});

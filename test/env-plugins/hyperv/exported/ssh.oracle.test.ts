/** Exported machines on a host behind a real sshd. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { hypervPlugin } from '../../../../src/env-plugins/hyperv/index.ts';
import { readBytes } from '../../../../src/io/byte-source.ts';
import { noSecrets } from '../../../conformance/test-plugin.ts';
import { describeWith } from '../../../oracles/requires.ts';
import { sshdTools, startSshd } from '../../../servers/sshd.ts';
import { tempFolder } from '../../../temp.ts';
import { listed, never } from '../host.ts';
import { exportFolder, generation2, someDisk, webId } from './export-folder.ts';

describeWith(sshdTools, 'exports over SSH', () => {
  it('are machines whose disks are read there', async () => {
    const sshd = await startSshd();
    const home = await tempFolder();
    await mkdir(join(home, '.ssh'));
    await writeFile(join(home, '.ssh', 'known_hosts'), `[127.0.0.1]:${sshd.port} ${sshd.hostKey()}\n`);
    vi.stubEnv('HOME', home);
    vi.stubEnv('SSH_AUTH_SOCK', '');
    onTestFinished(() => void vi.unstubAllEnvs());
    const root = await tempFolder();
    await exportFolder(root, 'web', {
      [`Virtual Machines/${webId}.vmcx`]: generation2(['D:\\web.vhdx']),
      'Virtual Hard Disks/web.vhdx': someDisk,
    });
    const { port, user, key } = sshd;
    const settings = { host: '127.0.0.1', port: String(port), user, keyFile: key, folders: root };
    const session = await hypervPlugin({ certificates: '/nonexistent' }).connect(settings, noSecrets());
    onTestFinished(() => session.close());
    const [machine] = await listed(session);
    expect(machine).toMatchObject({ name: 'web', processors: { count: 4 } });
    const { source } = await session.source!.open(machine!, 'scsi0:0', never);
    expect((await readBytes(source, 0, source.size)).equals(someDisk)).toBe(true);
    await source.close();
  });
});

/** A new file by SFTP alone, as on a host without Python and Perl. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { sftpSink } from '../../../src/io/host/sftp-sink.ts';
import { SshLink } from '../../../src/io/host/ssh-link.ts';
import { MiB } from '../../../src/model/units.ts';
import { randomBytes } from '../../conformance/random.ts';
import { describeWith } from '../../oracles/requires.ts';
import { connectTo } from '../../servers/ssh-login.ts';
import { canAddUsers, sshdTools, startSshd } from '../../servers/sshd.ts';
import { tempFolder } from '../../temp.ts';

describeWith([...sshdTools, 'mount', ...(canAddUsers ? [] : ['root-to-mount'])], 'a file by SFTP', () => {
  it('says that the disk is full', async () => {
    const folder = await tempFolder();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'none', folder]);
    onTestFinished(() => void execFileSync('umount', [folder]));
    const sink = await sftpSink(new SshLink(await connectTo(await startSshd())), join(folder, 'x'));
    const full = { kind: 'no-space', where: expect.stringContaining('/x') };
    await expect(sink.write(randomBytes(4 * MiB, 1), 0)).rejects.toMatchObject(full);
    await expect(sink.finish(4 * MiB)).rejects.toMatchObject(full);
    await sink.abort();
  });
});

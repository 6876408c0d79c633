/** This computer, and the same computer behind a real sshd: one behaviour. */
import { localHost } from '../../../src/io/host/local-host.ts';
import { sshHost } from '../../../src/io/host/ssh-host.ts';
import { testHost } from '../../conformance/test-host.ts';
import { describeWith } from '../../oracles/requires.ts';
import { connectTo } from '../../servers/ssh-login.ts';
import { sshdTools, startSshd } from '../../servers/sshd.ts';

testHost('this computer', async () => localHost(), { extents: true });

describeWith(sshdTools, 'behind SSH', () => {
  testHost('a computer behind SSH', async () => sshHost(await connectTo(await startSshd())), {
    extents: true,
  });
});

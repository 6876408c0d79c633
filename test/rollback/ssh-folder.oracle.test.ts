/** A folder behind a real SSH server: each step of a delivery fails, and nothing of it is left there. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { destinationRole } from '../../src/env-plugins/ssh/destination.ts';
import { openHost } from '../../src/env-plugins/ssh-host/open-host.ts';
import type { Host } from '../../src/io/host/host.ts';
import { noSecrets } from '../conformance/test-plugin.ts';
import { describeWith } from '../oracles/requires.ts';
import { sshdTools, startSshd } from '../servers/sshd.ts';
import { tempFolder } from '../temp.ts';
import { faultyHost } from './faults.ts';
import { fill, runHere, treeOf } from './folder.ts';
import { requestOf, sweep } from './sweep.ts';

async function hostBehindSsh(): Promise<Host> {
  const server = await startSshd();
  onTestFinished(() => server.stop());
  const home = await tempFolder();
  await mkdir(join(home, '.ssh'));
  await writeFile(join(home, '.ssh', 'known_hosts'), `[127.0.0.1]:${server.port} ${server.hostKey()}\n`);
  vi.stubEnv('HOME', home);
  vi.stubEnv('SSH_AUTH_SOCK', '');
  onTestFinished(() => void vi.unstubAllEnvs());
  const settings = {
    ...{ host: '127.0.0.1', port: String(server.port), user: server.user, keyFile: server.key },
  };
  const host = await openHost(settings, noSecrets());
  onTestFinished(() => host.close());
  return host;
}

const files = { 'a.raw': Buffer.from('new a'), "it's b.raw": Buffer.from('new b') };

describeWith(sshdTools, 'a folder over SSH', () => {
  it.each([
    ['a new folder', {}],
    ['files that are replaced', { 'new/a.raw': 'old a', "new/it's b.raw": 'old b', 'new/other': 'x' }],
  ])('is as it was: %s', async (_, old) => {
    const host = await hostBehindSsh();
    const top = await tempFolder();
    const settings = { folder: join(top, 'new') };
    const scene = async () => {
      fill(top, old);
      return {
        files,
        begin: (faults: Parameters<typeof faultyHost>[1], signal: AbortSignal) =>
          destinationRole(faultyHost(host, faults), top).begin(requestOf({ settings, force: true, signal })),
        there: async () => treeOf(top),
        run: runHere,
      };
    };
    const steps = await sweep(scene, { every: 4 });
    expect(steps.filter((step) => step === 'rename').length).toBeGreaterThan(1);
  });
});

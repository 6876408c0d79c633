/** The suite of all plugins over a real sshd. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished, vi } from 'vitest';
import { vmwareFilesPlugin } from '../../../src/env-plugins/vmware-files/index.ts';
import { noSecrets, testDestination, testSource } from '../../conformance/test-plugin.ts';
import { describeWith } from '../../oracles/requires.ts';
import { kill, type Sshd, sshdTools, startSshd } from '../../servers/sshd.ts';
import { tempFolder } from '../../temp.ts';
import { machineFolder, workstationMachine } from './machine-folder.ts';

/** A home in which the host is known, and no agent: what this user has is no business of the test. */
async function server(): Promise<Sshd> {
  const sshd = await startSshd();
  const home = await tempFolder();
  await mkdir(join(home, '.ssh'));
  await writeFile(join(home, '.ssh', 'known_hosts'), `[127.0.0.1]:${sshd.port} ${sshd.hostKey()}\n`);
  vi.stubEnv('HOME', home);
  vi.stubEnv('SSH_AUTH_SOCK', '');
  onTestFinished(() => void vi.unstubAllEnvs());
  return sshd;
}

async function connect({ port, user, key }: Sshd, folders: string) {
  const settings = { host: '127.0.0.1', port: String(port), user, keyFile: key, folders };
  const session = await vmwareFilesPlugin().connect(settings, noSecrets());
  onTestFinished(() => session.close());
  return session;
}

async function machines(): Promise<string> {
  const root = await tempFolder();
  await workstationMachine(root);
  await machineFolder(root, 'mail', 'server1.vmx', ['mail.vmdk']);
  return root;
}

async function breakIt(sshd: Sshd): Promise<void> {
  for (const pid of sshd.sessions()) kill(pid, 'SIGKILL');
  await sshd.stop();
}

describeWith(sshdTools, 'VMware machine files over SSH', () => {
  testSource('VMware machine files over SSH', async () => connect(await server(), await machines()), {
    async again() {
      const sshd = await server();
      const root = await machines();
      return { connect: () => connect(sshd, root) };
    },
    async breakable() {
      const sshd = await server();
      return {
        session: await connect(sshd, await machines()),
        break: () => breakIt(sshd),
        breaks: 'reading',
        waits: true,
      };
    },
  });

  testDestination('VMware machine files over SSH', async () => {
    const sshd = await server();
    const around = await tempFolder();
    const folder = join(around, 'machines');
    mkdirSync(folder);
    const own = join(folder, 'm');
    // The machine's description lies beside its disks, whatever they are.
    const names = async () => {
      try {
        return readdirSync(own).filter((name) => name !== 'm.vmx');
      } catch {
        return [];
      }
    };
    return {
      session: await connect(sshd, '/'),
      settings: { folder },
      places: 2,
      names,
      around: async () => readdirSync(around),
      visible: async () =>
        Object.fromEntries(
          (await names())
            .filter((name) => !name.startsWith('.'))
            .map((name) => [name, readFileSync(join(own, name), 'latin1')]),
        ),
    };
  });
});

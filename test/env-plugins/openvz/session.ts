/** Sessions of the plugin with a fake OpenVZ, here and behind a real sshd. */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished, vi } from 'vitest';
import { openMachineDisk } from '../../../src/convert/open-machine.ts';
import { openvzPlugin } from '../../../src/env-plugins/openvz/index.ts';
import type { Session } from '../../../src/env-plugins/plugin.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { noSecrets } from '../../conformance/test-plugin.ts';
import type { FakeOpenvz } from '../../servers/fake-openvz/fake-openvz.ts';
import { startSshd } from '../../servers/sshd.ts';
import { tempFolder } from '../../temp.ts';

export const signal = new AbortController().signal;
export async function connect(
  fake: FakeOpenvz,
  more: Readonly<Record<string, string>> = {},
  context = noSecrets(),
): Promise<Session> {
  for (const [name, value] of Object.entries(fake.environment)) vi.stubEnv(name, value);
  onTestFinished(() => void vi.unstubAllEnvs());
  return openvzPlugin().connect({ configuration: fake.configuration, ...more }, context);
}

export async function connectFar(
  fake: FakeOpenvz,
  login: { user?: string; sudo?: boolean } = {},
): Promise<Session> {
  const home = await tempFolder();
  await chmod(home, 0o755);
  const environment = Object.entries({ HOME: home, ...fake.environment });
  const server = await startSshd({
    config: [`SetEnv ${environment.map(([name, value]) => `"${name}=${value}"`).join(' ')}`],
  });
  await mkdir(join(home, '.ssh'));
  await writeFile(join(home, '.ssh', 'known_hosts'), `[127.0.0.1]:${server.port} ${server.hostKey()}\n`);
  vi.stubEnv('HOME', home);
  vi.stubEnv('SSH_AUTH_SOCK', '');
  onTestFinished(() => void vi.unstubAllEnvs());
  const settings = {
    host: '127.0.0.1',
    port: String(server.port),
    user: login.user ?? server.user,
    keyFile: server.key,
    configuration: fake.configuration,
    ...(login.sudo ? { sudo: 'yes' } : {}),
  };
  const session = await openvzPlugin().connect(settings, noSecrets());
  onTestFinished(() => session.close());
  return session;
}

export async function listed(session: Session): Promise<Machine[]> {
  const machines: Machine[] = [];
  await session.source!.list({ signal, found: (machine) => void machines.push(machine) });
  return machines;
}

export async function bytesOf(session: Session, machine: Machine, disk: string): Promise<Buffer> {
  const source = { machine: machine.id, follow: false };
  const image = await openMachineDisk(session, source, machine, disk, { signal, runId: 'test' });
  const whole = Buffer.alloc(image.size);
  await image.read(whole, 0);
  await image.close();
  return whole;
}

export const hold = (session: Session, machine: Machine, runId = 'r1') =>
  session.source!.hold!(machine, { runId, signal, report: () => undefined });

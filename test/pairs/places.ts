/** The six environments, each with a server of the test's own and the seed in it, as that environment has machines. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished, vi } from 'vitest';
import { sessionOn } from '../../src/env-plugins/hyperv/connect.ts';
import { sshTransport } from '../../src/env-plugins/hyperv/transport.ts';
import { libvirtPlugin } from '../../src/env-plugins/libvirt/index.ts';
import { localPlugin } from '../../src/env-plugins/local/index.ts';
import type { PluginContext, Session } from '../../src/env-plugins/plugin.ts';
import { virtualboxPlugin } from '../../src/env-plugins/virtualbox/index.ts';
import { vspherePlugin } from '../../src/env-plugins/vsphere/index.ts';
import { xapiPlugin } from '../../src/env-plugins/xapi/index.ts';
import { fakeManage } from '../env-plugins/virtualbox/machine-folder.ts';
import { startHyperV } from '../servers/hyperv.ts';
import { startLibvirtd } from '../servers/libvirtd.ts';
import { startVcsim } from '../servers/vcsim.ts';
import { startXapi } from '../servers/xapi.ts';
import { tempFolder } from '../temp.ts';
import { type At, carry, type Place, readAt, signal } from './carry.ts';
import { comparable } from './fields.ts';
import { defineOldSeed, defineSeed, putHyperVSeed, putVboxSeed, putXapiSeed } from './native-seeds.ts';
import { seedMachine, seedSession, seedText } from './seed.ts';

const context = (password = ''): PluginContext => ({
  signal,
  secret: async () => password,
  report: () => undefined,
  confirm: async () => true,
});

async function opened(session: Promise<Session>): Promise<Session> {
  const open = await session;
  onTestFinished(() => open.close());
  return open;
}

async function libvirt(): Promise<Place> {
  const server = await startLibvirtd();
  onTestFinished(() => server.stop());
  const pool = join(server.folder, 'pool');
  await mkdir(pool, { mode: 0o755 });
  await server.virsh('pool-define-as', '--name=images', '--type=dir', `--target=${pool}`);
  await server.virsh('pool-start', '--pool=images');
  await defineSeed(server);
  await defineOldSeed(server, oldName);
  const uri = { uri: server.uri };
  const session = await opened(libvirtPlugin().connect(uri, context()));
  const settings = { ...uri, pool: 'images', acceleration: 'none', network: 'user' };
  return { id: 'libvirt', label: 'libvirt', session, settings };
}

async function vsphere(): Promise<Place> {
  const server = await startVcsim();
  const known = join(await tempFolder(), 'known_certificates');
  const login = { host: '127.0.0.1', port: String(server.port), user: server.user };
  const session = await opened(
    vspherePlugin({ certificates: known }).connect(login, context(server.password)),
  );
  return { id: 'vsphere', label: 'vSphere', session, settings: { ...login, place: 'DC0_C0' } };
}

async function xapi(): Promise<Place> {
  const server = await startXapi();
  putXapiSeed(server);
  const known = join(await tempFolder(), 'known_certificates');
  const login = { host: '127.0.0.1', port: String(server.port), user: server.user };
  const session = await opened(xapiPlugin({ certificates: known }).connect(login, context(server.password)));
  return { id: 'xapi', label: 'XenServer', session, settings: login };
}

async function hyperv(): Promise<Place> {
  const host = await startHyperV(await tempFolder());
  await putHyperVSeed(host);
  const session = sessionOn(sshTransport(await host.connect()));
  onTestFinished(() => session.close());
  return { id: 'hyperv', label: 'Hyper-V', session, settings: {} };
}

async function virtualbox(): Promise<Place> {
  onTestFinished(() => void vi.unstubAllEnvs());
  vi.stubEnv('PATH', `${fakeManage}:${process.env.PATH}`);
  vi.stubEnv('FAKE_VBOX', await tempFolder());
  const folder = await tempFolder();
  await putVboxSeed(folder);
  const settings = { folders: folder, folder };
  const session = await opened(virtualboxPlugin().connect(settings, context()));
  return { id: 'virtualbox', label: 'VirtualBox', session, settings };
}

async function folder(): Promise<Place> {
  const here = await tempFolder();
  const settings = { folders: here };
  const session = await opened(localPlugin({ imageExtensions: [] }).connect(settings, context()));
  return { id: 'local', label: 'OVF in a folder', session, settings, folder: here };
}

const oldName = 'old seed';

export interface Starts {
  /** In the order of the page; each with the seed as its own source role tells it. */
  readonly starts: readonly At[];
  /** One of libvirt that starts by BIOS. */
  readonly old: At;
}

export async function startPlaces(): Promise<Starts> {
  const places = await Promise.all([libvirt(), vsphere(), xapi(), hyperv(), virtualbox(), folder()]);
  const nowhere: At = {
    place: { id: 'seed', label: 'seed', session: seedSession(seedMachine), settings: {} },
    machine: seedMachine,
    told: comparable(seedMachine, []),
    digests: [],
  };
  const starts: At[] = [];
  for (const place of places) {
    const isMade = ['vsphere', 'local'].includes(place.id);
    starts.push(
      isMade ? (await carry(nowhere, place, seedText.name)).there : await readAt(place, seedText.name),
    );
  }
  return { starts, old: await readAt(places[0]!, oldName) };
}

/** A pool of a test's own in a private libvirtd, and what is in it. */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { libvirtOn } from '../../../src/env-plugins/libvirt/connect.ts';
import { destinationRole } from '../../../src/env-plugins/libvirt/destination.ts';
import type { Session } from '../../../src/env-plugins/plugin.ts';
import type { Host } from '../../../src/io/host/host.ts';
import { localHost } from '../../../src/io/host/local-host.ts';
import { AppError } from '../../../src/model/errors.ts';
import type { Libvirtd } from '../../servers/libvirtd.ts';

export interface TestPool {
  readonly name: string;
  readonly folder: string;
  readonly session: Session;
  readonly settings: Readonly<Record<string, string>>;
  /** All names in the folder. */
  names(): Promise<string[]>;
  /** Names of all machines. */
  domains(): Promise<string[]>;
}

/** `mount` puts something into the new folder before the pool is made. */
export async function testPool(
  libvirtd: Libvirtd,
  { host = localHost(), mount }: { host?: Host; mount?: (folder: string) => Promise<void> } = {},
): Promise<TestPool> {
  // Quotes and blanks are allowed in a pool's name, and in that of its folder.
  const name = `p'ool "${randomBytes(3).toString('hex')}`;
  const folder = join(libvirtd.folder, name);
  await mkdir(folder);
  await chmod(folder, 0o755);
  await mount?.(folder);
  await libvirtd.virsh('pool-define-as', `--name=${name}`, '--type=dir', `--target=${folder}`);
  await libvirtd.virsh('pool-start', `--pool=${name}`);
  const domains = async () =>
    (await libvirtd.virsh('list', '--all', '--name')).split('\n').filter((line) => line !== '');
  onTestFinished(async () => {
    const uuids = (await libvirtd.virsh('list', '--all', '--uuid')).split('\n').filter((line) => line !== '');
    for (const uuid of uuids) {
      await libvirtd.virsh('destroy', uuid).catch(() => undefined);
      await libvirtd.virsh('undefine', uuid, '--nvram', '--snapshots-metadata');
    }
    await libvirtd.virsh('pool-destroy', `--pool=${name}`);
    await libvirtd.virsh('pool-undefine', `--pool=${name}`);
    await rm(folder, { recursive: true, force: true });
  });
  const session: Session = {
    destination: destinationRole(libvirtOn(host, libvirtd.uri)),
    close: () => host.close(),
  };
  return {
    name,
    folder,
    session,
    settings: { pool: name, acceleration: 'none', network: 'user' },
    names: async () => (await readdir(folder)).sort(),
    domains,
  };
}

/** Contents of the disks of all machines, by the names of their files. */
export async function diskContents({ virsh }: Libvirtd): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const uuid of (await virsh('list', '--all', '--uuid')).split('\n').filter((line) => line !== '')) {
    const xml = await virsh('dumpxml', uuid);
    for (const [, escaped = ''] of xml.matchAll(/<source file='([^']*)'/g)) {
      const path = unescaped(escaped);
      found[basename(path)] = await readFile(path, 'latin1');
    }
  }
  return found;
}

const characters: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };
export const unescaped = (text: string): string =>
  text.replace(/&(\w+);/g, (_, name) => characters[name] ?? '?');

/** A user of this computer without any right, in whose name all commands run; files can only be looked at. */
export function plainUserHost(): Host {
  const host = localHost();
  const asNobody = (args: readonly string[]) => [
    'setpriv',
    '--reuid=65534',
    '--regid=65534',
    '--clear-groups',
    ...args,
  ];
  const denied = async (): Promise<never> => {
    throw new AppError('auth', 'permission denied');
  };
  return {
    ...host,
    files: { ...host.files, create: denied, makeFolder: denied, rename: denied, remove: denied },
    run: (args, options) => host.run(asNobody(args), options),
    spawn: (args, options) => host.spawn(asNobody(args), options),
  };
}

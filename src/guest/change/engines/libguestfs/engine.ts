/**
 * The engine for what the built-in one can't write: libguestfs, where it is installed. The disks are served to it by NBD;
 * it is started once for all volumes, and each is mounted alone.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { localHost } from '../../../../io/host/local-host.ts';
import { type NbdServer, serveNbd } from '../../../../io/nbd/server.ts';
import { AppError } from '../../../../model/errors.ts';
import type { Edit, RegistryEdit } from '../../edit.ts';
import type { Engine, EngineContext, EngineVolume, EngineWork } from '../../engine.ts';
import { applyEdits, withoutModes } from './apply-edits.ts';
import { registryRefusal } from './registry.ts';
import { GuestfishSession } from './session.ts';

const writes: ReadonlySet<string> = new Set([
  ...['ext2', 'ext3', 'ext4', 'xfs', 'btrfs', 'f2fs'],
  ...withoutModes,
]);

const isRegistry = (edit: Edit): edit is RegistryEdit => edit.kind === 'registry';

export const libguestfs: Engine = {
  id: 'libguestfs',
  async missing(signal) {
    const found = (command: string) =>
      localHost()
        .run(['sh', '-c', `command -v ${command}`], { signal })
        .then(({ code }) => code === 0);
    if (!(await found('guestfish')))
      return 'there is no guestfish: install libguestfs-tools (Fedora: guestfs-tools)';
    return undefined;
  },
  async refuses({ kind }, edits, signal) {
    if (!writes.has(kind)) return `it is not used for ${kind}`;
    if (withoutModes.has(kind) && edits.some((edit) => edit.kind === 'link')) return `${kind} has no links`;
    const registry = edits.filter(isRegistry);
    if (registry.length === 0) return undefined;
    const { code } = await localHost().run(['sh', '-c', 'command -v hivexregedit'], { signal });
    if (code !== 0) return 'there is no hivexregedit: install libwin-hivex-perl (Fedora: perl-hivex)';
    return registryRefusal(registry);
  },
  async apply(work, context) {
    const folder = await mkdtemp(join(tmpdir(), 'vmferry-guest-'));
    const servers: NbdServer[] = [];
    let session: GuestfishSession | undefined;
    try {
      for (const disk of work.disks)
        servers.push(await serveNbd({ exports: [{ name: '', disk, writable: disk }] }));
      session = new GuestfishSession(context.signal);
      await launch(session, work, servers, context);
      await openEncrypted(session, work);
      for (const volume of work.volumes) {
        await mount(session, volume);
        await applyEdits({ session, volume, folder, ...context, report: (step) => context.report(step) });
        await session.run('umount-all', [], { where: volume.name });
      }
      context.report('libguestfs ends');
      await session.run('sync');
      // Says so where something could not be written.
      await session.run('shutdown');
    } finally {
      await session?.end();
      await Promise.all(servers.map((server) => server.close()));
      await rm(folder, { recursive: true, force: true });
    }
  },
};

async function launch(
  session: GuestfishSession,
  { disks }: EngineWork,
  servers: readonly NbdServer[],
  { report }: EngineContext,
): Promise<void> {
  report('libguestfs starts');
  // qemu in the same group: it is ended with it.
  await session.run('set-pgroup', ['false']);
  for (const [i, disk] of disks.entries()) {
    const { address } = servers[i]!;
    if (!('path' in address)) throw new AppError('bug', 'a disk is not served on a socket');
    const options = { protocol: 'nbd', server: `unix:${address.path}`, format: 'raw' };
    const blocks = disk.sectorSize === 512 ? {} : { blocksize: disk.sectorSize };
    await session.run('add', [''], { options: { ...options, ...blocks } });
  }
  await session.run('run');
}

async function openEncrypted(session: GuestfishSession, { volumes, passphrase }: EngineWork): Promise<void> {
  const opened = new Set<string>();
  for (const { encrypted, device, name } of volumes) {
    if (encrypted === undefined || opened.has(encrypted)) continue;
    opened.add(encrypted);
    const key = await passphrase?.();
    if (key === undefined)
      throw new AppError('auth', 'it is encrypted and no passphrase was given', { where: name });
    const mapped = /^\/dev\/mapper\/(luks-[\w-]+)$/.exec(device)?.[1] ?? `vmferry-${opened.size}`;
    await session.run('cryptsetup-open', [encrypted, mapped], { key, where: name });
  }
  if (opened.size > 0) await session.run('lvm-scan', ['true']);
}

async function mount(session: GuestfishSession, volume: EngineVolume): Promise<void> {
  const { device, subvolume, name, kind } = volume;
  const byNumber = /^\d+$/.test(subvolume ?? '');
  const options =
    subvolume === undefined || kind !== 'btrfs' ? '' : `${byNumber ? 'subvolid' : 'subvol'}=${subvolume}`;
  await session.run('mount-options', [options, device, '/'], { where: name });
}

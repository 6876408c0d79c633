/** Putting an overlay's content back into what lies below it, and removing it. */
import { posix } from 'node:path';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Libvirt } from './connect.ts';
import type { Domain } from './domain-xml.ts';
import type { DomainDisk } from './domain-xml-disks.ts';
import { type Overlay, runOf } from './overlays.ts';

type Look = () => Promise<{ readonly domain: Domain }>;

/** Never throws. In words what could not be done, and what to do about it. */
export async function mergeOverlay(
  libvirt: Libvirt,
  id: string,
  overlay: Overlay,
  look: Look,
): Promise<string[]> {
  try {
    const { domain } = await look();
    if (isIn(domain, overlay)) await merge(libvirt, id, overlay, domain, look);
    const after = (await look()).domain;
    if (isIn(after, overlay)) throw new AppError('io', 'libvirt says it is merged, and it is still in use');
    await remove(libvirt, overlay.path);
    return [];
  } catch (error) {
    const { message, kind } = toAppError(error);
    const todo =
      kind === 'not-found'
        ? `if the machine is to be used again: qemu-img commit ${overlay.path}`
        : `merge it by hand: virsh blockcommit ${id} ${overlay.target} --shallow --active --pivot --wait`;
    return [`disk ${overlay.target} is left on ${overlay.path}: ${message}; ${todo}`];
  }
}

const diskOf = ({ disks }: Domain, { target }: Overlay): DomainDisk | undefined =>
  disks.find((one) => one.disk.id === target);

/** Whether the machine uses it, at the top or below. */
export function isIn(domain: Domain, overlay: Overlay): boolean {
  const disk = diskOf(domain, overlay);
  return (
    disk !== undefined && [disk.place, ...disk.backing].some((p) => 'path' in p && p.path === overlay.path)
  );
}

async function merge(
  libvirt: Libvirt,
  id: string,
  overlay: Overlay,
  domain: Domain,
  look: Look,
): Promise<void> {
  if (!domain.live) return mergeStarted(libvirt, id, overlay, look);
  const { place, job } = diskOf(domain, overlay)!;
  const isTop = 'path' in place && place.path === overlay.path;
  if (job !== undefined) {
    if (job !== 'active-commit' || !isTop)
      throw new AppError('conflict', `a job of type "${job}" is under way on the disk`);
    // A merge that was not ended: its run died before.
    await libvirt.virsh(['blockjob', `--domain=${id}`, `--path=${overlay.target}`, '--abort']);
  }
  const way = isTop ? ['--active', '--pivot'] : [`--top=${overlay.path}`];
  const command = [
    'blockcommit',
    `--domain=${id}`,
    `--path=${overlay.target}`,
    '--shallow',
    '--wait',
    ...way,
  ];
  try {
    await libvirt.virsh([...command, '--delete']);
  } catch (error) {
    // An older libvirt, and one with some kinds of storage, does not delete the file itself.
    if (toAppError(error).kind !== 'unsupported') throw error;
    await libvirt.virsh(command);
  }
}

/**
 * It was shut down meanwhile. Started without running a single instruction it can be merged by libvirt, which may
 * write to files that this user may not. A machine with saved memory would be woken by that: it is left alone.
 */
async function mergeStarted(libvirt: Libvirt, id: string, overlay: Overlay, look: Look): Promise<void> {
  const saved = await libvirt.virsh(['list', '--all', '--uuid', '--with-managed-save']);
  if (saved.split(/\s+/).includes(id)) {
    throw new AppError('conflict', 'the machine was saved meanwhile', {
      hint: 'start it, then merge the overlay',
    });
  }
  await libvirt.virsh(['start', `--domain=${id}`, '--paused']);
  try {
    const { domain } = await look();
    if (!domain.live) throw new AppError('io', 'the machine does not start');
    await merge(libvirt, id, overlay, domain, look);
  } finally {
    await libvirt.virsh(['destroy', `--domain=${id}`]);
  }
}

/** Only what has a name of ours. */
async function remove({ host, virsh }: Libvirt, path: string): Promise<void> {
  if (runOf(path) === undefined || (await host.files.stat(path)) === undefined) return;
  try {
    await host.files.remove(path);
  } catch (error) {
    if (toAppError(error).kind !== 'auth') throw error;
    const removed = await host.run(['rm', '-f', '--', path]);
    if (removed.code === 0) return;
    // Whoever may not remove it may ask libvirt to, where the folder is a pool.
    await virsh(['vol-delete', `--vol=${path}`]).catch(() => {
      throw new AppError('auth', `it is merged, and can't be removed`, {
        where: posix.dirname(path),
        cause: error,
      });
    });
  }
}

/** The overlays of a hold: their names, their places, the room for them, and those that an earlier run left. */
import { posix } from 'node:path';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import { formatBytes, GiB, MiB } from '../../model/units.ts';
import type { Libvirt } from './connect.ts';
import type { Domain } from './domain-xml.ts';
import type { DomainDisk } from './domain-xml-disks.ts';
import { pathOf } from './storage.ts';

export interface Overlay {
  /** The disk's `dev`, such as `vda`. */
  readonly target: string;
  readonly path: string;
}

export interface OverlayPlan {
  readonly overlays: readonly Overlay[];
  /** For `--diskspec`, every drive of the machine. */
  readonly words: readonly string[];
  readonly findings: readonly Finding[];
}

const ourName = /^vmferry-([\w.-]+)-[0-9a-f]{8}-\w+\.qcow2$/;

/** The run that made the file; undefined where it is none of ours. */
export const runOf = (path: string): string | undefined => ourName.exec(posix.basename(path))?.[1];

/** Overlays of ours that the machine uses, the upmost first. */
export function leftOverlays({ disks }: Domain): Overlay[] {
  return disks.flatMap(({ disk, place, backing }) =>
    [place, ...backing].flatMap((layer) =>
      'path' in layer && runOf(layer.path) !== undefined ? [{ target: disk.id, path: layer.path }] : [],
    ),
  );
}

/** @throws AppError `unsupported` when no disk can be held. */
export async function planOverlays(
  libvirt: Libvirt,
  { machine, disks, otherDrives }: Domain,
  runId: string,
  signal: AbortSignal,
): Promise<OverlayPlan> {
  const overlays: Overlay[] = [];
  const findings: Finding[] = [];
  const words = otherDrives.map((target) => `${target},snapshot=no`);
  for (const one of disks) {
    const { id } = one.disk;
    const why = notHeld(one);
    if (why !== undefined) {
      words.push(`${id},snapshot=no`);
      if (why !== '') findings.push(notHeldFinding(one, why));
      continue;
    }
    const folder = await folderFor(libvirt, one, disks, signal);
    const path = posix.join(folder, `vmferry-${runId}-${machine.id.slice(0, 8)}-${id}.qcow2`);
    overlays.push({ target: id, path });
    // A comma ends a value; two are one.
    words.push(`${id},snapshot=external,driver=qcow2,file=${path.replaceAll(',', ',,')}`);
  }
  if (overlays.length > 0 || disks.length === 0) return { overlays, words, findings };
  throw new AppError('unsupported', 'none of its disks can be held while it runs', {
    where: machine.name,
    hint: 'shut it down, and run it again',
  });
}

/** Why not; empty where nothing has to be told. */
function notHeld({ disk, place, job, transient }: DomainDisk): string | undefined {
  if (disk.readOnly) return '';
  if (place.kind === 'elsewhere') return place.what;
  if (disk.shared) return 'other machines write to it as well';
  if (transient) return 'it is transient';
  if (job !== undefined) return `a job of type "${job}" is under way on it`;
  return undefined;
}

const notHeldFinding = ({ disk }: DomainDisk, why: string): Finding => ({
  rule: 'libvirt.disk-not-held',
  severity: 'warning',
  message: `this disk goes on changing while it is read: ${why}`,
  evidence: `${disk.id}: ${disk.name}`,
  remedy: 'shut the machine down first, or leave this disk out',
});

/** Beside the disk. A device has no folder: beside another disk, or in a pool of files. */
async function folderFor(
  libvirt: Libvirt,
  one: DomainDisk,
  disks: readonly DomainDisk[],
  signal: AbortSignal,
): Promise<string> {
  const path = await pathOf(libvirt, one.place, one.disk.id, signal);
  if (one.place.kind !== 'block' && !path.startsWith('/dev/')) return posix.dirname(path);
  const file = disks.find((other) => other.place.kind === 'file');
  if (file !== undefined && 'path' in file.place) return posix.dirname(file.place.path);
  const usual = '/var/lib/libvirt/images';
  if ((await libvirt.host.files.stat(usual, signal))?.kind === 'folder') return usual;
  throw new AppError('unsupported', 'there is no folder for what it writes while its device is read', {
    where: path,
    hint: `make ${usual} on the host, or shut the machine down first`,
  });
}

/** Less than this is used up too soon; with less than the second it is said. */
const leastSpace = 256 * MiB;
const scarceSpace = 4 * GiB;

/** @throws AppError `no-space`. */
export async function spaceFindings(
  { host }: Libvirt,
  overlays: readonly Overlay[],
  signal: AbortSignal,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const folder of new Set(overlays.map(({ path }) => posix.dirname(path)))) {
    const result = await host.run(['df', '-P', '-k', '--', folder], { signal }).catch((error) => {
      if (['cancelled', 'unreachable'].includes(toAppError(error).kind)) throw error;
      return undefined; // no df there
    });
    // A folder that this user can't see is libvirt's own affair.
    const [, kib] = /\s\d+\s+\d+\s+(\d+)\s+\d+%\s/.exec(result?.stdout.toString() ?? '') ?? [];
    if (kib === undefined) continue;
    const bytes = Number(kib) * 1024;
    if (bytes < leastSpace) {
      throw new AppError('no-space', `${formatBytes(bytes)} are free for what it writes meanwhile`, {
        where: `${host.name}:${folder}`,
        hint: `free at least ${formatBytes(leastSpace)}, or shut the machine down first`,
      });
    }
    if (bytes < scarceSpace)
      findings.push({
        rule: 'libvirt.little-space',
        severity: 'warning',
        message: `${formatBytes(bytes)} are free for what it writes meanwhile: when they are full, it is paused`,
        evidence: folder,
      });
  }
  return findings;
}

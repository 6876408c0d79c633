/** A machine of which only the disks are known: they are carried all the same, and a finding says what is guessed. */
import { posix } from 'node:path';
import type { HostFile } from '../../../io/host/host.ts';
import type { Finding } from '../../../model/finding.ts';
import type { Machine } from '../../../model/machine.ts';
import type { ExportFolder } from './places.ts';

const guid = /[_-]?\{?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?$/i;

/** `id`: its settings, which are not understood, or the folder itself. */
export function guessedMachine(folder: ExportFolder, id: string, why: string): Machine {
  const { tops, unsure } = topDisks(folder.disks);
  const generation1 = tops.some(({ path }) => /vhd$/i.test(path));
  const guessed: Finding = {
    rule: 'hyperv.hardware-guessed',
    severity: 'warning',
    message: `its settings are not understood (${why}): the disks that lie there are taken, the hardware is guessed`,
    evidence: id,
    remedy: 'give its processors, memory, firmware and networks yourself',
  };
  return {
    id,
    name: posix.basename(folder.path),
    state: 'off',
    packaging: 'Hyper-V, exported',
    // Only generation 1 takes a VHD.
    ...(generation1 ? { firmware: { kind: 'bios' as const } } : {}),
    disks: tops.map(({ path, size, allocatedBytes }, index) => ({
      id: `disk${index}`,
      name: posix.basename(path),
      ...(/\.vhds$/i.test(path) ? {} : { format: /vhdx$/i.test(path) ? 'vhdx' : 'vhd' }),
      allocatedSizeBytes: allocatedBytes ?? size,
      files: [path],
      ...(index === 0 ? { bootable: true } : {}),
    })),
    nics: [],
    place: folder.path,
    findings: [guessed, ...unsure.map(unsureFinding)],
  };
}

const unsureFinding = (disk: HostFile): Finding => ({
  rule: 'hyperv.newest-difference',
  severity: 'warning',
  message: 'several differencing disks belong to one: the one that was written last is taken',
  evidence: disk.path,
  remedy: 'check that it is the machine’s current state',
});

/** `web.vhdx` and `web_GUID.avhdx` on it are one disk. In the order of names. */
function topDisks(disks: readonly HostFile[]): { tops: HostFile[]; unsure: HostFile[] } {
  const groups = new Map<string, HostFile[]>();
  for (const disk of disks) {
    const name = posix.basename(disk.path);
    const stem = name.replace(/\.\w+$/, '');
    const base = /\.avhdx?$/i.test(name) ? stem.replace(guid, '') : stem;
    const key = `${base}.${/x$/i.test(name) ? 'vhdx' : 'vhd'}`.toLowerCase();
    groups.set(key, [...(groups.get(key) ?? []), disk]);
  }
  const tops: HostFile[] = [];
  const unsure: HostFile[] = [];
  for (const [, group] of [...groups].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const differences = group.filter(({ path }) => /\.avhdx?$/i.test(path));
    const newest = [...differences].sort((a, b) => b.modifiedAt - a.modifiedAt)[0];
    if (newest === undefined) tops.push(...group);
    else tops.push(newest);
    if (newest !== undefined && differences.length > 1) unsure.push(newest);
  }
  return { tops, unsure };
}

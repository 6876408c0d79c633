/** The system in files that lie in memory. */
import type { GuestMount } from '../../../src/guest/guest.ts';
import { mountedFiles } from '../../../src/guest/mounted-files.ts';
import { readSystem } from '../../../src/guest/system/read-system.ts';
import type { Finding } from '../../../src/model/finding.ts';
import type { InstalledSystem } from '../../../src/model/guest-report.ts';
import { type MemoryTree, memoryFiles } from '../change/memory-files.ts';
import { diskOf } from '../disks.ts';

/** `mounts`: further volumes by their mount point, paths below it. */
export async function systemOf(
  tree: MemoryTree,
  mounts: Readonly<Record<string, MemoryTree>> = {},
  thorough = true,
): Promise<{ system: InstalledSystem | undefined; findings: Finding[] }> {
  const mount = (mountPoint: string, own: MemoryTree): GuestMount => ({
    ...{ mountPoint, name: mountPoint, kind: 'ext4', device: '/dev/sda1', readOnly: false },
    files: {
      ...memoryFiles(own),
      facts: { blockBytes: 4096, sizeBytes: 1e9, freeBytes: 5e8, freeInodes: 7, state: 'clean', notes: [] },
    },
  });
  const findings: Finding[] = [];
  const files = mountedFiles([
    mount('/', tree),
    ...Object.entries(mounts).map(([point, own]) => mount(point, own)),
  ]);
  const root = { name: 'partition 1', deviceNames: [], made: 'partition', sizeBytes: 1e9, inside: [] };
  const looking = { disk: diskOf(Buffer.alloc(512)), signal: undefined, findings };
  const system = await readSystem(files, { looking, root, volumes: [], thorough, filesOnly: false });
  return { system, findings };
}

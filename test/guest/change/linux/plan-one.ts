/** One family of changes, worked out on files in memory. */
import type { LinuxChange, LinuxContext } from '../../../../src/guest/change/linux/context.ts';
import { PlannedTree } from '../../../../src/guest/change/tree.ts';
import { mountedFiles } from '../../../../src/guest/mounted-files.ts';
import type { GuestAdditions } from '../../../../src/model/guest-plan.ts';
import { type MemoryTree, memoryFiles } from '../memory-files.ts';

export type Given = Partial<Omit<LinuxContext, 'target' | 'system'>> & {
  target?: Partial<LinuxContext['target']>;
  system?: Partial<LinuxContext['system']>;
};

export async function asked(change: LinuxChange, files: MemoryTree, add: GuestAdditions, given: Given = {}) {
  const memory = memoryFiles(files);
  const tree = new PlannedTree(memory);
  const findings = await change(tree, {
    files: mountedFiles([{ mountPoint: '/', files: memory }]) as unknown as LinuxContext['files'],
    nics: [],
    volumes: [],
    reports: [],
    wish: { changes: 'none', add },
    signal: new AbortController().signal,
    ...given,
    system: {
      ...{ name: 'Debian GNU/Linux 12', family: 'linux', architecture: 'x86_64', rootPartition: 1 },
      ...{
        confidence: 'high',
        evidence: [],
        kernels: [],
        mounts: [],
        distribution: 'debian',
        init: 'systemd',
      },
      ...given.system,
    },
    target: {
      ...{ product: 'qemu', disks: [{ bus: 'virtio' }], nics: [], firmware: 'bios', console: 'screen' },
      cloud: false,
      ...given.target,
    },
  });
  return { tree, findings, edits: tree.changes.flatMap((c) => c.edits) };
}

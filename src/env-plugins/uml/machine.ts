/** The neutral machine of a command line, or of a bare image. */
import { posix } from 'node:path';
import type { HostFile } from '../../io/host/host.ts';
import type { Finding } from '../../model/finding.ts';
import type { Machine, MachineDisk, PowerState } from '../../model/machine.ts';
import type { UmlCommand, UmlDisk } from './command-line.ts';

const noKernel: Finding = {
  rule: 'uml.kernel-outside',
  severity: 'warning',
  message: 'its kernel is a program of the host: elsewhere it needs a kernel and a bootloader of its own',
  remedy:
    'let a partition table, GRUB and a kernel of this computer be put around it: --partition-table mbr --kernel /boot/vmlinuz-…; or let the destination start it with a kernel file of its own',
};

const noTable: Finding = {
  rule: 'uml.no-partition-table',
  severity: 'warning',
  message: 'it is a bare filesystem without a partition table: other environments can not start from it',
  remedy:
    'let a partition table be put around it: "Partition table" on the Configuration screen, --partition-table mbr on the command line',
};

const hostFolders = (folders: readonly string[]): Finding[] =>
  folders.map((folder) => ({
    rule: 'uml.host-folder',
    severity: 'blocker',
    message: `its root is the folder ${folder} of the host, which is no disk`,
    remedy: 'copy that folder into a filesystem image first',
  }));

export function machineOfCommand(id: string, name: string, state: PowerState, command: UmlCommand): Machine {
  return {
    id,
    name,
    state,
    packaging: 'User Mode Linux',
    ...(command.processors === undefined ? {} : { processors: { count: command.processors } }),
    // The kernel's own default.
    memoryBytes: command.memoryBytes ?? 32 * 2 ** 20,
    disks: command.disks.map((disk) => diskOf(disk, command.root)),
    nics: command.nics,
    devices: { consoles: ['serial'] },
    findings: [noKernel, ...(isBare(command) ? [noTable] : []), ...hostFolders(command.hostFolders)],
  };
}

/** The root is the whole disk, and no partition of it. */
const isBare = ({ root = '/dev/ubda' }: UmlCommand): boolean => !/\d$/.test(root) || /\/ubd\/\d+$/.test(root);

function diskOf(disk: UmlDisk, root: string | undefined): MachineDisk {
  return {
    id: `ubd${disk.unit}`,
    name: posix.basename(disk.path),
    ...(disk.backing === undefined ? {} : { format: 'cow' }),
    bus: 'ubd',
    controller: 0,
    unit: disk.unit,
    files: [disk.path, ...(disk.backing === undefined ? [] : [disk.backing])],
    ...(isRoot(disk, root) ? { bootable: true } : {}),
    ...(disk.readOnly ? { readOnly: true } : {}),
    ...(disk.shared ? { shared: true } : {}),
  };
}

/** Without a word the root is `/dev/ubda`. */
const isRoot = (disk: UmlDisk, root = '/dev/ubda'): boolean =>
  root === '98:0'
    ? disk.unit === 0
    : root.startsWith(`/dev/ubd${String.fromCharCode(97 + disk.unit)}`) || root === `/dev/ubd/${disk.unit}`;

export function machineOfImage(file: HostFile, kind: 'cow' | 'filesystem' | 'disk'): Machine {
  const name = posix.basename(file.path);
  return {
    id: file.path,
    name: posix.basename(name, posix.extname(name)) || name,
    state: 'unknown',
    packaging: kind === 'cow' ? 'COW file' : kind === 'filesystem' ? 'root filesystem' : 'disk image',
    disks: [
      {
        id: 'ubd0',
        name,
        ...(kind === 'cow' ? { format: 'cow' } : {}),
        allocatedSizeBytes: file.allocatedBytes ?? file.size,
        bus: 'ubd',
        controller: 0,
        unit: 0,
        files: [file.path],
        bootable: true,
      },
    ],
    nics: [],
    findings: kind === 'disk' ? [noKernel] : [noKernel, noTable],
  };
}

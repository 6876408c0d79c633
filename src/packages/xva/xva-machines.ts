/** The machines that an XVA describes, and the images of their disks. Pure. */
import { AppError } from '../../model/errors.ts';
import type { Machine } from '../../model/machine.ts';
import type { XvaDescription } from './ova-xml.ts';
import { countIn, isTrueIn, mapIn, textIn } from './records.ts';
import { readXenMachine } from './xen-machine.ts';

/** A disk of a machine, and the directory of its blocks in the archive. */
export interface XvaDisk extends XvaBlocks {
  readonly machine: string;
  readonly id: string;
}

export interface XvaBlocks {
  readonly directory: string;
  /** Of the disk, bytes. */
  readonly size: number;
}

/** Larger than any product's, and its blocks still have eight digits. */
const largestDisk = 2 ** 46;

export function machinesIn(
  description: XvaDescription,
  path: string,
): {
  readonly machines: Machine[];
  readonly disks: XvaDisk[];
  /** What firmware keeps, by machine. */
  readonly variables: ReadonlyMap<string, Uint8Array>;
} {
  const disks: XvaDisk[] = [];
  const variables = new Map<string, Uint8Array>();
  const all = description.objects.filter(
    ({ kind, record }) => kind === 'VM' && !isTrueIn(record, 'is_control_domain'),
  );
  // The export of a snapshot has nothing else.
  const ordinary = all.filter(({ record }) => !isTrueIn(record, 'is_a_snapshot'));
  const machines = (ordinary.length > 0 ? ordinary : all).map(({ id, record }) => {
    const read = readXenMachine(record, description, id);
    const kept = textIn(mapIn(record, 'NVRAM'), 'EFI-variables');
    if (kept !== undefined) variables.set(id, Buffer.from(kept, 'base64'));
    for (const { id: disk, vdi, record: image } of read.disks) {
      const size = countIn(image, 'virtual_size');
      if (size === undefined || size === 0 || size > largestDisk)
        throw new AppError('corrupt', `the disk ${vdi} has no possible size`, { where: path });
      disks.push({ machine: id, id: disk, directory: vdi, size });
    }
    return inFile(read.machine, path);
  });
  if (machines.length === 0) throw new AppError('corrupt', 'there is no machine in it', { where: path });
  return { machines, disks, variables };
}

/** What a file has of it: no state, and no snapshots that could be opened. */
function inFile(machine: Machine, path: string): Machine {
  const { snapshots: _none, ...rest } = machine;
  return {
    ...rest,
    state: 'off',
    packaging: 'XVA',
    disks: machine.disks.map((disk) => ({ ...disk, files: [path] })),
    findings: machine.findings.filter(({ rule }) => rule !== 'xen.suspended'),
  };
}

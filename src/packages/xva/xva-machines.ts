/** The machines that an XVA describes, and the images of their disks. Pure. */
import { AppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { Machine } from '../../model/machine.ts';
import type { XvaDescription } from './ova-xml.ts';
import { countIn, isTrueIn } from './records.ts';
import { readXenMachine } from './xen-machine.ts';

/** A disk, and the directory of its blocks in the archive. */
export interface XvaDisk {
  readonly machine: string;
  readonly id: string;
  readonly directory: string;
  readonly size: number;
}

/** Larger than any product's, and its blocks still have eight digits. */
const largestDisk = 2 ** 46;

export function machinesIn(
  description: XvaDescription,
  path: string,
): { readonly machines: Machine[]; readonly disks: XvaDisk[] } {
  const disks: XvaDisk[] = [];
  const machines = description.objects
    .filter(
      ({ kind, record }) =>
        kind === 'VM' && !isTrueIn(record, 'is_a_snapshot') && !isTrueIn(record, 'is_control_domain'),
    )
    .map(({ id, record }) => {
      const read = readXenMachine(record, description, id);
      for (const { id: disk, vdi, record: image } of read.disks) {
        const size = countIn(image, 'virtual_size');
        if (size === undefined || size === 0 || size > largestDisk)
          throw new AppError('corrupt', `the disk ${vdi} has no possible size`, { where: path });
        disks.push({ machine: id, id: disk, directory: vdi, size });
      }
      return inFile(read.machine, path);
    });
  if (machines.length === 0) throw new AppError('corrupt', 'there is no machine in it', { where: path });
  return { machines, disks };
}

/** What a file has of it: no state, and no snapshots that could be opened. */
function inFile(machine: Machine, path: string): Machine {
  const { snapshots: _none, firmware, ...rest } = machine;
  const findings: Finding[] = machine.findings.filter(({ rule }) => rule !== 'xen.suspended');
  if (firmware?.nvram) {
    findings.push({
      rule: 'xva.nvram-left',
      severity: 'note',
      message: "the firmware's variables in the file are not carried: the machine begins with new ones",
    });
  }
  return {
    ...rest,
    state: 'off',
    packaging: 'XVA',
    ...(firmware === undefined
      ? {}
      : {
          firmware: {
            kind: firmware.kind,
            ...(firmware.secureBoot === undefined ? {} : { secureBoot: firmware.secureBoot }),
          },
        }),
    disks: machine.disks.map((disk) => ({ ...disk, files: [path] })),
    findings,
  };
}

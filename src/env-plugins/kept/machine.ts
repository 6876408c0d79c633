/** A kept copy in the neutral words: the machine as its source had it, with the disks of the copy. Pure. */
import { posix } from 'node:path';
import type { AppError } from '../../model/errors.ts';
import type { Firmware, Machine, MachineDisk } from '../../model/machine.ts';
import type { KeptCopy, KeptDisk } from '../kept-copy.ts';

/** `folder`: that of the copy. */
export function keptMachine(copy: KeptCopy, folder: string): Machine {
  const { snapshots: _, ...machine } = copy.machine;
  const { firmware } = machine;
  const byId = new Map(copy.disks.map((disk) => [disk.id, disk]));
  const disks =
    copy.package === undefined
      ? machine.disks.flatMap((disk) => withFile(disk, byId.get(disk.id), folder))
      : machine.disks;
  return {
    ...machine,
    id: posix.basename(folder),
    state: 'off',
    ...(firmware === undefined ? {} : { firmware: variablesKept(firmware, copy) }),
    disks,
    packaging: `kept copy, ${copy.stage}`,
    place: `${copy.stage} ${copy.keptAt.slice(0, 16).replace('T', ' ')}, ${folder}`,
    findings: machine.findings.filter(({ severity }) => severity !== 'blocker'),
  };
}

/** One that was left behind is not there. */
function withFile(disk: MachineDisk, kept: KeptDisk | undefined, folder: string): MachineDisk[] {
  if (kept === undefined) return [];
  const { packed: _packed, costly: _costly, ...rest } = disk;
  const { format, virtualSizeBytes, allocatedSizeBytes } = kept;
  return [{ ...rest, format, virtualSizeBytes, allocatedSizeBytes, files: [posix.join(folder, kept.file)] }];
}

function variablesKept(firmware: Firmware, { nvram }: KeptCopy): Firmware {
  const { nvram: _, ...rest } = firmware;
  return nvram === undefined ? rest : { ...rest, nvram: true };
}

/** Shown all the same, with the reason. */
export const brokenMachine = (id: string, error: AppError): Machine => ({
  id,
  name: id,
  state: 'off',
  packaging: 'kept copy',
  disks: [],
  nics: [],
  findings: [
    {
      rule: 'kept.unreadable',
      severity: 'blocker',
      message: error.message,
      ...(error.where === undefined ? {} : { evidence: error.where }),
      remedy: error.hint ?? 'remove it with "vmferry kept ID --remove"',
    },
  ],
});

/** The machines of a Hyper-V host as a source. A machine's id is its GUID; a name is taken for it, too. */
import { AppError } from '../../model/errors.ts';
import type { SourceRole } from '../plugin.ts';
import { type HeldDisks, holdMachine } from './hold.ts';
import { findMachine, readMachines } from './inventory.ts';
import { isAtRest } from './machine.ts';
import { openDisk } from './open-disk.ts';
import type { Transport } from './transport.ts';

export function sourceRole(transport: Transport): SourceRole {
  const held: HeldDisks = new Map();
  return {
    async list({ signal, found }) {
      for (const { machine } of await readMachines(transport, { signal })) found(machine);
    },
    inspect: async (id, signal) => (await findMachine(transport, id, { signal })).machine,
    async open(machine, diskId, signal) {
      const now = await findMachine(transport, machine.id, { signal });
      const frozen = held.get(now.machine.id);
      if (frozen === undefined && !isAtRest(now)) {
        throw new AppError('conflict', 'the machine runs and writes to its disks', {
          where: now.machine.name,
          hint: 'shut it down first; a conversion reads it below a checkpoint',
        });
      }
      const disk = (frozen ?? now.disks).find(({ id }) => id === diskId);
      if (disk === undefined) {
        const why = frozen === undefined ? `there is no disk "${diskId}"` : 'the disk is in no checkpoint';
        throw new AppError(frozen === undefined ? 'not-found' : 'unsupported', why, {
          where: `${now.machine.name}, ${diskId}`,
          hint: 'leave the disk out, or shut the machine down first',
        });
      }
      return openDisk(transport, disk, signal);
    },
    hold: (machine, options) => holdMachine({ transport, held }, machine, options),
  };
}

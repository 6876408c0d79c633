/** What each disk of a machine consists of, from one end to the other. */
import type { Session } from '../env-plugins/plugin.ts';
import { walkExtents } from '../io/disk.ts';
import type { Extent } from '../io/extents.ts';
import type { Machine } from '../model/machine.ts';
import type { Opening } from '../model/plan.ts';
import { openMachineDisk } from './open-machine.ts';
import { spoolFolderForLooks } from './unpack.ts';

export interface DiskExtents {
  /** The disk's id and name. */
  readonly id: string;
  readonly disk: string;
  readonly extents: readonly Extent[];
}

/** Extents told at once. */
const batch = 1024;

/** Neighbours are of different kinds, also from one batch to the next. @throws AppError */
export async function* mapMachine(
  session: Session,
  machine: Machine,
  how: Opening,
  signal: AbortSignal,
  report?: (step: string, share?: number) => void,
): AsyncGenerator<DiskExtents> {
  for (const { id, name } of machine.disks) {
    const options = {
      ...{ signal, runId: 'map', spoolFolder: spoolFolderForLooks() },
      ...(report === undefined ? {} : { report }),
    };
    const image = await openMachineDisk(session, { machine: machine.id, ...how }, machine, id, options);
    try {
      let extents: Extent[] = [];
      for await (const { kind, offset, length } of walkExtents(image, 0, image.size, signal)) {
        const last = extents.at(-1);
        if (last?.kind === kind) {
          extents[extents.length - 1] = { kind, offset: last.offset, length: last.length + length };
          continue;
        }
        if (extents.length >= batch) {
          yield { id, disk: name, extents };
          extents = [];
        }
        extents.push({ kind, offset, length });
      }
      if (extents.length > 0) yield { id, disk: name, extents };
    } finally {
      await image.close();
    }
  }
}

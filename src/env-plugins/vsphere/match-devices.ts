/** Which of a lease's URLs takes which disk: told by the controller's type and number and the place on it. Pure. */
import { AppError } from '../../model/errors.ts';
import type { LeaseDevice } from './lease.ts';

const kinds: readonly (readonly [pattern: RegExp, bus: string])[] = [
  [/nvme/i, 'nvme'],
  [/ahci|sata/i, 'sata'],
  [/ide/i, 'ide'],
  [/scsi|lsilogic|buslogic/i, 'scsi'],
];

/** `/web/VirtualLsiLogicController0:1` → `scsi0:1`. */
export function nodeOf(key: string): string | undefined {
  const match = /([a-z]+)(\d+):(\d+)$/i.exec(key);
  if (match === null) return undefined;
  const [, type = '', controller, unit] = match;
  const bus = kinds.find(([pattern]) => pattern.test(type))?.[1];
  return bus === undefined ? undefined : `${bus}${Number(controller)}:${Number(unit)}`;
}

/**
 * In the order of `nodes`. Never guessed: a disk's bytes in another disk's place would be worse than none.
 * @throws AppError `unsupported`.
 */
export function devicesFor(
  devices: readonly LeaseDevice[],
  nodes: readonly string[],
  where: string,
): LeaseDevice[] {
  const disks = devices.filter(({ disk }) => disk);
  if (disks.length === 1 && nodes.length === 1) return disks;
  return nodes.map((node) => {
    const found = disks.filter(({ key, importKey }) => (nodeOf(importKey) ?? nodeOf(key)) === node);
    if (found.length === 1) return found[0]!;
    const told = disks.map(({ importKey, key }) => importKey || key).join(', ');
    throw new AppError('unsupported', `the server tells no place for the disk at ${node}, only ${told}`, {
      where,
      hint: 'please report these words; convert it to an OVA meanwhile, and import that there',
    });
  });
}

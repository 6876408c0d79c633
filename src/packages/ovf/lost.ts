/** What of a machine its descriptor can't say: told before it is packed. */
import type { Finding } from '../../model/finding.ts';
import { lostParts } from '../../model/lost-parts.ts';
import type { Machine } from '../../model/machine.ts';
import { describedHardware } from './write-descriptor.ts';

export const lostInPackage = (machine: Machine): Finding[] =>
  lostParts(
    machine,
    [
      ...(['threads per core', 'processor model', 'firmware variables', 'chipset', 'UUID', 'clock'] as const),
      ...(['graphics', 'video card', 'consoles', 'agent channels', 'CD drives', 'CD media', 'TPM'] as const),
      ...(['devices of the host', 'disk bus', 'disk controller', 'disk place', 'disk boot order'] as const),
      ...(['disk serial number', 'read-only disk', 'shared disk', 'card model', 'card boot order'] as const),
    ],
    describedHardware(machine),
  );

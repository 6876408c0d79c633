/** What of a machine VirtualBox has no settings for, or is given otherwise, and nothing else tells of. Pure. */
import type { Finding } from '../../model/finding.ts';
import { lostParts } from '../../model/lost-parts.ts';
import { type FittedMachine, guestHardware } from './fit-machine.ts';
import { clockOf, videoOf } from './write-vbox.ts';

const parts = [
  ...(['cores per socket', 'threads per core', 'processor model', 'chipset', 'clock'] as const),
  ...(['graphics', 'video card', 'consoles', 'agent channels', 'CD drives', 'CD media'] as const),
  ...(['disk place', 'disk boot order', 'disk serial number', 'read-only disk', 'shared disk'] as const),
  'card boot order',
] as const;

const videos: Readonly<Record<string, string>> = { VMSVGA: 'vmvga' };

export function lostFindings(fitted: FittedMachine): Finding[] {
  const { machine, placed, ich9, processors } = fitted;
  const serial = (machine.devices?.consoles ?? []).includes('serial');
  const video = videoOf(fitted);
  return lostParts(machine, parts, {
    processors: { count: processors, coresPerSocket: processors },
    // What is older than both is told apart by nothing that a guest looks for.
    chipset: ich9 ? machine.chipset! : 'i440fx',
    devices: {
      ...{ clock: clockOf(fitted) === 'UTC' ? 'utc' : 'localtime' },
      ...{ video: videos[video] ?? video.toLowerCase() },
      ...(serial ? { consoles: ['serial'] } : {}),
      ...(placed.cdrom === undefined ? {} : { cdroms: [{ bus: placed.cdrom.controller.kind.bus }] }),
    },
    disks: guestHardware(fitted).disks.map(({ id, controller, unit }) => ({
      id,
      ...(controller === undefined ? {} : { controller }),
      ...(unit === undefined ? {} : { unit }),
    })),
  });
}

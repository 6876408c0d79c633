/** What of a machine a .vmx will not say, or say otherwise, and nothing else tells of. Pure. */
import type { Finding } from '../../model/finding.ts';
import { lostParts } from '../../model/lost-parts.ts';
import { guestHardware } from '../vmware-hardware/guest-hardware.ts';
import type { VmxPlan } from './write-vmx.ts';

const parts = [
  ...(['cores per socket', 'threads per core', 'processor model', 'chipset', 'graphics'] as const),
  ...(['video card', 'consoles', 'agent channels', 'CD drives', 'CD media'] as const),
  ...(['disk place', 'disk boot order', 'disk serial number', 'read-only disk', 'shared disk'] as const),
  'card boot order',
] as const;

export function lostFindings(
  plan: Pick<VmxPlan, 'machine' | 'placed' | 'nics' | 'uefi' | 'cdrom'>,
): Finding[] {
  const { machine, cdrom } = plan;
  const { count = 1, coresPerSocket } = machine.processors ?? {};
  const { consoles = [], video, cdroms = [] } = machine.devices ?? {};
  return lostParts(machine, parts, {
    processors: {
      count,
      ...(coresPerSocket === undefined || count % coresPerSocket !== 0 ? {} : { coresPerSocket }),
    },
    devices: {
      // vSphere's is the same card.
      video: video === 'vmware' ? video : 'vmvga',
      ...(consoles.includes('serial') ? { consoles: ['serial'] } : {}),
      ...(cdrom ? { cdroms: [cdroms[0]?.bus === undefined ? {} : { bus: 'ide' }] } : {}),
    },
    disks: guestHardware(plan).disks.map(({ id, controller, unit }) => ({
      id,
      ...(controller === undefined ? {} : { controller }),
      ...(unit === undefined ? {} : { unit }),
    })),
  });
}

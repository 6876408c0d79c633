/** What of a machine its domain will not have, or have otherwise, and nothing else tells of. Pure. */
import type { Finding } from '../../model/finding.ts';
import { lostParts } from '../../model/lost-parts.ts';
import type { Machine } from '../../model/machine.ts';
import type { DomainDisk, DomainSpec } from './domain-spec.ts';
import { DriveSlots } from './drive-slots.ts';

const parts = [
  ...(['cores per socket', 'threads per core', 'processor model', 'graphics', 'video card'] as const),
  ...(['consoles', 'agent channels', 'CD drives', 'CD media'] as const),
  ...(['disk place', 'disk serial number', 'read-only disk', 'shared disk'] as const),
];

export function lostFindings(spec: DomainSpec, machine: Machine): Finding[] {
  const { processors, disks, cdroms, vnc, video, cpuMode } = spec;
  const { sockets, cores, threads } = processors;
  const slots = new DriveSlots();
  const places = disks.map((disk) => placeOf(disk, slots));
  return lostParts(machine, parts, {
    processors: {
      ...{ count: sockets * cores * threads, coresPerSocket: cores, threadsPerCore: threads },
      ...(cpuMode === undefined ? {} : { model: cpuMode }),
    },
    devices: {
      ...(vnc ? { graphics: 'vnc' } : {}),
      ...(video === undefined ? {} : { video }),
      ...{ consoles: ['serial'], agents: ['qemu'], cdroms: cdroms.map(({ bus }) => ({ bus })) },
    },
    disks: machine.disks.map(({ id }, i) => ({
      ...{ id, ...places[i] },
      ...(disks[i]?.serial === undefined ? {} : { serial: disks[i].serial }),
      ...{ readOnly: disks[i]?.readOnly === true, shared: disks[i]?.shared === true },
    })),
  });
}

/** As the writer places it, in the words of the reader: each channel of IDE is a controller. */
function placeOf(
  { bus, controllerModel }: DomainDisk,
  slots: DriveSlots,
): { readonly controller?: number; readonly unit?: number } {
  const address = slots.take(bus, controllerModel)[1];
  const [, controller, channel, target, unit] =
    /controller="(\d+)" bus="(\d+)" target="(\d+)" unit="(\d+)"/.exec(address ?? '') ?? [];
  if (unit === undefined) return {};
  return {
    controller: bus === 'ide' ? Number(controller) * 2 + Number(channel) : Number(controller),
    unit: Number(target) > 0 ? Number(target) : Number(unit),
  };
}

/** The hardware that the guest finds, after all is fitted: what its drivers are chosen by. Pure. */
import type { DiskBus, Machine, MachineDisk, Nic } from '../../model/machine.ts';
import type { PlacedDisks } from './fit-disks.ts';

export interface FittedHardware {
  readonly placed: Pick<PlacedDisks, 'disks' | 'scsi'>;
  readonly nics: readonly { readonly model: string; readonly mac?: string | undefined }[];
  readonly uefi: boolean;
}

export function guestHardware({
  placed,
  nics,
  uefi,
}: FittedHardware): Pick<Machine, 'disks' | 'nics' | 'firmware'> {
  return {
    disks: placed.disks.map(({ node, disk }) => attached(disk, node, placed.scsi)),
    nics: nics.map(({ model, mac }): Nic => ({ model, ...(mac === undefined ? {} : { mac }) })),
    firmware: { kind: uefi ? 'uefi' : 'bios' },
  };
}

/** `node`: `scsi0:1`. */
function attached(disk: MachineDisk, node: string, scsi: PlacedDisks['scsi']): MachineDisk {
  const { controllerModel: _own, ...rest } = disk;
  const [, bus = '', controller = '', unit = ''] = /^([a-z]+)(\d+):(\d+)$/.exec(node)!;
  const model = bus === 'scsi' ? scsi.get(Number(controller)) : undefined;
  return {
    ...rest,
    ...{ bus: bus as DiskBus, controller: Number(controller), unit: Number(unit) },
    ...(model === undefined ? {} : { controllerModel: model }),
  };
}

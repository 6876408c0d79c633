/** Which bus and controller each disk gets, so that its guest still finds it. Pure. */
import type { Finding } from '../../model/finding.ts';
import type { DiskBus, Machine, MachineDisk } from '../../model/machine.ts';
import type { DomainCapabilities } from './domain-capabilities.ts';
import type { DomainDisk } from './domain-spec.ts';

/** Where a disk's bytes are at the destination. */
export type VolumePlace = Pick<DomainDisk, 'path' | 'kind' | 'format'>;

/** Controllers that QEMU has as well, by the names that products give them. */
const scsiModels: Readonly<Record<string, string>> = {
  'virtio-scsi': 'virtio-scsi',
  virtioscsi: 'virtio-scsi',
  virtio: 'virtio-scsi',
  pvscsi: 'vmpvscsi',
  vmpvscsi: 'vmpvscsi',
  lsisas1068: 'lsisas1068',
  lsilogicsas: 'lsisas1068',
  lsisas1078: 'lsisas1078',
};

/** `volumes` are those of the machine's disks, in their order; more than these are attached behind them. */
export function fitDisks(
  machine: Machine,
  volumes: readonly VolumePlace[],
  capabilities: DomainCapabilities,
  findings: Finding[],
): DomainDisk[] {
  let ide = Math.min(machine.devices?.cdroms?.length ?? 0, 4);
  return volumes.map((volume, i) => {
    const disk = machine.disks[i];
    if (disk === undefined) return { ...volume, bus: fallbackBus(capabilities) };
    let { bus, model } = placeOf(disk, machine, capabilities, findings);
    // The two cables of an old PC take four drives.
    if (bus === 'ide' && ++ide > 4) bus = fallbackBus(capabilities);
    return {
      ...volume,
      bus,
      controllerModel: model,
      bootOrder: disk.bootOrder,
      // IDE and SATA take 20 characters of it, and libvirt none that could end an option.
      serial: disk.serial !== undefined && /^[\w .+-]{1,20}$/.test(disk.serial) ? disk.serial : undefined,
      readOnly: disk.readOnly && !['ide', 'sata'].includes(bus),
      shared: disk.shared && volume.format === 'raw',
    };
  });
}

interface Place {
  bus: DomainDisk['bus'];
  model?: string | undefined;
}

function placeOf(
  disk: MachineDisk,
  machine: Machine,
  capabilities: DomainCapabilities,
  findings: Finding[],
): Place {
  const { bus = 'sata', name } = disk;
  const model = disk.controllerModel?.toLowerCase();
  if (bus === 'scsi' && capabilities.diskBuses.includes('scsi')) {
    if (model === undefined) return { bus, model: 'virtio-scsi' };
    // QEMU's "lsilogic" is an older chip than that of other products: its driver is another one.
    const own = machine.packaging === 'libvirt domain' && model === 'lsilogic' ? model : scsiModels[model];
    if (own !== undefined) return { bus, model: own };
  } else if (isKnown(bus) && capabilities.diskBuses.includes(bus)) {
    return { bus };
  }
  const instead = fallbackBus(capabilities);
  const what =
    bus === 'scsi' && model !== undefined
      ? `the SCSI controller "${disk.controllerModel}"`
      : `the bus "${bus}"`;
  findings.push({
    rule: 'disk.bus-changed',
    severity: 'warning',
    message: `${capabilities.machine} does not have ${what}: the disk is attached by ${instead}`,
    evidence: name,
    remedy: 'look whether the guest has a driver for it in its initial ramdisk, or let the guest be changed',
  });
  return { bus: instead };
}

const known = ['ide', 'sata', 'scsi', 'virtio', 'usb', 'fdc'] as const;
const isKnown = (bus: DiskBus): bus is (typeof known)[number] => (known as readonly string[]).includes(bus);

/** What most systems have a driver for. */
const fallbackBus = ({ diskBuses }: DomainCapabilities): 'sata' | 'virtio' =>
  diskBuses.includes('sata') ? 'sata' : 'virtio';

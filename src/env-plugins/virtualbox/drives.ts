/** The storage controllers of a machine and what is attached to them. Pure. */
import { attribute, child, childrenOf, type XmlElement } from '../../io/xml.ts';
import type { Finding } from '../../model/finding.ts';
import type { DiskBus } from '../../model/machine.ts';
import { attributeOf, isNo, uuidOf, wholeNumber } from './settings-file.ts';

export interface Drive {
  /** `sata0:1`. */
  readonly node: string;
  readonly bus: DiskBus;
  /** In words of this program: `lsilogic`, `virtio-scsi` … Absent where the bus says it all. */
  readonly model?: string;
  readonly controller: number;
  readonly unit: number;
  /** The BIOS may start from its controller. */
  readonly bootable: boolean;
  readonly medium: string;
}

export interface Cdrom {
  readonly bus: DiskBus;
  readonly medium?: string;
}

export interface Drives {
  readonly disks: readonly Drive[];
  readonly cdroms: readonly Cdrom[];
  readonly floppy: boolean;
  readonly findings: readonly Finding[];
}

const controllers: Readonly<Record<string, readonly [bus: DiskBus, model?: string]>> = {
  piix3: ['ide'],
  piix4: ['ide'],
  ich6: ['ide'],
  ahci: ['sata'],
  lsilogic: ['scsi', 'lsilogic'],
  buslogic: ['scsi', 'buslogic'],
  lsilogicsas: ['scsi', 'lsisas1068'],
  virtioscsi: ['scsi', 'virtio-scsi'],
  nvme: ['nvme'],
  usb: ['usb'],
  i82078: ['fdc'],
};
/** As its BIOS looks for disks. */
const busOrder: readonly string[] = ['ide', 'sata', 'scsi', 'nvme', 'usb'];
/** AHCI has 30 ports, SAS and NVMe up to 255, virtio-scsi 256. */
const mostUnits = 256;
const mostDrives = 1024;

/** `holder`: the machine or a snapshot. VirtualBox 7 has the controllers inside the hardware, older ones beside it. */
export function readDrives(holder: XmlElement): Drives {
  const hardware = child(holder, 'Hardware');
  const list = child(holder, 'StorageControllers') ?? (hardware && child(hardware, 'StorageControllers'));
  const numbers = new Map<string, number>();
  const findings: Finding[] = [];
  const disks: Drive[] = [];
  const cdroms: Cdrom[] = [];
  let floppy = false;
  for (const element of list === undefined ? [] : childrenOf(list, 'StorageController')) {
    const type = attribute(element, 'type') ?? '';
    const [bus, model] = controllers[type.toLowerCase()] ?? [];
    const attached = childrenOf(element, 'AttachedDevice').slice(0, mostDrives);
    if (bus === undefined) {
      if (attached.length > 0) findings.push(unknownController(type));
      continue;
    }
    const controller = numbers.get(bus) ?? 0;
    const bootable = !isNo(attribute(element, 'Bootable'));
    numbers.set(bus, controller + 1);
    for (const device of attached) {
      const kind = attribute(device, 'type') ?? 'HardDisk';
      const medium = uuidOf(attributeOf(child(device, 'Image'), 'uuid'));
      if (kind === 'DVD') cdroms.push({ bus, ...(medium === undefined ? {} : { medium }) });
      else if (kind === 'Floppy') floppy ||= true;
      else if (medium !== undefined && disks.length < mostDrives) {
        const place = placeOf(bus, controller, device);
        if (place !== undefined)
          disks.push({ ...place, bus, ...(model === undefined ? {} : { model }), bootable, medium });
        else findings.push(noPlace(element, device));
      }
    }
  }
  disks.sort(
    (a, b) =>
      busOrder.indexOf(a.bus) - busOrder.indexOf(b.bus) || a.controller - b.controller || a.unit - b.unit,
  );
  return { disks, cdroms, floppy, findings };
}

/** IDE has two channels with two devices each on one controller, the others ports. */
function placeOf(
  bus: DiskBus,
  controller: number,
  device: XmlElement,
): Pick<Drive, 'node' | 'controller' | 'unit'> | undefined {
  const port = wholeNumber(attribute(device, 'port') ?? '0');
  const slot = wholeNumber(attribute(device, 'device') ?? '0');
  if (port === undefined || slot === undefined || port >= mostUnits || slot > 1) return undefined;
  const [number, unit] = bus === 'ide' ? [controller * 2 + port, slot] : [controller, port];
  return { node: `${bus}${number}:${unit}`, controller: number, unit };
}

const unknownController = (type: string): Finding => ({
  rule: 'virtualbox.controller-unknown',
  severity: 'blocker',
  message: `a storage controller of the type "${type.slice(0, 64)}" is not known here, and disks are attached to it`,
  remedy: 'attach them to another controller in VirtualBox',
});

const noPlace = (controller: XmlElement, device: XmlElement): Finding => ({
  rule: 'virtualbox.place-impossible',
  severity: 'blocker',
  message: `a disk is attached to port ${attribute(device, 'port')}, device ${attribute(device, 'device')} of "${attribute(controller, 'name')}", which can't be`,
});

/**
 * The virtual hardware of one machine: CIM_ResourceAllocationSettingData items (rasd:), by their ResourceType.
 * OVF 2.0 writes disks and NICs as StorageItem and EthernetPortItem with the same fields.
 */

import { attribute, textOf, type XmlElement } from '../../io/xml.ts';
import type { Finding } from '../../model/finding.ts';
import type { DiskBus, MachineDisk, Nic } from '../../model/machine.ts';
import { MiB } from '../../model/units.ts';
import type { OvfDisk, OvfFile } from './package.ts';
import { quantityBytes } from './units.ts';

export interface Hardware {
  processors?: { count: number; coresPerSocket?: number };
  memoryBytes?: number;
  readonly disks: MachineDisk[];
  readonly nics: Nic[];
  readonly findings: Finding[];
}

interface Item {
  readonly element: XmlElement;
  readonly type: number;
  readonly instance: string;
  readonly subtype: string;
  readonly name: string;
}

interface Controller {
  readonly bus: DiskBus;
  readonly model?: string;
  readonly number: number;
}

/** What the machine's items refer to. */
export interface Storage {
  /** Grows by the disks that items name by their file only. */
  readonly disks: OvfDisk[];
  readonly files: readonly OvfFile[];
  /** oVirt says the bus at the disk and not by a controller. */
  readonly busOf: ReadonlyMap<string, DiskBus>;
}

/** `configuration`: the deployment configuration that is taken; items of others are left out. */
export function readHardware(
  section: XmlElement,
  storage: Storage,
  configuration: string | undefined,
): Hardware {
  const items = readItems(section, configuration);
  const controllers = readControllers(items);
  const hardware: Hardware = { disks: [], nics: [], findings: [] };
  for (const item of items) {
    if (item.type === 3) readProcessors(item, hardware);
    else if (item.type === 4) readMemory(item, hardware);
    else if (item.type === 10) hardware.nics.push(readNic(item));
    else if (item.type === 17 || item.type === 19 || item.type === 31)
      readDisk(item, controllers, storage, hardware);
    else if (item.type >= 14 && item.type <= 16) noteMedium(item, hardware);
    else if (item.subtype === 'vmware.vtpm') hardware.findings.push(tpm(item.name));
    else if (!isLeftAlone(item.type) && attribute(item.element, 'required') === 'true') {
      hardware.findings.push({
        rule: 'ovf.required-not-understood',
        severity: 'warning',
        message: `a device of resource type ${item.type} that the machine requires is left out`,
        evidence: item.name,
      });
    }
  }
  return hardware;
}

/** vCenter exports the device, never what it holds. */
const tpm = (name: string): Finding => ({
  rule: 'ovf.tpm',
  severity: 'warning',
  message: 'it had a TPM: what that holds is in no package, and the new machine gets none',
  evidence: name,
  remedy: 'have the recovery keys of BitLocker or LUKS at hand',
});

/** Controllers, USB, graphics, sound, ports, pointers: every destination brings its own. */
const isLeftAlone = (type: number): boolean => [1, 5, 6, 9, 13, 18, 20, 21, 22, 23, 24, 35].includes(type);

function readItems(section: XmlElement, configuration: string | undefined): Item[] {
  const items: Item[] = [];
  const chosen = new Map<string, number>();
  for (const element of section.children) {
    if (element.local !== 'Item' && element.local !== 'StorageItem' && element.local !== 'EthernetPortItem')
      continue;
    // A range marker (least, most) describes what is possible, not what is there.
    if (attribute(element, 'bound') !== undefined) continue;
    const configurations = attribute(element, 'configuration')?.split(/\s+/);
    if (
      configurations !== undefined &&
      (configuration === undefined || !configurations.includes(configuration))
    )
      continue;
    const instance = textOf(element, 'InstanceID') ?? textOf(element, 'InstanceId') ?? '';
    const item = {
      element,
      type: Number(textOf(element, 'ResourceType') ?? 0),
      instance,
      subtype: textOf(element, 'ResourceSubType') ?? '',
      name: textOf(element, 'ElementName') ?? textOf(element, 'Caption') ?? instance,
    };
    // The item of a configuration replaces the general one of the same instance.
    const before = chosen.get(instance);
    if (before !== undefined && instance !== '' && configurations !== undefined) items[before] = item;
    else chosen.set(instance, items.push(item) - 1);
  }
  return items;
}

function readControllers(items: readonly Item[]): Map<string, Controller> {
  const controllers = new Map<string, Controller>();
  const taken = new Set<string>();
  for (const item of items) {
    const kind = controllerKind(item);
    if (kind === undefined) continue;
    const address = textOf(item.element, 'Address');
    let number = address !== undefined && /^\d{1,2}$/.test(address) ? Number(address) : 0;
    while (taken.has(`${kind.bus} ${number}`)) number++;
    taken.add(`${kind.bus} ${number}`);
    controllers.set(item.instance, { ...kind, number });
  }
  return controllers;
}

function controllerKind(item: Item): Pick<Controller, 'bus' | 'model'> | undefined {
  const subtype = item.subtype.toLowerCase();
  if (item.type === 5) return subtype === '' ? { bus: 'ide' } : { bus: 'ide', model: subtype };
  if (item.type === 6) {
    const model = { virtualscsi: 'pvscsi', virtioscsi: 'virtio-scsi' }[subtype] ?? subtype;
    return model === '' ? { bus: 'scsi' } : { bus: 'scsi', model };
  }
  if (item.type !== 20) return undefined;
  if (subtype.includes('nvme')) return { bus: 'nvme', model: 'nvme' };
  if (subtype.includes('virtioscsi')) return { bus: 'scsi', model: 'virtio-scsi' };
  // VMware: vmware.sata.ahci; VirtualBox: AHCI.
  return { bus: 'sata', model: subtype === '' || subtype.includes('ahci') ? 'ahci' : subtype };
}

function readProcessors(item: Item, hardware: Hardware): void {
  const whole = (local: string) => {
    const text = textOf(item.element, local);
    return text !== undefined && /^\d{1,5}$/.test(text) ? Number(text) : undefined;
  };
  const sockets = whole('num_of_sockets'); // oVirt
  const perSocket = whole('cpu_per_socket') ?? whole('CoresPerSocket');
  const count = whole('VirtualQuantity') ?? (sockets === undefined ? undefined : sockets * (perSocket ?? 1));
  if (count === undefined || count === 0) return;
  const divides = perSocket !== undefined && perSocket > 0 && count % perSocket === 0;
  hardware.processors = divides ? { count, coresPerSocket: perSocket } : { count };
}

function readMemory(item: Item, hardware: Hardware): void {
  const quantity = textOf(item.element, 'VirtualQuantity');
  const units = textOf(item.element, 'AllocationUnits');
  const bytes = quantityBytes(quantity, units, MiB);
  if (bytes !== undefined && bytes > 0) hardware.memoryBytes = bytes;
  else {
    hardware.findings.push({
      rule: 'ovf.memory-not-understood',
      severity: 'warning',
      message: `the memory size "${quantity ?? ''}" of "${units ?? ''}" is not understood`,
      evidence: item.name,
      remedy: 'set the memory in the plan',
    });
  }
}

const ovirtNics: Record<string, string> = { 1: 'rtl8139', 2: 'e1000', 3: 'virtio', 4: 'spapr-vlan' };

function readNic(item: Item): Nic {
  const mac = macAddress(textOf(item.element, 'MACAddress') ?? textOf(item.element, 'Address'));
  const network = textOf(item.element, 'Connection') ?? textOf(item.element, 'Network');
  // Several models may be offered; the first is the one that is preferred.
  const subtype = item.subtype.split(/\s+/)[0]!.toLowerCase();
  const model = ovirtNics[subtype] ?? subtype;
  const automatic = textOf(item.element, 'AutomaticAllocation')?.toLowerCase();
  return {
    ...(mac === undefined ? {} : { mac }),
    ...(network === undefined ? {} : { network }),
    ...(model === '' ? {} : { model }),
    ...(automatic === undefined ? {} : { connected: automatic === 'true' }),
  };
}

/** `00:16:3e:…` from any usual way to write it. */
export function macAddress(text: string | undefined): string | undefined {
  const hex = text?.replace(/[:.-]/g, '').toLowerCase();
  return hex !== undefined && /^[0-9a-f]{12}$/.test(hex) ? hex.match(/../g)!.join(':') : undefined;
}

function readDisk(
  item: Item,
  controllers: Map<string, Controller>,
  storage: Storage,
  hardware: Hardware,
): void {
  const host = textOf(item.element, 'HostResource');
  if (host === undefined) return; // a drive with nothing in it
  const disk = diskOf(host, item, storage);
  if (disk === undefined) {
    hardware.findings.push({
      rule: 'ovf.disk-not-found',
      severity: 'warning',
      message: `the device names "${host}", which is no disk or file of this package; it is left out`,
      evidence: item.name,
    });
    return;
  }
  const controller = controllers.get(textOf(item.element, 'Parent') ?? '');
  const unit = textOf(item.element, 'AddressOnParent');
  const bus = controller?.bus ?? storage.busOf.get(disk.diskId);
  hardware.disks.push({
    id: disk.diskId,
    name: disk.file?.href ?? item.name,
    ...(disk.codec === undefined ? {} : { format: disk.codec }),
    ...(disk.capacityBytes === undefined ? {} : { virtualSizeBytes: disk.capacityBytes }),
    ...(disk.file?.sizeBytes === undefined ? {} : { allocatedSizeBytes: disk.file.sizeBytes }),
    ...(bus === undefined ? {} : { bus }),
    ...(controller?.model === undefined ? {} : { controllerModel: controller.model }),
    ...(controller === undefined ? {} : { controller: controller.number }),
    ...(unit !== undefined && /^\d{1,3}$/.test(unit) ? { unit: Number(unit) } : {}),
    files: disk.file === undefined ? [] : [disk.file.href],
  });
}

/**
 * `ovf:/disk/x` names a disk, `ovf:/file/x` a file (DSP0243 8.3, table of URI schemes); `/disk/x` and `disk/x`
 * are older VirtualBox's; oVirt writes `group/volume`, the volume being the disk's id.
 */
function diskOf(host: string, item: Item, storage: Storage): OvfDisk | undefined {
  const match = /^(?:ovf:)?\/{0,2}(disk|file)\/(.+)$/.exec(host);
  if (match?.[1] === 'file') {
    const file = storage.files.find((f) => f.id === match[2]);
    if (file === undefined) return undefined;
    const listed = storage.disks.find((d) => d.file === file);
    if (listed !== undefined) return listed;
    const unlisted = { diskId: `file:${file.id}`, file };
    storage.disks.push(unlisted);
    return unlisted;
  }
  const id = match?.[2] ?? host;
  const byId = storage.disks.find((d) => d.diskId === id);
  if (byId !== undefined || match !== null) return byId;
  return storage.disks.find(
    (d) => d.file?.href === host || d.diskId === host.split('/').at(-1) || d.diskId === item.instance,
  );
}

function noteMedium(item: Item, hardware: Hardware): void {
  const host = textOf(item.element, 'HostResource');
  if (host === undefined || !/(?:file|disk)\//.test(host)) return;
  hardware.findings.push({
    rule: 'ovf.medium-left-out',
    severity: 'note',
    message: 'the image in the CD or floppy drive is not carried over',
    evidence: `${item.name}: ${host}`,
  });
}

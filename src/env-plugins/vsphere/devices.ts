/** The virtual hardware (`config.hardware.device`) in neutral words. Pure. */
import { child, type XmlElement } from '../../io/xml.ts';
import type { DiskBus, Nic } from '../../model/machine.ts';
import { KiB } from '../../model/units.ts';
import { decodedName, type Places, textAt } from './places.ts';
import { isTrue, numberIn, refIn, typeOf } from './soap.ts';

/** A disk as the machine's settings tell it. */
export interface DiskDevice {
  readonly key: number;
  readonly label: string;
  /** `[datastore] folder/name.vmdk`; undefined where the disk has no file. */
  readonly file: string | undefined;
  readonly backing: string;
  readonly sizeBytes: number | undefined;
  readonly bus: DiskBus | undefined;
  readonly model: string | undefined;
  readonly controller: number | undefined;
  readonly unit: number | undefined;
  readonly mode: string;
  readonly thin: boolean;
  readonly encrypted: boolean;
  readonly shared: boolean;
  /** Raw device mapping: `physicalMode` or `virtualMode`. */
  readonly rdm: string | undefined;
  /** The datastore's id. */
  readonly datastore: string | undefined;
  /** Files below it, the nearest first. */
  readonly parents: readonly string[];
}

const controllers: Record<string, readonly [DiskBus, string?]> = {
  VirtualIDEController: ['ide'],
  VirtualLsiLogicController: ['scsi', 'lsilogic'],
  VirtualLsiLogicSASController: ['scsi', 'lsilogicsas'],
  VirtualBusLogicController: ['scsi', 'buslogic'],
  ParaVirtualSCSIController: ['scsi', 'pvscsi'],
  VirtualAHCIController: ['sata', 'ahci'],
  VirtualSATAController: ['sata', 'ahci'],
  VirtualNVMEController: ['nvme', 'nvme'],
  VirtualUSBController: ['usb'],
  VirtualUSBXHCIController: ['usb'],
};

const nicModels: Record<string, string> = {
  VirtualE1000: 'e1000',
  VirtualE1000e: 'e1000e',
  VirtualVmxnet: 'vmxnet',
  VirtualVmxnet2: 'vmxnet2',
  VirtualVmxnet3: 'vmxnet3',
  VirtualVmxnet3Vrdma: 'vmxnet3',
  VirtualPCNet32: 'pcnet32',
  VirtualSriovEthernetCard: 'sriov',
};

export interface Hardware {
  readonly disks: readonly DiskDevice[];
  /** With the key that the order of booting names. */
  readonly nics: readonly { readonly key: number; readonly nic: Nic }[];
  readonly cdroms: readonly { readonly bus?: DiskBus; readonly media?: string }[];
  readonly serialPorts: number;
  readonly tpm: boolean;
  readonly video: boolean;
  /** Passed through or bound to the host. */
  readonly bound: readonly string[];
}

export function readHardware(devices: readonly XmlElement[], places: Places): Hardware {
  const byKey = new Map(devices.map((d) => [numberIn(d, 'key'), d]));
  const controllerOf = (device: XmlElement) => byKey.get(numberIn(device, 'controllerKey'));
  const ofType = (pattern: RegExp) => devices.filter((d) => pattern.test(typeOf(d)));
  return {
    disks: ofType(/^VirtualDisk$/).map((d) => diskOf(d, controllerOf(d))),
    nics: devices
      .filter((d) => child(d, 'macAddress') !== undefined || typeOf(d) in nicModels)
      .map((d) => ({ key: numberIn(d, 'key') ?? -1, nic: nicOf(d, places) })),
    cdroms: ofType(/^VirtualCdrom$/).map((d) => cdromOf(d, controllerOf(d))),
    serialPorts: ofType(/^VirtualSerialPort$/).length,
    tpm: ofType(/^VirtualTPM$/).length > 0,
    video: ofType(/^VirtualMachineVideoCard$/).length > 0,
    bound: [
      ...ofType(/^VirtualPCIPassthrough$/).map((d) => `PCI ${labelOf(d)}`),
      ...ofType(/^VirtualSCSIPassthrough$/).map((d) => `SCSI ${labelOf(d)}`),
      ...ofType(/^VirtualUSB$/).map((d) => `USB ${labelOf(d)}`),
      ...ofType(/^VirtualParallelPort$/).map((d) => `parallel port ${labelOf(d)}`),
    ],
  };
}

const labelOf = (device: XmlElement): string =>
  textAt(child(device, 'deviceInfo'), 'label') ?? `device ${numberIn(device, 'key') ?? '?'}`;

function diskOf(device: XmlElement, controller: XmlElement | undefined): DiskDevice {
  const backing = child(device, 'backing');
  const kilobytes = numberIn(device, 'capacityInKB');
  const [bus, model] = controllers[controller === undefined ? '' : typeOf(controller)] ?? [];
  const sharing = textAt(backing, 'sharing');
  const sharedBus = textAt(controller, 'sharedBus');
  const backingType = backing === undefined ? '' : typeOf(backing);
  return {
    key: numberIn(device, 'key') ?? -1,
    label: labelOf(device),
    file: textAt(backing, 'fileName'),
    backing: backingType,
    sizeBytes: numberIn(device, 'capacityInBytes') ?? (kilobytes === undefined ? undefined : kilobytes * KiB),
    bus,
    model,
    controller: numberIn(controller, 'busNumber'),
    unit: numberIn(device, 'unitNumber'),
    mode: textAt(backing, 'diskMode') ?? 'persistent',
    thin: backing !== undefined && isTrue(child(backing, 'thinProvisioned')),
    encrypted: backing !== undefined && child(backing, 'keyId') !== undefined,
    shared: sharing === 'sharingMultiWriter' || (sharedBus !== undefined && sharedBus !== 'noSharing'),
    rdm: /RawDisk/.test(backingType) ? (textAt(backing, 'compatibilityMode') ?? 'physicalMode') : undefined,
    datastore: refIn(backing, 'datastore')?.id,
    parents: parentsOf(backing),
  };
}

/** No product makes chains this long. */
const longestChain = 256;

function parentsOf(backing: XmlElement | undefined): string[] {
  const files: string[] = [];
  let at = backing === undefined ? undefined : child(backing, 'parent');
  while (at !== undefined && files.length < longestChain) {
    const file = textAt(at, 'fileName');
    if (file !== undefined) files.push(file);
    at = child(at, 'parent');
  }
  return files;
}

function nicOf(device: XmlElement, places: Places): Nic {
  const backing = child(device, 'backing');
  const connectable = child(device, 'connectable');
  const type = typeOf(device);
  const mac = textAt(device, 'macAddress')?.toLowerCase();
  const network = networkOf(backing, places);
  return {
    ...(mac !== undefined && /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac) ? { mac } : {}),
    ...(network === undefined ? {} : { network }),
    model: nicModels[type] ?? type.replace(/^Virtual/, '').toLowerCase(),
    ...(connectable === undefined ? {} : { connected: isTrue(child(connectable, 'startConnected')) }),
  };
}

/** A standard network by its name; a port group of a distributed switch, or of NSX, by its key. */
function networkOf(backing: XmlElement | undefined, places: Places): string | undefined {
  const name = textAt(backing, 'deviceName');
  if (name !== undefined) return decodedName(name);
  const port = backing === undefined ? undefined : child(backing, 'port');
  const key = textAt(port, 'portgroupKey') ?? refIn(backing, 'network')?.id;
  return key === undefined ? textAt(backing, 'opaqueNetworkId') : (places.get(key)?.name ?? key);
}

function cdromOf(device: XmlElement, controller: XmlElement | undefined) {
  const backing = child(device, 'backing');
  const [bus] = controllers[controller === undefined ? '' : typeOf(controller)] ?? [];
  const media = textAt(backing, 'fileName');
  return { ...(bus === undefined ? {} : { bus }), ...(media === undefined ? {} : { media }) };
}

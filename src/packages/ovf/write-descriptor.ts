/**
 * A machine as an OVF 1.1 descriptor that VMware (ESXi 5.5 and younger), VirtualBox and virt-v2v take.
 * Inside an Item the elements stand in alphabetical order, as the CIM schema demands.
 */

import { escapeXml } from '../../io/xml.ts';
import type { There } from '../../model/lost-parts.ts';
import type { DiskBus, Machine, MachineDisk, Nic } from '../../model/machine.ts';
import { MiB } from '../../model/units.ts';
import { writeGuestSystem } from './guest-system.ts';
import type { PackedDisk } from './package.ts';

export interface DescribedFile extends PackedDisk {
  /** Bytes of the stored file. */
  readonly sizeBytes: number;
}

const format = 'http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized';

const namespaces = [
  ['xmlns', 'http://schemas.dmtf.org/ovf/envelope/1'],
  ['xmlns:ovf', 'http://schemas.dmtf.org/ovf/envelope/1'],
  ['xmlns:rasd', 'http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData'],
  ['xmlns:vmw', 'http://www.vmware.com/schema/ovf'],
  ['xmlns:vssd', 'http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData'],
  ['xmlns:xsi', 'http://www.w3.org/2001/XMLSchema-instance'],
] as const;

/** Every line of the descriptor; `name` is the machine's. */
export function writeDescriptor(name: string, machine: Machine, files: readonly DescribedFile[]): string {
  const networks = [...new Set(machine.nics.map(networkOf))];
  const system = writeGuestSystem(machine.system);
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<Envelope ${namespaces.map(([key, uri]) => `${key}="${uri}"`).join(' ')}>`,
    '  <References>',
    ...files.map(
      (f, i) => `    <File ovf:href=${quoted(f.fileName)} ovf:id="file${i + 1}" ovf:size="${f.sizeBytes}"/>`,
    ),
    '  </References>',
    '  <DiskSection>',
    '    <Info>Virtual disks of this package</Info>',
    ...files.map(
      (f, i) =>
        `    <Disk ovf:capacity="${f.capacityBytes}" ovf:capacityAllocationUnits="byte" ovf:diskId="vmdisk${i + 1}" ` +
        `ovf:fileRef="file${i + 1}" ovf:format="${format}"/>`,
    ),
    '  </DiskSection>',
    '  <NetworkSection>',
    '    <Info>Networks that the machine is joined to</Info>',
    ...networks.flatMap((network) => [
      `    <Network ovf:name=${quoted(network)}>`,
      `      <Description>${escapeXml(network)}</Description>`,
      '    </Network>',
    ]),
    '  </NetworkSection>',
    `  <VirtualSystem ovf:id=${quoted(name)}>`,
    '    <Info>A virtual machine</Info>',
    `    <Name>${escapeXml(name)}</Name>`,
    ...annotation(machine.description),
    `    <OperatingSystemSection ovf:id="${system.id}" vmw:osType="${system.vmware}">`,
    '      <Info>The guest operating system</Info>',
    `      <Description>${escapeXml(system.description)}</Description>`,
    '    </OperatingSystemSection>',
    '    <VirtualHardwareSection>',
    '      <Info>Virtual hardware</Info>',
    '      <System>',
    '        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>',
    '        <vssd:InstanceID>0</vssd:InstanceID>',
    `        <vssd:VirtualSystemIdentifier>${escapeXml(name)}</vssd:VirtualSystemIdentifier>`,
    `        <vssd:VirtualSystemType>${hardwareVersion(machine)}</vssd:VirtualSystemType>`,
    '      </System>',
    ...hardwareItems(machine, files),
    ...firmwareConfig(machine),
    '    </VirtualHardwareSection>',
    '  </VirtualSystem>',
    '</Envelope>',
  ];
  return `${lines.join('\n')}\n`;
}

/** NVMe and secure boot came with vmx-13 (ESXi 6.5), SATA with vmx-10. */
const hardwareVersion = (machine: Machine): string =>
  machine.firmware?.secureBoot === true || machine.disks.some((d) => d.bus === 'nvme') ? 'vmx-13' : 'vmx-10';

const quoted = (text: string): string => `"${escapeXml(text)}"`;
const networkOf = (nic: Nic): string => nic.network ?? 'VM Network';

function annotation(text: string | undefined): string[] {
  if (text === undefined || text === '') return [];
  return [
    '    <AnnotationSection>',
    '      <Info>What the machine is</Info>',
    `      <Annotation>${escapeXml(text)}</Annotation>`,
    '    </AnnotationSection>',
  ];
}

/** VMware's settings come behind all Items. */
function firmwareConfig(machine: Machine): string[] {
  if (machine.firmware?.kind !== 'uefi') return [];
  const config = (key: string, value: string) =>
    `      <vmw:Config ovf:required="false" vmw:key="${key}" vmw:value="${value}"/>`;
  const secure = machine.firmware.secureBoot === true;
  return [config('firmware', 'efi'), ...(secure ? [config('bootOptions.efiSecureBootEnabled', 'true')] : [])];
}

type Fields = Readonly<Record<string, string | number | undefined>>;

function item(fields: Fields, extra: readonly string[] = []): string[] {
  const names = Object.keys(fields).filter((key) => fields[key] !== undefined);
  return [
    '      <Item>',
    ...names.sort().map((key) => `        <rasd:${key}>${escapeXml(String(fields[key]))}</rasd:${key}>`),
    ...extra,
    '      </Item>',
  ];
}

function hardwareItems(machine: Machine, files: readonly DescribedFile[]): string[] {
  let instance = 0;
  const next = () => ++instance;
  const processors = machine.processors ?? { count: 1 };
  const memory = Math.max(1, Math.ceil((machine.memoryBytes ?? 1024 * MiB) / MiB));
  const cores =
    processors.coresPerSocket === undefined
      ? []
      : [
          `        <vmw:CoresPerSocket ovf:required="false">${processors.coresPerSocket}</vmw:CoresPerSocket>`,
        ];
  return [
    ...item(
      {
        AllocationUnits: 'hertz * 10^6',
        Description: 'Number of virtual CPUs',
        ElementName: `${processors.count} virtual CPU(s)`,
        InstanceID: next(),
        ResourceType: 3,
        VirtualQuantity: processors.count,
      },
      cores,
    ),
    ...item({
      AllocationUnits: 'byte * 2^20',
      Description: 'Memory size',
      ElementName: `${memory} MB of memory`,
      InstanceID: next(),
      ResourceType: 4,
      VirtualQuantity: memory,
    }),
    ...diskItems(machine, files, next),
    ...machine.nics.flatMap((nic, i) => nicItem(nic, i, next)),
  ];
}

/** The disks and cards as the descriptor has them, in the words of who reads it. */
export function describedHardware(machine: Machine): There {
  const files = machine.disks.map(({ id }) => ({ machineDisk: id }));
  const models: Record<string, string> = { VirtualSCSI: 'pvscsi', 'vmware.sata.ahci': 'ahci' };
  return {
    disks: placeDisks(machine, files).flatMap(({ kind, subtype, address, disks }) =>
      disks.map(({ index, unit }) => ({
        ...{ id: machine.disks[index]!.id, bus: kind, controller: address, unit },
        ...(subtype === '' ? {} : { controllerModel: models[subtype] ?? subtype }),
      })),
    ),
    nics: machine.nics.map((nic) => ({ model: cardOf(nic).toLowerCase() })),
  };
}

interface PlannedController {
  readonly kind: 'ide' | 'scsi' | 'sata' | 'nvme';
  readonly subtype: string;
  readonly address: number;
  readonly disks: { readonly index: number; readonly unit: number }[];
}

function diskItems(machine: Machine, files: readonly DescribedFile[], next: () => number): string[] {
  return placeDisks(machine, files).flatMap((controller) => {
    const parent = next();
    const type = { ide: 5, scsi: 6, sata: 20, nvme: 20 }[controller.kind];
    const label = `${{ ide: 'IDE', scsi: 'SCSI', sata: 'SATA', nvme: 'NVMe' }[controller.kind]} controller ${controller.address}`;
    return [
      ...item({
        Address: controller.address,
        Description: label,
        ElementName: label,
        InstanceID: parent,
        ResourceSubType: controller.subtype === '' ? undefined : controller.subtype,
        ResourceType: type,
      }),
      ...controller.disks.flatMap(({ index, unit }) =>
        item({
          AddressOnParent: unit,
          ElementName: `Hard disk ${index + 1}`,
          HostResource: `ovf:/disk/vmdisk${index + 1}`,
          InstanceID: next(),
          Parent: parent,
          ResourceType: 17,
        }),
      ),
    ];
  });
}

/** Each disk on a controller of its bus, at its own place where that is free. */
function placeDisks(
  machine: Machine,
  files: readonly Pick<DescribedFile, 'machineDisk'>[],
): PlannedController[] {
  const controllers: PlannedController[] = [];
  for (const [index, file] of files.entries()) {
    const disk = machine.disks.find((d) => d.id === file.machineDisk);
    const kind = controllerKind(disk?.bus);
    const subtype = subtypeOf(kind, disk);
    const alike = controllers.filter((c) => c.kind === kind && c.subtype === subtype);
    const named = alike.filter((c) => disk?.controller === undefined || c.address === disk.controller);
    const hasRoom = (c: PlannedController) => freeUnit(c, disk?.unit) !== undefined;
    let controller = named.find(hasRoom) ?? (named.length > 0 ? alike.find(hasRoom) : undefined);
    if (controller === undefined) {
      const taken = new Set(controllers.filter((c) => c.kind === kind).map((c) => c.address));
      let address = disk?.controller !== undefined && disk.controller < addresses[kind] ? disk.controller : 0;
      while (taken.has(address)) address++;
      controller = { kind, subtype, address, disks: [] };
      controllers.push(controller);
    }
    controller.disks.push({ index, unit: freeUnit(controller, disk?.unit) ?? 0 });
  }
  return controllers;
}

/** The unit asked for where it is free, else the first free one; undefined when the controller is full. */
function freeUnit({ kind, disks }: PlannedController, asked: number | undefined): number | undefined {
  const taken = new Set(disks.map((d) => d.unit));
  const isFree = (unit: number) => !taken.has(unit) && !(kind === 'scsi' && unit === 7);
  if (asked !== undefined && asked < units[kind] && isFree(asked)) return asked;
  for (let unit = 0; unit < units[kind]; unit++) if (isFree(unit)) return unit;
  return undefined;
}

/** Places on one controller in VMware's virtual hardware; SCSI's 7 is the controller itself. */
const units = { ide: 2, scsi: 16, sata: 30, nvme: 15 } as const;
const addresses = { ide: 2, scsi: 4, sata: 4, nvme: 4 } as const;

/** OVF knows no virtio, Xen or USB disk; SATA is what every guest of today has a driver for. */
function controllerKind(bus: DiskBus | undefined): PlannedController['kind'] {
  return bus === 'ide' || bus === 'scsi' || bus === 'nvme' ? bus : 'sata';
}

function subtypeOf(kind: PlannedController['kind'], disk: MachineDisk | undefined): string {
  if (kind === 'ide') return '';
  if (kind === 'sata') return 'vmware.sata.ahci';
  if (kind === 'nvme') return 'vmware.nvme.controller';
  const known: Record<string, string> = {
    pvscsi: 'VirtualSCSI',
    vmpvscsi: 'VirtualSCSI',
    buslogic: 'buslogic',
    lsilogicsas: 'lsilogicsas',
    lsisas1068: 'lsilogicsas',
  };
  return known[disk?.controllerModel?.toLowerCase() ?? ''] ?? 'lsilogic';
}

function cardOf({ model = '' }: Nic): string {
  const known: Record<string, string> = {
    vmxnet3: 'VmxNet3',
    e1000e: 'E1000e',
    pcnet32: 'PCNet32',
    pcnet: 'PCNet32',
  };
  return known[model.toLowerCase()] ?? 'E1000';
}

function nicItem(nic: Nic, index: number, next: () => number): string[] {
  return item({
    Address: nic.mac,
    AddressOnParent: 7 + index,
    AutomaticAllocation: String(nic.connected ?? true),
    Connection: networkOf(nic),
    ElementName: `Network adapter ${index + 1}`,
    InstanceID: next(),
    ResourceSubType: cardOf(nic),
    ResourceType: 10,
  });
}

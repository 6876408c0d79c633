/**
 * The machine as the API's `VirtualMachineConfigSpec`. Elements stand in the order of the API's schema, those of a
 * base type first. New devices have keys below zero, by which they name each other. Pure.
 */
import type { PlacedCard } from './fit-cards.ts';
import type { MachineSpec, SpecDisk } from './import-spec.ts';
import { element, refTo, text, typed, type Xml } from './soap.ts';

const scsiTypes: Readonly<Record<string, string>> = {
  lsilogic: 'VirtualLsiLogicController',
  lsisas1068: 'VirtualLsiLogicSASController',
  pvscsi: 'ParaVirtualSCSIController',
  buslogic: 'VirtualBusLogicController',
};
const otherTypes: Readonly<Record<string, string>> = {
  ide: 'VirtualIDEController',
  sata: 'VirtualAHCIController',
  nvme: 'VirtualNVMEController',
};

const cdromNode = 'ide1:0';

/** `uuid`: only where no other machine there has it. */
export function configSpec(spec: MachineSpec, uuid: string | undefined): Xml {
  const controllers = controllersOf(spec);
  return element(
    'configSpec',
    text('name', escapedName(spec.name)),
    ...(spec.version === undefined ? [] : [text('version', `vmx-${String(spec.version).padStart(2, '0')}`)]),
    ...(uuid === undefined ? [] : [text('uuid', uuid)]),
    text('guestId', spec.guestId),
    ...(spec.annotation === '' ? [] : [text('annotation', spec.annotation)]),
    element('files', text('vmPathName', `[${spec.datastore}]`)),
    text('numCPUs', spec.processors),
    ...(spec.coresPerSocket === undefined ? [] : [text('numCoresPerSocket', spec.coresPerSocket)]),
    text('memoryMB', spec.memoryMiB),
    ...[...controllers].map(([bus, key]) => added(controllerXml(spec, bus, key))),
    ...spec.disks.map((disk, i) => added(diskXml(spec, disk, -100 - i, controllers), 'create')),
    ...(spec.cdrom ? [added(cdromXml(controllers))] : []),
    ...spec.cards.map((card, i) => added(cardXml(card, -300 - i))),
    ...(spec.secureBoot ? [element('bootOptions', text('efiSecureBootEnabled', true))] : []),
    text('firmware', spec.uefi ? 'efi' : 'bios'),
  );
}

/** Names of the inventory escape these three, and no others. */
export const escapedName = (name: string): string =>
  name.replace(/%/g, '%25').replace(/\//g, '%2f').replace(/\\/g, '%5c');

const added = (device: Xml, fileOperation?: string): Xml =>
  element(
    'deviceChange',
    text('operation', 'add'),
    ...(fileOperation === undefined ? [] : [text('fileOperation', fileOperation)]),
    device,
  );

/** `scsi0` → its key. */
function controllersOf({ disks, cdrom }: MachineSpec): Map<string, number> {
  const nodes = [...disks.map(({ node }) => node), ...(cdrom ? [cdromNode] : [])];
  const buses = [...new Set(nodes.map((node) => node.split(':')[0]!))].sort();
  return new Map(buses.map((bus, i) => [bus, -1 - i]));
}

export function controllerType({ scsi }: Pick<MachineSpec, 'scsi'>, bus: string): string {
  const kind = bus.replace(/\d+$/, '');
  return otherTypes[kind] ?? scsiTypes[scsi.get(numberOf(bus)) ?? 'lsilogic']!;
}

const numberOf = (bus: string): number => Number(/\d+$/.exec(bus)?.[0]);

function controllerXml(spec: MachineSpec, bus: string, key: number): Xml {
  const sharing = bus.startsWith('scsi') ? [text('sharedBus', 'noSharing')] : [];
  const number = text('busNumber', numberOf(bus));
  return typed('device', controllerType(spec, bus), text('key', key), number, ...sharing);
}

const placeXml = (node: string, controllers: ReadonlyMap<string, number>): Xml[] => {
  const [bus = '', unit = ''] = node.split(':');
  return [text('controllerKey', controllers.get(bus)!), text('unitNumber', Number(unit))];
};

function diskXml(
  { provisioning }: MachineSpec,
  { node, capacityBytes }: SpecDisk,
  key: number,
  controllers: ReadonlyMap<string, number>,
): Xml {
  const backing = typed(
    'backing',
    'VirtualDiskFlatVer2BackingInfo',
    text('fileName', ''), // the server names it, in the machine's own folder
    text('diskMode', 'persistent'),
    text('thinProvisioned', provisioning === 'thin'),
    ...(provisioning === 'eager' ? [text('eagerlyScrub', true)] : []),
  );
  return typed(
    'device',
    'VirtualDisk',
    text('key', key),
    backing,
    ...placeXml(node, controllers),
    text('capacityInKB', Math.ceil(capacityBytes / 1024)),
    text('capacityInBytes', capacityBytes),
  );
}

/** Nothing in it: a drive of the client's, which nobody has joined. */
const cdromXml = (controllers: ReadonlyMap<string, number>): Xml =>
  typed(
    'device',
    'VirtualCdrom',
    text('key', -200),
    typed(
      'backing',
      'VirtualCdromRemotePassthroughBackingInfo',
      text('deviceName', ''),
      text('exclusive', false),
    ),
    connectable(false),
    ...placeXml(cdromNode, controllers),
  );

const connectable = (start: boolean): Xml =>
  element(
    'connectable',
    text('startConnected', start),
    text('allowGuestControl', true),
    text('connected', false),
  );

const cardXml = ({ type, mac, network, connected }: PlacedCard, key: number): Xml =>
  typed(
    'device',
    type,
    text('key', key),
    networkXml(network),
    connectable(connected),
    text('addressType', mac === undefined ? 'generated' : 'manual'),
    ...(mac === undefined ? [] : [text('macAddress', mac)]),
  );

function networkXml(network: PlacedCard['network']): Xml {
  switch (network.kind) {
    case 'standard':
      return typed(
        'backing',
        'VirtualEthernetCardNetworkBackingInfo',
        text('deviceName', network.name),
        refTo('network', network.network),
      );
    case 'distributed':
      return typed(
        'backing',
        'VirtualEthernetCardDistributedVirtualPortBackingInfo',
        element('port', text('switchUuid', network.switchUuid), text('portgroupKey', network.key)),
      );
    case 'opaque':
      return typed(
        'backing',
        'VirtualEthernetCardOpaqueNetworkBackingInfo',
        text('opaqueNetworkId', network.opaqueId),
        text('opaqueNetworkType', network.opaqueType),
      );
  }
}

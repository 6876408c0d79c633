/** What a vCenter answers of one machine, shortened; written after the API reference of vSphere 8. */

import type { Place, Places } from '../../../src/env-plugins/vsphere/places.ts';
import type { Properties } from '../../../src/env-plugins/vsphere/properties.ts';
import { parseXml } from '../../../src/io/xml.ts';

const namespaces =
  'xmlns="urn:vim25" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"';

/** `values`: path → the XML of its `val`. */
export function propertiesOf(
  values: Record<string, string>,
  missing: Record<string, string> = {},
): Properties {
  const parsed = Object.entries(values).map(
    ([path, xml]) => [path, parseXml(Buffer.from(`<val ${namespaces}>${xml}</val>`), path)] as const,
  );
  return {
    ref: { type: 'VirtualMachine', id: 'vm-7' },
    values: new Map(parsed),
    missing: new Map(Object.entries(missing)),
  };
}

const place = (type: string, name: string, parent: string | undefined, more: Partial<Place> = {}): Place => ({
  type,
  name,
  rawName: name,
  parent,
  ...more,
});

export const places: Places = new Map([
  ['group-d2', place('Folder', 'Europe', 'group-d1')],
  ['datacenter-3', place('Datacenter', 'Köln 1', 'group-d2')],
  ['group-v4', place('Folder', 'vm', 'datacenter-3')],
  ['group-v5', place('Folder', 'web', 'group-v4')],
  ['host-6', place('HostSystem', 'esx1.example', 'domain-c7')],
  ['domain-c7', place('ClusterComputeResource', 'Blue', 'group-v4')],
  ['dvportgroup-8', place('DistributedVirtualPortgroup', 'VLAN 12', 'group-v4')],
  ['datastore-9', place('Datastore', 'ssd 1', 'group-v4', { kind: 'VMFS', url: 'ds:///vmfs/volumes/5a-b/' })],
  ['datastore-10', place('Datastore', 'vsanDatastore', 'group-v4', { kind: 'vsan' })],
]);

const disk = (
  key: number,
  controller: number,
  unit: number,
  backing: string,
  type = 'VirtualDiskFlatVer2BackingInfo',
) =>
  `<device xsi:type="VirtualDisk"><key>${key}</key><deviceInfo><label>Hard disk ${key - 1999}</label></deviceInfo>` +
  `<backing xsi:type="${type}">${backing}</backing><controllerKey>${controller}</controllerKey>` +
  `<unitNumber>${unit}</unitNumber><capacityInKB>41943040</capacityInKB>` +
  '<capacityInBytes>42949672960</capacityInBytes></device>';

const onSsd = (file: string, more = '') =>
  `<fileName>[ssd 1] web/${file}</fileName><datastore type="Datastore">datastore-9</datastore>${more}`;

export const hardware = [
  '<numCPU>8</numCPU><numCoresPerSocket>4</numCoresPerSocket><memoryMB>16384</memoryMB>',
  '<device xsi:type="ParaVirtualSCSIController"><key>1000</key><busNumber>0</busNumber><sharedBus>noSharing</sharedBus></device>',
  '<device xsi:type="VirtualLsiLogicSASController"><key>1001</key><busNumber>1</busNumber><sharedBus>physicalSharing</sharedBus></device>',
  '<device xsi:type="VirtualNVMEController"><key>31000</key><busNumber>0</busNumber></device>',
  '<device xsi:type="VirtualIDEController"><key>200</key><busNumber>0</busNumber></device>',
  '<device xsi:type="VirtualTPM"><key>11000</key></device>',
  '<device xsi:type="VirtualSerialPort"><key>9000</key></device>',
  '<device xsi:type="VirtualMachineVideoCard"><key>500</key></device>',
  '<device xsi:type="VirtualPCIPassthrough"><key>13000</key><deviceInfo><label>PCI device 0</label></deviceInfo></device>',
  '<device xsi:type="VirtualCdrom"><key>3000</key><backing xsi:type="VirtualCdromIsoBackingInfo"><fileName>[ssd 1] iso/a.iso</fileName></backing><controllerKey>200</controllerKey></device>',
  disk(
    2000,
    1000,
    0,
    onSsd(
      'web-000001.vmdk',
      '<diskMode>persistent</diskMode><thinProvisioned>true</thinProvisioned>' +
        '<parent><fileName>[ssd 1] web/web.vmdk</fileName></parent><changeId>52 de/3</changeId>',
    ),
  ),
  disk(
    2016,
    1001,
    0,
    onSsd('rdm.vmdk', '<compatibilityMode>physicalMode</compatibilityMode><lunUuid>0200</lunUuid>'),
    'VirtualDiskRawDiskMappingVer1BackingInfo',
  ),
  disk(
    2002,
    31000,
    1,
    onSsd('ind.vmdk', '<diskMode>independent_persistent</diskMode><keyId><keyId>k</keyId></keyId>'),
  ),
  disk(
    2003,
    1000,
    2,
    '<fileName>[vsanDatastore] web/v.vmdk</fileName><datastore type="Datastore">datastore-10</datastore>' +
      '<diskMode>persistent</diskMode>',
  ),
  '<device xsi:type="VirtualVmxnet3"><key>4000</key><backing xsi:type="VirtualEthernetCardDistributedVirtualPortBackingInfo"><port><switchUuid>50</switchUuid><portgroupKey>dvportgroup-8</portgroupKey></port></backing><connectable><startConnected>true</startConnected></connectable><macAddress>00:50:56:AA:bb:01</macAddress></device>',
  '<device xsi:type="VirtualE1000"><key>4001</key><backing xsi:type="VirtualEthernetCardNetworkBackingInfo"><deviceName>VM %2f Net</deviceName></backing><connectable><startConnected>false</startConnected></connectable><macAddress>00:0c:29:00:00:02</macAddress></device>',
].join('');

export const machineValues: Record<string, string> = {
  name: 'web%2f1',
  'runtime.powerState': 'poweredOff',
  'runtime.connectionState': 'connected',
  'config.template': 'false',
  'config.annotation': 'the shop &lt;b&gt;',
  'config.uuid': '4210B0A8-0000-1111-2222-333344445555',
  'config.guestId': 'debian12_64Guest',
  'config.guestFullName': 'Debian GNU/Linux 12 (64-bit)',
  'config.firmware': 'efi',
  'config.bootOptions':
    '<efiSecureBootEnabled>true</efiSecureBootEnabled>' +
    '<bootOrder xsi:type="VirtualMachineBootOptionsBootableEthernetDevice"><deviceKey>4000</deviceKey></bootOrder>' +
    '<bootOrder xsi:type="VirtualMachineBootOptionsBootableDiskDevice"><deviceKey>2000</deviceKey></bootOrder>',
  'config.hardware': hardware,
  'config.changeTrackingEnabled': 'true',
  'config.keyId': '<keyId>k</keyId>',
  'guest.hostName': 'web1.example',
  layoutEx:
    '<file><key>0</key><name>[ssd 1] web/web.vmdk</name><type>diskDescriptor</type><size>500</size></file>' +
    '<file><key>1</key><name>[ssd 1] web/web-flat.vmdk</name><type>diskExtent</type><size>1000000</size></file>' +
    '<file><key>2</key><name>[ssd 1] web/web-000001.vmdk</name><type>diskDescriptor</type><size>300</size></file>' +
    '<file><key>3</key><name>[ssd 1] web/web-000001-sesparse.vmdk</name><type>diskExtent</type><size>2000</size></file>' +
    '<disk><key>2000</key><chain><fileKey>0</fileKey><fileKey>1</fileKey></chain>' +
    '<chain><fileKey>2</fileKey><fileKey>3</fileKey></chain></disk>',
  snapshot:
    '<currentSnapshot type="VirtualMachineSnapshot">snapshot-2</currentSnapshot>' +
    '<rootSnapshotList><snapshot type="VirtualMachineSnapshot">snapshot-1</snapshot><name>before</name>' +
    '<description>of the update</description><createTime>2026-01-02T03:04:05.6Z</createTime>' +
    '<childSnapshotList><snapshot type="VirtualMachineSnapshot">snapshot-2</snapshot><name>after</name>' +
    '<createTime>2026-01-03T00:00:00Z</createTime></childSnapshotList></rootSnapshotList>',
};

/** A value that is a reference itself. */
export function withRefs(object: Properties, refs: Record<string, [type: string, id: string]>): Properties {
  const values = new Map(object.values);
  for (const [path, [type, id]] of Object.entries(refs)) {
    values.set(path, parseXml(Buffer.from(`<val ${namespaces} type="${type}">${id}</val>`), path));
  }
  return { ...object, values };
}

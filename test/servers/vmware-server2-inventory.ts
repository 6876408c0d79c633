/** What the fake of VMware Server 2 has: objects by their ids, each property as the XML of its value. */
import { escapeXml } from '../../src/io/xml.ts';

export interface Managed {
  readonly type: string;
  /** Path → `<val …>`. */
  readonly properties: Map<string, string>;
}

export const reference = (name: string, type: string, id: string): string =>
  `<${name} type="${type}">${id}</${name}>`;

const val = (type: string, content: string) => `<val xsi:type="${type}">${content}</val>`;
const words = (content: string) => val('xsd:string', escapeXml(content));
const one = (type: string, id: string) => `<val xsi:type="ManagedObjectReference" type="${type}">${id}</val>`;
const many = (...all: [type: string, id: string][]) =>
  val(
    'ArrayOfManagedObjectReference',
    all.map(([type, id]) => `<ManagedObjectReference type="${type}">${id}</ManagedObjectReference>`).join(''),
  );

const managed = (type: string, properties: Record<string, string>): Managed => ({
  type,
  properties: new Map(Object.entries(properties)),
});

export function inventory({ running = false, snapshot = false }): Map<string, Managed> {
  const objects = new Map<string, Managed>([
    [
      'ha-folder-root',
      managed('Folder', {
        name: words('ha-folder-root'),
        childEntity: many(['Datacenter', 'ha-datacenter']),
      }),
    ],
    [
      'ha-datacenter',
      managed('Datacenter', {
        name: words('ha-datacenter'),
        parent: one('Folder', 'ha-folder-root'),
        vmFolder: one('Folder', 'ha-folder-vm'),
        hostFolder: one('Folder', 'ha-folder-host'),
        datastore: many(['Datastore', 'ha-datastore-1']),
        network: many(['Network', 'HaNetwork-Bridged']),
      }),
    ],
    [
      'ha-folder-vm',
      managed('Folder', {
        name: words('vm'),
        parent: one('Datacenter', 'ha-datacenter'),
        childEntity: many(['VirtualMachine', '16'], ['VirtualMachine', '32']),
      }),
    ],
    [
      'ha-folder-host',
      managed('Folder', {
        name: words('host'),
        parent: one('Datacenter', 'ha-datacenter'),
        childEntity: many(['ComputeResource', 'ha-compute-res']),
      }),
    ],
    [
      'ha-compute-res',
      managed('ComputeResource', {
        name: words('old-server.example'),
        parent: one('Folder', 'ha-folder-host'),
        host: many(['HostSystem', 'ha-host']),
      }),
    ],
    [
      'ha-host',
      managed('HostSystem', {
        name: words('old-server.example'),
        parent: one('ComputeResource', 'ha-compute-res'),
      }),
    ],
    ['HaNetwork-Bridged', managed('Network', { name: words('Bridged') })],
    [
      'ha-datastore-1',
      managed('Datastore', {
        'summary.name': words('standard'),
        'summary.url': words('/var/lib/vmware/Virtual Machines'),
        'summary.type': words('other'),
      }),
    ],
    ['16', machine('mail', running)],
    ['32', machine('files', false)],
  ]);
  for (const id of ['task-1', 'task-2']) objects.set(id, managed('Task', { info: taskInfo(id) }));
  if (snapshot) snapshotOf(objects, '16', 'before the update', '');
  return objects;
}

function machine(name: string, running: boolean): Managed {
  return managed('VirtualMachine', {
    name: words(name),
    parent: one('Folder', 'ha-folder-vm'),
    'runtime.powerState': val('VirtualMachinePowerState', running ? 'poweredOn' : 'poweredOff'),
    'runtime.connectionState': val('VirtualMachineConnectionState', 'connected'),
    'runtime.host': one('HostSystem', 'ha-host'),
    'config.template': val('xsd:boolean', 'false'),
    'config.annotation': words('die Post'),
    'config.uuid': words('564dabcd-0102-0304-0506-0708090a0b0c'),
    'config.guestId': words('winNetStandardGuest'),
    'config.guestFullName': words('Microsoft Windows Server 2003, Standard Edition (32-bit)'),
    'config.bootOptions': val('VirtualMachineBootOptions', '<bootDelay>0</bootDelay>'),
    'config.hardware': val('VirtualHardware', hardwareOf(name, `${name}.vmdk`)),
    layout: val('VirtualMachineFileLayout', layoutOf(name, [`${name}.vmdk`])),
    datastore: many(['Datastore', 'ha-datastore-1']),
    'capability.multipleSnapshotsSupported': val('xsd:boolean', 'false'),
  });
}

const hardwareOf = (name: string, file: string): string =>
  [
    '<numCPU>2</numCPU><memoryMB>512</memoryMB>',
    '<device xsi:type="VirtualLsiLogicController"><key>1000</key><busNumber>0</busNumber><device>2000</device><sharedBus>noSharing</sharedBus></device>',
    '<device xsi:type="VirtualDisk"><key>2000</key><deviceInfo><label>Hard Disk 1</label><summary>8,192 KB</summary></deviceInfo>',
    `<backing xsi:type="VirtualDiskFlatVer2BackingInfo"><fileName>[standard] ${name}/${file}</fileName>`,
    '<datastore type="Datastore">ha-datastore-1</datastore><diskMode>persistent</diskMode><split>false</split></backing>',
    '<controllerKey>1000</controllerKey><unitNumber>0</unitNumber><capacityInKB>4096</capacityInKB></device>',
    '<device xsi:type="VirtualPCNet32"><key>4000</key><backing xsi:type="VirtualEthernetCardNetworkBackingInfo"><deviceName>Bridged</deviceName></backing>',
    '<connectable><startConnected>true</startConnected><allowGuestControl>true</allowGuestControl><connected>false</connected></connectable>',
    '<addressType>generated</addressType><macAddress>00:0c:29:aa:bb:cc</macAddress></device>',
  ].join('');

const layoutOf = (name: string, files: readonly string[]): string =>
  `<configFile>${name}.vmx</configFile><disk><key>2000</key>${files
    .map((file) => `<diskFile>[standard] ${name}/${file}</diskFile>`)
    .join('')}</disk>`;

/** From then on the machine writes to a delta; a snapshot that is there already is replaced, as Server 2 does it. */
export function snapshotOf(
  objects: Map<string, Managed>,
  vm: string,
  name: string,
  description: string,
): void {
  const { properties } = objects.get(vm)!;
  const machineName = /<val[^>]*>([^<]*)/.exec(properties.get('name')!)![1]!;
  const before = properties.get('config.hardware')!;
  const config = `<changeVersion/><modified>2009-11-02T10:00:00Z</modified><name>${machineName}</name>`;
  objects.set(
    `${vm}-snapshot-1`,
    managed('VirtualMachineSnapshot', {
      config: val(
        'VirtualMachineConfigInfo',
        `${config}${before.replace(/^<val[^>]*>/, '<hardware>').replace(/<\/val>$/, '</hardware>')}`,
      ),
    }),
  );
  properties.set(
    'config.hardware',
    val('VirtualHardware', hardwareOf(machineName, `${machineName}-000001.vmdk`)),
  );
  properties.set(
    'snapshot',
    val(
      'VirtualMachineSnapshotInfo',
      `${reference('currentSnapshot', 'VirtualMachineSnapshot', `${vm}-snapshot-1`)}<rootSnapshotList>` +
        `${reference('snapshot', 'VirtualMachineSnapshot', `${vm}-snapshot-1`)}${reference('vm', 'VirtualMachine', vm)}` +
        `<name>${escapeXml(name)}</name><description>${escapeXml(description)}</description>` +
        '<createTime>2009-11-02T10:00:00Z</createTime><state>poweredOn</state><quiesced>false</quiesced></rootSnapshotList>',
    ),
  );
  const result = `<result xsi:type="ManagedObjectReference" type="VirtualMachineSnapshot">${vm}-snapshot-1</result>`;
  objects.set('task-1', managed('Task', { info: taskInfo('task-1', result) }));
}

const taskInfo = (id: string, result = ''): string =>
  val(
    'TaskInfo',
    `<key>${id}</key><task type="Task">${id}</task><descriptionId>VirtualMachine.snapshot</descriptionId>` +
      `<state>success</state><cancelled>false</cancelled><cancelable>false</cancelable>${result}` +
      '<reason xsi:type="TaskReasonUser"><userName>operator</userName></reason>' +
      '<queueTime>2009-11-02T10:00:00Z</queueTime><eventChainId>1</eventChainId>',
  );

/** What a machine becomes, without a server; and a lease that is kept alive, lost, and sent to. */
import { expect, it, vi } from 'vitest';
import { configSpec } from '../../../src/env-plugins/vsphere/config-spec.ts';
import { hardwareOf } from '../../../src/env-plugins/vsphere/destination.ts';
import { hardwareFor } from '../../../src/env-plugins/vsphere/esx-hardware.ts';
import type { Ground } from '../../../src/env-plugins/vsphere/ground.ts';
import { guestIdFor } from '../../../src/env-plugins/vsphere/guest-id.ts';
import { fitMachine } from '../../../src/env-plugins/vsphere/import-spec.ts';
import { Lease, type LeaseDevice } from '../../../src/env-plugins/vsphere/lease.ts';
import { leaseUpload } from '../../../src/env-plugins/vsphere/lease-upload.ts';
import { devicesFor, nodeOf } from '../../../src/env-plugins/vsphere/match-devices.ts';
import type { VimSession } from '../../../src/env-plugins/vsphere/session.ts';
import { startMachine } from '../../../src/env-plugins/vsphere/start-machine.ts';
import { parseXml, type XmlElement } from '../../../src/io/xml.ts';
import { AppError } from '../../../src/model/errors.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { GiB, MiB } from '../../../src/model/units.ts';
import { never } from './connected.ts';
import { plainMachine, requestFor, stream } from './deliver.ts';

const ref = (type: string, id: string) => ({ type, id });
const ground: Ground = {
  place: {
    label: 'Blue',
    pool: ref('ResourcePool', 'resgroup-8'),
    host: undefined,
    compute: ref('ClusterComputeResource', 'domain-c7'),
    datacenter: 'datacenter-2',
    datastores: new Set(['datastore-1']),
    networks: new Set(['network-1', 'network-3']),
    browser: undefined,
    obstacle: undefined,
  },
  folder: { label: 'vm', folder: ref('Folder', 'group-v3'), datacenter: 'datacenter-2' },
  datastore: {
    ...{ label: 'ssd', datastore: ref('Datastore', 'datastore-1'), name: 'ssd' },
    ...{ kind: 'VMFS', freeBytes: GiB, dcPath: 'DC0' },
  },
  networks: new Map([
    ['VM Network', { kind: 'standard', network: ref('Network', 'network-1'), name: 'VM Network' }],
    ['Lab', { kind: 'standard', network: ref('Network', 'network-2'), name: 'Lab' }],
    [
      'seg',
      {
        ...{ kind: 'opaque', network: ref('OpaqueNetwork', 'network-3'), name: 'seg' },
        ...{ opaqueId: 'a-b', opaqueType: 'nsx.LogicalSwitch' },
      },
    ],
  ]),
  versions: [19, 13, 8],
  usualVersion: 19,
  guestIds: [],
};

const fitted = (machine: Partial<Machine>, settings: Record<string, string> = {}) =>
  fitMachine(requestFor({ ...plainMachine, ...machine }, { settings }), ground);
const rulesOf = (machine: Partial<Machine>, settings: Record<string, string> = {}) =>
  fitted(machine, settings).findings.map(({ rule }) => rule);

it('guest ids are looked for among those of the server, and then nearer ones', () => {
  const known = [
    ...['otherGuest', 'otherGuest64', 'otherLinux64Guest', 'other4xLinux64Guest', 'windows9Server64Guest'],
    ...['windows2019srv_64Guest', 'winLonghornGuest', 'debian10_64Guest', 'debian10Guest', 'rhel8_64Guest'],
    ...['ubuntu64Guest', 'windows9_64Guest', 'freebsd13_64Guest'],
  ];
  const id = (name: string, family: 'linux' | 'windows' | 'bsd' | 'other', architecture = 'x86_64') =>
    guestIdFor({ name, family, architecture }, 19, known);
  expect(id('Debian GNU/Linux 12', 'linux')).toEqual({ id: 'debian10_64Guest', exact: true });
  expect(id('Debian GNU/Linux 10', 'linux', 'i686').id).toBe('debian10Guest');
  expect(id('Red Hat Enterprise Linux 9.2', 'linux').id).toBe('rhel8_64Guest');
  expect(id('FreeBSD 14.1', 'bsd').id).toBe('freebsd13_64Guest');
  expect(id('Ubuntu 22.04', 'linux').id).toBe('ubuntu64Guest');
  expect(id('Windows Server 2016', 'windows').id).toBe('windows9Server64Guest');
  expect(id('Windows Server 2019', 'windows').id).toBe('windows2019srv_64Guest');
  expect(id('Windows 11', 'windows').id).toBe('windows9_64Guest');
  expect(id('Arch Linux', 'linux').id).toBe('other4xLinux64Guest');
  expect(id('Plan 9', 'other')).toEqual({ id: 'otherGuest64', exact: false });
  expect(guestIdFor(undefined, 19, [])).toEqual({ id: 'otherGuest64', exact: true });
  expect(hardwareFor('6.7.1')).toEqual([14, 13, 11, 10, 9, 8, 7]);
});

it('the specification has what the API wants, in its order', () => {
  const { spec, findings } = fitted(
    {
      ...{ name: 'a/b', memoryBytes: 512 * MiB, processors: { count: 3, coresPerSocket: 2 } },
      firmware: { kind: 'uefi', secureBoot: true },
      disks: [
        { id: '0', name: '0', files: [], bus: 'ide', controller: 1, unit: 0, virtualSizeBytes: GiB + 1 },
        { id: '1', name: '1', files: [], bus: 'scsi', controllerModel: 'lsilogicsas', virtualSizeBytes: MiB },
      ],
      nics: [{ network: 'seg', model: 'vmxnet3', mac: '00:0C:29:00:00:01' }],
      devices: { cdroms: [{}] },
    },
    { hardware: '13', provisioning: 'thick' },
  );
  expect(findings.map(({ rule }) => rule)).toEqual(['vmware.nvram-lost', 'nic.mac-generated']);
  const xml = configSpec(spec, 'u-u');
  const typed = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"';
  const root = parseXml(Buffer.from(xml.replace('<configSpec>', `<configSpec ${typed}>`)), 'spec');
  expect(root.children.map(({ local }) => local).filter((name) => name !== 'deviceChange')).toEqual([
    ...['name', 'version', 'uuid', 'guestId', 'files', 'numCPUs', 'memoryMB', 'bootOptions', 'firmware'],
  ]);
  expect(xml).toContain('<name>a%2fb</name><version>vmx-13</version><uuid>u-u</uuid>');
  const devices = [...xml.matchAll(/<device xsi:type="(\w+)"><key>(-\d+)<\/key>(.*?)<\/device>/g)];
  expect(devices.map(([, type, key]) => `${type} ${key}`)).toEqual([
    'VirtualIDEController -1',
    'VirtualIDEController -2', // of the CD-ROM drive
    'VirtualLsiLogicSASController -3',
    'VirtualDisk -100',
    'VirtualDisk -101',
    'VirtualCdrom -200',
    'VirtualVmxnet3 -300',
  ]);
  expect(devices[3]![3]).toContain(`<capacityInBytes>${GiB + 512}</capacityInBytes>`);
  expect(devices[3]![3]).toContain('<thinProvisioned>false</thinProvisioned>');
  expect(devices[6]![3]).toContain('<opaqueNetworkId>a-b</opaqueNetworkId>');
  expect(devices[6]![3]).toContain('<macAddress>00:0c:29:00:00:01</macAddress>');
});

it('what is otherwise there is said', () => {
  const disks = [{ id: '0', name: '0', files: [], virtualSizeBytes: MiB }];
  expect(rulesOf({ disks, nics: [{ network: 'Lab' }] })).toEqual(['nic.network-not-reached']);
  expect(rulesOf({ disks, nics: [{ network: 'none', mac: '01:00:00:00:00:00' }] })).toEqual([
    'nic.mac-impossible',
  ]);
  expect(fitted({ disks, nics: [{ network: 'none' }] }).spec.cards[0]!.network.name).toBe('VM Network');
  expect(fitted({ disks, nics: [{ network: 'none' }] }, { network: 'seg' }).spec.cards[0]!.network.name).toBe(
    'seg',
  );
  expect(rulesOf({ disks, nics: [{ model: 'virtio' }] })).toEqual(['nic.model-changed']);
  expect(rulesOf({ disks, processors: { count: 1000 } })).toEqual(['vmware.too-many-processors']);
  expect(rulesOf({ disks, devices: { tpm: { version: '2.0' }, bound: ['PCI x'] } })).toEqual([
    'vmware.tpm-lost',
    'vmware.device-not-carried',
  ]);
  expect(
    rulesOf({ disks, firmware: { kind: 'uefi', secureBoot: true } }, { hardware: '8', nvram: 'new' }),
  ).toEqual(['vmware.no-secure-boot']);
});

const device = (importKey: string, more: Partial<LeaseDevice> = {}): LeaseDevice => ({
  ...{ key: '', importKey, host: 'h', port: 443, path: '/nfc/1', thumbprint: '', disk: true },
  ...{ targetId: undefined, fileSize: undefined },
  ...more,
});

it('a setting that means nothing is refused', () => {
  expect(() => fitted({}, { hardware: 'new' })).toThrow(/hardware version/);
  expect(() => fitted({}, { provisioning: 'fat' })).toThrow(/kind of disk/);
});

it('URLs of a lease are matched by controller and place, never guessed', () => {
  expect(nodeOf('/a:b 0:1/VirtualLsiLogicSASController1:12')).toBe('scsi1:12');
  expect(nodeOf('/vm-7/ParaVirtualSCSIController0:0')).toBe('scsi0:0');
  expect(nodeOf('/x/VirtualIDEController1:0')).toBe('ide1:0');
  expect(nodeOf('/x/VirtualAHCIController0:3')).toBe('sata0:3');
  expect(nodeOf('/x/VirtualNVMEController0:0')).toBe('nvme0:0');
  expect(nodeOf('/x/disk:0')).toBeUndefined();
  const [a, b] = [device('/x/VirtualIDEController0:0'), device('/x/VirtualLsiLogicController0:0')];
  const iso = device('/x/nvram', { disk: false });
  expect(devicesFor([iso, b, a], ['ide0:0', 'scsi0:0'], 's')).toEqual([a, b]);
  expect(devicesFor([iso, device('whatever')], ['scsi0:0'], 's')).toHaveLength(1);
  expect(() => devicesFor([a, device('/x/disk:1')], ['ide0:0', 'scsi0:0'], 's')).toThrow(/scsi0:0/);
  expect(() => devicesFor([a, a], ['ide0:0', 'scsi0:0'], 's')).toThrow();
});

/** A server that answers calls by their names; the property collector by `properties`. */
function fakeSession(
  properties: Record<string, string>,
  calls: Record<string, () => Promise<XmlElement[]>> = {},
) {
  const made: string[] = [];
  const xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"';
  const parse = (xml: string) => parseXml(Buffer.from(xml), 'fake');
  const session = {
    client: { name: 'vc:443' },
    cookie: 'c',
    version: '6.7',
    atLeast: () => true,
    service: (name: string) => ref(name, name),
    unit: (work: () => Promise<unknown>) => work(),
    async call(method: string) {
      made.push(method);
      if (calls[method] !== undefined) return calls[method]();
      if (method !== 'RetrievePropertiesEx') return [];
      const sets = Object.entries(properties).map(
        ([name, value]) => `<propSet><name>${name}</name><val>${value}</val></propSet>`,
      );
      return [parse(`<r ${xsi}><objects><obj type="T">1</obj>${sets.join('')}</objects></r>`)];
    },
  };
  return { session: session as unknown as VimSession, made, properties, parse };
}

const leaseInfo =
  '<entity type="VirtualMachine">vm-1</entity><deviceUrl><key>k</key><importKey>i</importKey>' +
  '<url>https://*/nfc/52/disk-0.vmdk?x=1</url><sslThumbprint>AA</sslThumbprint><disk>true</disk></deviceUrl>' +
  '<leaseTimeout>300</leaseTimeout>';
const reach = async () => {
  throw new AppError('unreachable', 'no');
};
const options = { step: 'importing', reach, aliveMs: 5 };

it('a lease is kept alive while nothing flows, and its loss is told', async () => {
  let dead = false;
  const { session, made } = fakeSession(
    { state: 'ready', info: leaseInfo },
    {
      async HttpNfcLeaseProgress() {
        if (dead) throw new AppError('io', 'Timedout');
        return [];
      },
    },
  );
  const lease = await Lease.ready(session, ref('HttpNfcLease', 'l'), options);
  expect(lease.devices[0]).toMatchObject({
    host: 'vc',
    port: 443,
    path: '/nfc/52/disk-0.vmdk?x=1',
    disk: true,
  });
  expect(await lease.client(lease.devices[0]!)).toBe(session.client);
  await vi.waitUntil(() => made.filter((m) => m === 'HttpNfcLeaseProgress').length > 2);
  expect(lease.lost.aborted).toBe(false);
  dead = true;
  await vi.waitUntil(() => lease.lost.aborted);
  await expect(lease.complete()).rejects.toMatchObject({
    kind: 'io',
    message: expect.stringContaining('given'),
  });
  await lease.abort();
  await lease.abort();
  expect(made.filter((m) => m === 'HttpNfcLeaseAbort')).toHaveLength(1);
});

it('a lease that can not be had is told in words and ended', async () => {
  const error = '<fault xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="NoDiskSpace"/>';
  const failed = fakeSession({ state: 'error', error });
  const opening = Lease.ready(failed.session, ref('HttpNfcLease', 'l'), options);
  await expect(opening).rejects.toMatchObject({ kind: 'no-space' });
  expect(failed.made).toContain('HttpNfcLeaseAbort');
  const odd = fakeSession({ state: 'ready', info: leaseInfo.replace('https://*', 'http://h') });
  await expect(Lease.ready(odd.session, ref('HttpNfcLease', 'l'), options)).rejects.toMatchObject({
    kind: 'corrupt',
  });
  const waiting = fakeSession({ state: 'initializing' });
  const cancel = new AbortController();
  const pending = Lease.ready(waiting.session, ref('HttpNfcLease', 'l'), {
    ...options,
    signal: cancel.signal,
  });
  cancel.abort();
  await expect(pending).rejects.toMatchObject({ kind: 'cancelled' });
});

it('only a stream of the right size is sent', async () => {
  const lease = { lost: never, client: async () => Promise.reject(new AppError('bug', 'sent')) };
  const upload = (capacityBytes: number) =>
    leaseUpload(lease as unknown as Lease, {
      ...{ name: 'a.vmdk', device: device('x'), capacityBytes, signal: never, onBytes: () => undefined },
    }).sink;
  const bytes = await stream(Buffer.alloc(MiB, 1));
  await expect(upload(MiB).write(Buffer.from('# Disk DescriptorFile and more'), 0)).rejects.toMatchObject({
    kind: 'unsupported',
  });
  await expect(upload(2 * MiB).write(bytes, 0)).rejects.toMatchObject({ kind: 'conflict' });
  await expect(upload(MiB).write(bytes, 0)).rejects.toMatchObject({ message: 'sent' });
  await expect(upload(MiB).finish(0)).rejects.toMatchObject({ kind: 'io' });
});

it('a question of the server at the start is told', async () => {
  const question =
    '<id>1</id><text>This virtual machine might have been moved or copied.</text><choice>' +
    '<choiceInfo><key>0</key><label>button.uuid.movedTheVM</label></choiceInfo>' +
    '<choiceInfo><key>1</key><label>button.uuid.copiedTheVM</label></choiceInfo></choice>';
  const { session, parse } = fakeSession(
    { 'runtime.question': question, info: '<state>running</state>', 'runtime.powerState': 'poweredOff' },
    { PowerOnVM_Task: async () => [parse('<r type="Task">task-1</r>')] },
  );
  await expect(startMachine(session, ref('VirtualMachine', 'vm-1'), never)).rejects.toMatchObject({
    kind: 'conflict',
    message: expect.stringContaining('moved or copied'),
    hint: expect.stringContaining('copiedTheVM'),
  });
});

it('tells the hardware that the guest will find, for its drivers', () => {
  const linux = { name: 'Debian GNU/Linux 12', family: 'linux', architecture: 'x86_64' } as const;
  const disks = [
    { id: 'a', name: 'a', bus: 'virtio', controllerModel: 'virtio-blk', files: [] },
    { id: 'b', name: 'b', bus: 'scsi', controllerModel: 'lsilogicsas', controller: 1, unit: 3, files: [] },
    { id: 'c', name: 'c', bus: 'sata', files: [] },
  ] as const;
  const nics = [{ model: 'virtio', mac: '52:54:00:00:00:01' }, { model: 'vmxnet2' }, { model: 'pcnet' }];
  const firmware = { kind: 'uefi' } as const;
  expect(hardwareOf(fitted({ system: linux, disks, nics, firmware }).spec)).toMatchObject({
    disks: [
      { id: 'a', bus: 'scsi', controllerModel: 'lsilogic' },
      { id: 'b', bus: 'scsi', controllerModel: 'lsisas1068', controller: 1, unit: 3 },
      { id: 'c', bus: 'sata' },
    ],
    nics: [{ model: 'e1000', mac: '52:54:00:00:00:01' }, { model: 'vmxnet' }, { model: 'pcnet32' }],
    firmware: { kind: 'uefi' },
  });
});

it('a guest id that the server knows stays what it is', () => {
  const known = ['otherGuest', 'otherGuest64'];
  expect(guestIdFor({ name: 'otherGuest', family: 'other' }, 19, known)).toEqual({
    ...{ id: 'otherGuest', exact: true },
  });
});

/**
 * The .vbox that is written without VBoxManage, against what VirtualBox requires of each element: facts from the
 * settings' schema of VirtualBox 7.1 (VirtualBox-settings.xsd), and from what its reader knows beyond it (marked +).
 * The order of elements is free, but inside StorageController, Network and UART.
 */
import { expect, it } from 'vitest';
import { fitMachine } from '../../../src/env-plugins/virtualbox/fit-machine.ts';
import { writeVbox } from '../../../src/env-plugins/virtualbox/write-vbox.ts';
import { parseXml, type XmlElement } from '../../../src/io/xml.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { diskOf, requestFor, small } from './request.ts';

const uuid = /^\{(?!0{8}-)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}$/;
const yesNo = /^(true|false)$/;
const number = /^\d{1,10}$/;
const some = /^[\s\S]+$/;
const enabled = { 'enabled!': yesNo };

/** Attributes (`!`: required) with what they may be, and names of the elements inside. */
const shape: Readonly<Record<string, readonly [Readonly<Record<string, RegExp>>, ...string[]]>> = {
  VirtualBox: [{ 'xmlns!': /^http:\/\/www\.virtualbox\.org\/$/, 'version!': /^1\.1[6-9]-linux$/ }, 'Machine'],
  Machine: [
    {
      ...{ 'uuid!': uuid, 'name!': some, 'OSType!': /^\w+$/, snapshotFolder: some },
      lastStateChange: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
    },
    ...['MediaRegistry', 'Description', 'Hardware', 'StorageControllers'],
  ],
  MediaRegistry: [{}, 'HardDisks'],
  HardDisks: [{}, 'HardDisk'],
  HardDisk: [{ 'uuid!': uuid, 'location!': some, 'format!': /^(VDI|VMDK|VHD)$/, 'type!': /^Normal$/ }],
  Description: [{}],
  // + TrustedPlatformModule
  Hardware: [
    { uuid },
    ...[
      'CPU',
      'Memory',
      'Firmware',
      'Chipset',
      'TrustedPlatformModule',
      'Display',
      'BIOS',
      'USB',
      'Network',
      'UART',
      'RTC',
    ],
  ],
  CPU: [{ count: /^([1-9]|[1-5]\d|6[0-4])$/ }, 'PAE', 'LongMode'],
  PAE: [enabled],
  LongMode: [enabled],
  Memory: [{ 'RAMSize!': number }],
  Firmware: [{ type: /^EFI$/ }],
  Chipset: [{ 'type!': /^(PIIX3|ICH9)$/ }],
  TrustedPlatformModule: [{ 'type!': /^(v1_2|v2_0)$/, location: /^$/ }],
  Display: [{ controller: /^(VBoxVGA|VMSVGA|VBoxSVGA)$/, VRAMSize: number }],
  BIOS: [{}, 'IOAPIC', 'SmbiosUuidLittleEndian', 'NVRAM'],
  IOAPIC: [enabled],
  SmbiosUuidLittleEndian: [enabled],
  NVRAM: [{ path: some }],
  USB: [{}, 'Controllers'],
  Controllers: [{}, 'Controller'],
  Controller: [{ 'name!': some, 'type!': /^OHCI$/ }],
  // + HostOnlyNetwork
  Network: [{}, 'Adapter'],
  Adapter: [
    {
      ...{ 'slot!': number, enabled: yesNo, MACAddress: /^[0-9A-F][02468ACE][0-9A-F]{10}$/, cable: yesNo },
      type: /^(Am79C973|82540EM|82543GC|82545EM|virtio)$/,
    },
    ...['NAT', 'NATNetwork', 'BridgedInterface', 'InternalNetwork', 'HostOnlyInterface', 'HostOnlyNetwork'],
  ],
  NAT: [{}],
  ...Object.fromEntries(
    ['NATNetwork', 'BridgedInterface', 'InternalNetwork', 'HostOnlyInterface', 'HostOnlyNetwork'].map(
      (name) => [name, [{ name: some }] as const],
    ),
  ),
  UART: [{}, 'Port'],
  Port: [
    {
      ...{ 'slot!': /^[0-3]$/, 'enabled!': yesNo, 'IOBase!': /^0x[0-9a-f]{1,4}$/, 'IRQ!': /^\d{1,2}$/ },
      'hostMode!': /^Disconnected$/,
    },
  ],
  RTC: [{ 'localOrUTC!': /^(local|UTC)$/ }],
  StorageControllers: [{}, 'StorageController'],
  // + Instance
  StorageController: [
    {
      ...{ 'name!': some, 'type!': /^(AHCI|LsiLogic|BusLogic|PIIX4|LsiLogicSas|NVMe|VirtioSCSI|USB)$/ },
      ...{ 'PortCount!': number, Bootable: yesNo, Instance: /^[1-7]$/ },
    },
    'AttachedDevice',
  ],
  AttachedDevice: [{ 'type!': /^(HardDisk|DVD)$/, 'port!': number, 'device!': /^[01]$/ }, 'Image'],
  Image: [{ 'uuid!': uuid }],
};

/** What of an element is not as VirtualBox takes it. */
function* faults(element: XmlElement): Generator<string> {
  const { local: name, attributes } = element;
  const [known, ...inner]: readonly [Readonly<Record<string, RegExp>>, ...string[]] = shape[name] ?? [{}];
  for (const { local, value } of attributes) {
    const pattern = known[local] ?? known[`${local}!`];
    if (pattern?.test(value) !== true) yield `${name}/@${local}="${value}"`;
  }
  for (const key of Object.keys(known).filter((key) => key.endsWith('!'))) {
    if (!attributes.some(({ local }) => `${local}!` === key)) yield `${name} has no ${key}`;
  }
  for (const child of element.children) {
    if (!inner.includes(child.local)) yield `${name}/${child.local}`;
    yield* faults(child);
  }
}

function written(machine: Machine, nvram?: Uint8Array): XmlElement {
  const fitted = fitMachine(requestFor('/vms', machine, nvram === undefined ? {} : { nvram }));
  const files = fitted.placed.disks.map((_, i) => ({
    ...{ name: `d${i}.vmdk`, uuid: `${i}1111111-0000-4000-8000-000000000000`, format: 'VMDK' as const },
  }));
  const text = {
    name: machine.name,
    uuid: '22222222-0000-4000-8000-000000000000',
    fitted,
    files,
    nvram: 'm.nvram',
  };
  return parseXml(Buffer.from(writeVbox(text)), 'm.vbox');
}

const volume = Buffer.alloc(100);
volume.write('_FVH', 40);
const full: Machine = {
  ...{ ...small, name: 'full <"machine">', uuid: '564d3a9f-0102-0304-0506-0708090a0b0c', chipset: 'q35' },
  system: { name: 'Windows 11', family: 'windows', architecture: 'x86_64' },
  firmware: { kind: 'uefi' },
  packaging: 'VirtualBox machine, settings 1.19',
  disks: [
    diskOf('a', { bus: 'sata', controller: 0, unit: 5 }),
    diskOf('b', { bus: 'sata', controller: 1, unit: 0, bootable: true }),
    diskOf('c', { bus: 'scsi', controllerModel: 'buslogic', controller: 0, unit: 15 }),
    diskOf('d', { bus: 'scsi', controllerModel: 'virtio-scsi', controller: 1, unit: 0 }),
    diskOf('e', { bus: 'scsi', controllerModel: 'lsisas1068', controller: 2, unit: 0 }),
    diskOf('f', { bus: 'nvme' }),
    diskOf('g', { bus: 'ide', controller: 0, unit: 0 }),
    diskOf('h', { bus: 'usb', controller: 0, unit: 3 }),
  ],
  nics: ['nat', 'bridged e 0', 'internal i', 'hostonly v', 'hostonlynet h', 'natnetwork n'].map(
    (network, i) => ({
      ...{ network, model: ['e1000', 'pcnet32', 'virtio'][i % 3]!, connected: i > 0 },
      ...(i === 0 ? {} : { mac: `52:54:00:00:00:0${i}` }),
    }),
  ),
  devices: { tpm: { version: '2.0' }, cdroms: [{ bus: 'sata' }], consoles: ['serial'], clock: 'localtime' },
  description: 'one\ntwo',
};

it('every element and attribute is one that VirtualBox takes, and none is missing', () => {
  expect([...faults(written(full, volume))]).toEqual([]);
  expect([...faults(written({ ...small, name: 'plain', disks: [] }))]).toEqual([]);
});

it('of each bus one controller may be started from: that with the disk that the machine starts from', () => {
  const found = (machine: Machine) => {
    const list: string[] = [];
    const walk = (element: XmlElement) => {
      const of = (name: string) => element.attributes.find(({ local }) => local === name)?.value;
      if (element.local === 'StorageController')
        list.push([of('name'), of('Instance') ?? 0, of('PortCount'), of('Bootable')].join(' '));
      element.children.forEach(walk);
    };
    walk(written(machine));
    return list;
  };
  expect(found(full)).toEqual([
    'IDE 0 2 false',
    'SATA 0 6 false',
    'SATA 2 1 1 true',
    'BusLogic 0 16 true',
    'VirtIO 0 1 true',
    'SAS 0 1 true',
    'NVMe 0 1 true',
    'USB 0 8 true',
  ]);
  // Only with the chipset ICH9 there is a second one.
  expect(found({ ...full, chipset: 'i440fx', disks: full.disks.slice(0, 3) })).toEqual([
    'SATA 0 6 true',
    'BusLogic 0 16 true',
  ]);
});

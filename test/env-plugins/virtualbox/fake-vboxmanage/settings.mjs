// A machine's settings as VirtualBox 7.0 writes them: version 1.19, the storage controllers inside the hardware.
const xml = (text) =>
  String(text).replace(
    /[&<>"\n]/g,
    (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\n': '&#10;' })[c],
  );
const attributes = (given) =>
  Object.entries(given)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${xml(value)}"`)
    .join('');
const element = (name, given, ...inner) =>
  inner.length === 0
    ? `<${name}${attributes(given)}/>`
    : `<${name}${attributes(given)}>\n${inner.join('\n').replace(/^/gm, '  ')}\n</${name}>`;

const types = {
  ...{ piix3: 'PIIX3', piix4: 'PIIX4', ich6: 'ICH6', intelahci: 'AHCI', lsilogic: 'LsiLogic' },
  ...{ buslogic: 'BusLogic', lsilogicsas: 'LsiLogicSas', virtio: 'VirtioSCSI', nvme: 'NVMe', usb: 'USB' },
};
const formats = { vdi: 'VDI', vmdk: 'VMDK', vhd: 'VHD' };
const modes = {
  ...{ nat: 'NAT', bridged: 'BridgedInterface', intnet: 'InternalNetwork' },
  ...{ hostonly: 'HostOnlyInterface', natnetwork: 'NATNetwork' },
};

function adapter([n, { mode, type, cable, mac, network }]) {
  return element(
    'Adapter',
    { slot: Number(n) - 1, enabled: true, MACAddress: mac, cable: cable ? undefined : false, type },
    element(modes[mode], { name: network }),
  );
}

function controller({ name, chip, ports, instance, bootable, devices }) {
  const list = devices.map(({ type, port, device, uuid }) =>
    type === 'dvddrive'
      ? element('AttachedDevice', { passthrough: false, type: 'DVD', hotpluggable: false, port, device })
      : element(
          'AttachedDevice',
          { type: 'HardDisk', hotpluggable: false, port, device },
          element('Image', { uuid: `{${uuid}}` }),
        ),
  );
  return element(
    'StorageController',
    {
      ...{
        name,
        type: types[chip.toLowerCase()],
        PortCount: ports,
        useHostIOCache: false,
        Bootable: bootable,
      },
      Instance: instance === 0 ? undefined : instance,
    },
    ...list,
  );
}

function hardDisk({ uuid, location, below }) {
  const format = formats[location.split('.').at(-1)];
  const given = { uuid: `{${uuid}}`, location, format };
  if (below === undefined) return element('HardDisk', { ...given, type: 'Normal' });
  const base = { uuid: `{${below.uuid}}`, location: below.location, format, type: 'Normal' };
  return element('HardDisk', base, element('HardDisk', given));
}

export function writeSettings(machine) {
  const { snapshot } = machine;
  const disks = machine.controllers
    .flatMap(({ devices }) => devices)
    .filter(({ uuid }) => uuid !== undefined)
    .map(hardDisk);
  const body = element(
    'Machine',
    {
      ...{ uuid: `{${machine.uuid}}`, name: machine.name, OSType: machine.type },
      ...{ currentSnapshot: snapshot && `{${snapshot.uuid}}`, snapshotFolder: 'Snapshots' },
    },
    ...(disks.length === 0 ? [] : [element('MediaRegistry', {}, element('HardDisks', {}, ...disks))]),
    ...(machine.description === undefined ? [] : [`<Description>${xml(machine.description)}</Description>`]),
    ...(snapshot === undefined
      ? []
      : [
          element(
            'Snapshot',
            { uuid: `{${snapshot.uuid}}`, name: snapshot.name, timeStamp: '2026-01-01T00:00:00Z' },
            hardware({ ...machine, controllers: snapshot.controllers }),
          ),
        ]),
    hardware(machine),
  );
  return `<?xml version="1.0"?>\n${element('VirtualBox', { xmlns: 'http://www.virtualbox.org/', version: '1.19-linux' }, body)}\n`;
}

function hardware(machine) {
  const tpm = { 1.2: 'v1_2', '2.0': 'v2_0' }[machine['tpm-type']];
  const controllers = { vboxvga: 'VBoxVGA', vmsvga: 'VMSVGA', vboxsvga: 'VBoxSVGA' };
  return element(
    'Hardware',
    { uuid: machine.hardwareuuid && `{${machine.hardwareuuid}}` },
    element(
      'CPU',
      { count: Number(machine.cpus) > 1 ? machine.cpus : undefined },
      element('PAE', { enabled: true }),
      element('LongMode', { enabled: machine.longmode ?? true }),
    ),
    element('Memory', { RAMSize: machine.memory }),
    ...(machine.efi ? [element('Firmware', { type: 'EFI' })] : []),
    element('Chipset', { type: machine.ich9 ? 'ICH9' : 'PIIX3' }),
    ...(tpm === undefined ? [] : [element('TrustedPlatformModule', { type: tpm, location: '' })]),
    element('Display', { controller: controllers[machine.graphicscontroller], VRAMSize: machine.vram }),
    element(
      'BIOS',
      {},
      element('IOAPIC', { enabled: true }),
      element('SmbiosUuidLittleEndian', { enabled: machine['system-uuid-le'] ?? false }),
      ...(machine.efi
        ? [
            element('NVRAM', {
              path: machine.file
                .split('/')
                .at(-1)
                .replace(/\.vbox$/, '.nvram'),
            }),
          ]
        : []),
    ),
    element(
      'Network',
      {},
      ...Object.entries(machine.nics)
        .filter(([, nic]) => nic.mode !== 'none')
        .map(adapter),
    ),
    ...(machine.uart
      ? [
          element(
            'UART',
            {},
            element('Port', {
              ...{
                slot: 0,
                enabled: true,
                IOBase: machine.uart[0],
                IRQ: machine.uart[1],
                hostMode: 'Disconnected',
              },
            }),
          ),
        ]
      : []),
    element('RTC', { localOrUTC: machine.rtcuseutc ? 'UTC' : 'local' }),
    element('StorageControllers', {}, ...machine.controllers.map(controller)),
  );
}

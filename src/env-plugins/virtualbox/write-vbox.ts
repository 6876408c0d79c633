/**
 * The text of a .vbox: settings 1.16 (VirtualBox 5.1), later ones only where the machine has what they brought. Pure.
 * What it does not say VirtualBox sets to its defaults when it writes the file anew.
 */
import { escapeXml } from '../../io/xml.ts';
import type { Controller } from './fit-disks.ts';
import type { FittedMachine } from './fit-machine.ts';
import type { PlacedNic } from './fit-nics.ts';
import { writeGuestType } from './guest-type.ts';

export interface DiskFile {
  readonly name: string;
  readonly uuid: string;
  readonly format: 'VDI' | 'VMDK' | 'VHD';
}

export interface VboxText {
  readonly name: string;
  /** VirtualBox's own for the machine. */
  readonly uuid: string;
  readonly fitted: FittedMachine;
  /** In the order of `fitted.placed.disks`. */
  readonly files: readonly DiskFile[];
  readonly nvram: string;
}

type Attributes = Readonly<Record<string, string | number | boolean>>;

function element(name: string, attributes: Attributes, children: readonly string[] = []): string {
  const given = Object.entries(attributes)
    .map(([key, value]) => ` ${key}="${escapeXml(String(value))}"`)
    .join('');
  if (children.length === 0) return `<${name}${given}/>`;
  const inner = children.map((child) => child.replace(/^/gm, '  ')).join('\n');
  return `<${name}${given}>\n${inner}\n</${name}>`;
}

const braced = (uuid: string): string => `{${uuid}}`;

export function writeVbox(text: VboxText): string {
  const { name, uuid, fitted, files } = text;
  const { machine } = fitted;
  const disks = files.map((file) =>
    element('HardDisk', {
      uuid: braced(file.uuid),
      location: file.name,
      format: file.format,
      type: 'Normal',
    }),
  );
  const body = element(
    'Machine',
    {
      uuid: braced(uuid),
      name,
      OSType: writeGuestType(machine.system),
      snapshotFolder: 'Snapshots',
      lastStateChange: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
    },
    [
      element('MediaRegistry', {}, disks.length === 0 ? [] : [element('HardDisks', {}, disks)]),
      // Line breaks as references, for indenting must not become part of it.
      ...(machine.description === undefined
        ? []
        : [`<Description>${escapeXml(machine.description)}</Description>`]),
      hardware(text),
      element('StorageControllers', {}, controllers(text)),
    ],
  );
  const root = { xmlns: 'http://www.virtualbox.org/', version: `1.${minorFor(text)}-linux` };
  return `<?xml version="1.0"?>\n${element('VirtualBox', root, [body])}\n`;
}

/** The versions that brought a TPM and an NVRAM file (7.0), virtio-scsi (6.1) and VBoxSVGA (6.0). */
function minorFor({ fitted }: VboxText): number {
  if (fitted.tpm || fitted.nvram) return 19;
  if (fitted.placed.controllers.some(({ kind }) => kind.storageBus === 'virtio')) return 18;
  return videoOf(fitted) === 'VBoxSVGA' ? 17 : 16;
}

/** What VirtualBox itself takes for such a guest; a machine of its own keeps what it has. */
export function videoOf({ machine }: FittedMachine): string {
  const { video } = machine.devices ?? {};
  if (video === 'vboxvga') return 'VBoxVGA';
  return video === 'vboxsvga' || machine.system?.family === 'windows' ? 'VBoxSVGA' : 'VMSVGA';
}

function hardware({ fitted, nvram }: VboxText): string {
  const { machine, uefi, tpm, ich9, processors, memoryMiB } = fitted;
  const { devices, uuid } = machine;
  const is64 = machine.system?.architecture !== 'i686';
  return element('Hardware', isUuid(uuid) ? { uuid: braced(uuid) } : {}, [
    element('CPU', { count: processors }, [
      element('PAE', { enabled: true }),
      element('LongMode', { enabled: is64 }),
    ]),
    element('Memory', { RAMSize: memoryMiB }),
    ...(uefi ? [element('Firmware', { type: 'EFI' })] : []),
    element('Chipset', { type: ich9 ? 'ICH9' : 'PIIX3' }),
    ...(tpm ? [element('TrustedPlatformModule', { type: tpmType(fitted), location: '' })] : []),
    element('Display', { controller: videoOf(fitted), VRAMSize: 16 }),
    element('BIOS', {}, [
      element('IOAPIC', { enabled: true }),
      ...(littleEndianUuid(fitted) ? [element('SmbiosUuidLittleEndian', { enabled: true })] : []),
      ...(fitted.nvram ? [element('NVRAM', { path: nvram })] : []),
    ]),
    ...(needsUsb(fitted) ? [usbController] : []),
    element('Network', {}, fitted.nics.map(adapter)),
    ...((devices?.consoles ?? []).includes('serial') ? [element('UART', {}, [serialPort])] : []),
    element('RTC', { localOrUTC: clockOf(fitted) }),
  ]);
}

/** USB disks are devices behind one of these; OHCI is in all versions, also without the Extension Pack. */
const usbController = element('USB', {}, [
  element('Controllers', {}, [element('Controller', { name: 'OHCI', type: 'OHCI' })]),
]);
export const needsUsb = ({ placed }: FittedMachine): boolean =>
  placed.controllers.some(({ kind }) => kind.storageBus === 'usb');

/** Windows takes the firmware's UUID for little-endian; others for big-endian, as its SMBIOS is of version 2.5. */
export const littleEndianUuid = ({ machine }: FittedMachine): boolean => machine.system?.family === 'windows';

export const isUuid = (text: string | undefined): text is string =>
  /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text ?? '');

export const tpmType = ({ machine }: FittedMachine): string =>
  machine.devices?.tpm?.version === '1.2' ? 'v1_2' : 'v2_0';

/** Windows takes the clock for local time, all others for UTC. */
export function clockOf({ machine }: FittedMachine): string {
  const clock = machine.devices?.clock ?? (machine.system?.family === 'windows' ? 'localtime' : 'utc');
  return clock === 'utc' ? 'UTC' : 'local';
}

const attachments: Readonly<Record<PlacedNic['attachedTo'], string>> = {
  nat: 'NAT',
  bridged: 'BridgedInterface',
  internal: 'InternalNetwork',
  hostonly: 'HostOnlyInterface',
  hostonlynet: 'HostOnlyNetwork',
  natnetwork: 'NATNetwork',
};

function adapter(nic: PlacedNic, slot: number): string {
  return element(
    'Adapter',
    {
      ...{ slot, enabled: true },
      ...(nic.mac === undefined ? {} : { MACAddress: nic.mac.replaceAll(':', '').toUpperCase() }),
      ...(nic.connected ? {} : { cable: false }),
      type: nic.type,
    },
    [element(attachments[nic.attachedTo], nic.name === '' ? {} : { name: nic.name })],
  );
}

/** A port that the guest sees, and that leads nowhere. */
const serialPort = element('Port', {
  ...{ slot: 0, enabled: true, IOBase: '0x3f8', IRQ: 4, hostMode: 'Disconnected' },
});

/** On IDE there are two devices on each channel. */
export const portOf = ({ kind }: Controller, slot: number): { port: number; device: number } =>
  kind.bus === 'ide' ? { port: slot >> 1, device: slot & 1 } : { port: slot, device: 0 };

function controllers({ fitted: { placed }, files }: VboxText): string[] {
  const { disks, cdrom } = placed;
  return placed.controllers.map((controller) => {
    const { kind, name, instance, ports, bootable } = controller;
    const attached = disks.flatMap(({ controller: on, slot }, i) =>
      on === controller ? [{ slot, type: 'HardDisk', uuid: files[i]!.uuid }] : [],
    );
    const all = [
      ...attached,
      ...(cdrom?.controller === controller ? [{ slot: cdrom.slot, type: 'DVD', uuid: undefined }] : []),
    ].sort((a, b) => a.slot - b.slot);
    return element(
      'StorageController',
      {
        ...{ name, type: kind.type, PortCount: ports },
        ...(instance === 0 ? {} : { Instance: instance }),
        Bootable: bootable,
      },
      all.map(({ slot, type, uuid }) =>
        element(
          'AttachedDevice',
          { type, ...portOf(controller, slot) },
          uuid === undefined ? [] : [element('Image', { uuid: braced(uuid) })],
        ),
      ),
    );
  });
}

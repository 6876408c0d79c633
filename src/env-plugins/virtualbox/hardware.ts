/** What a machine or a snapshot of it consists of, but its disks and adapters. Pure. */
import { attribute, child, type XmlElement } from '../../io/xml.ts';
import type { Devices, DiskBus, Firmware, GuestSystem, Machine } from '../../model/machine.ts';
import { allAt, at, attributeOf, isYes, uuidOf, wholeNumber } from './settings-file.ts';

/** VirtualBox's words for what it imitates, and everybody's. */
const chipsets: Readonly<Record<string, string>> = { piix3: 'i440fx', ich9: 'q35' };
const videos: Readonly<Record<string, string>> = {
  vmsvga: 'vmvga',
  vboxsvga: 'vboxsvga',
  vboxvga: 'vboxvga',
};

/** From settings 1.20 on (VirtualBox 7.1) some of it is in a Platform beside the hardware. */
const partOf = (holder: XmlElement, name: string): XmlElement | undefined =>
  at(holder, 'Hardware', name) ?? at(holder, 'Platform', name) ?? at(holder, 'Hardware', 'Platform', name);

/** The `Firmware` of older settings is only its type, what belongs to it is in `BIOS`. */
const firmwareParts = (holder: XmlElement): XmlElement[] =>
  ['BIOS', 'Firmware'].flatMap((name) => at(holder, 'Hardware', name) ?? []);

export function processorsOf(holder: XmlElement): NonNullable<Machine['processors']> {
  return { count: Math.max(1, wholeNumber(attributeOf(partOf(holder, 'CPU'), 'count')) ?? 1) };
}

export function memoryOf(holder: XmlElement): number | undefined {
  const mebibytes = wholeNumber(attributeOf(at(holder, 'Hardware', 'Memory'), 'RAMSize'));
  return mebibytes === undefined || mebibytes === 0 ? undefined : mebibytes * 2 ** 20;
}

export function firmwareOf(holder: XmlElement, hasNvram: boolean): Firmware {
  const efi = firmwareParts(holder).some((part) => /^efi/i.test(attribute(part, 'type') ?? ''));
  return efi ? { kind: 'uefi', ...(hasNvram ? { nvram: true } : {}) } : { kind: 'bios' };
}

export const isEfi32 = (holder: XmlElement): boolean =>
  firmwareParts(holder).some((part) => /^efi32$/i.test(attribute(part, 'type') ?? ''));

/** Where it says that its variables are; VirtualBox 7. */
export const nvramPathOf = (holder: XmlElement): string | undefined =>
  firmwareParts(holder)
    .map((part) => attributeOf(child(part, 'NVRAM'), 'path'))
    .find((path) => path !== undefined && path !== '');

export function chipsetOf(holder: XmlElement): string {
  const type = (attributeOf(partOf(holder, 'Chipset'), 'type') ?? 'PIIX3').toLowerCase();
  return chipsets[type] ?? type.slice(0, 64);
}

/**
 * What the guest sees: its own, else that of the machine. VirtualBox's SMBIOS is of version 2.5, which left the order
 * of bytes open: Windows takes the first three fields for little-endian, others for big-endian, and machines made
 * before 6.1 have them big-endian.
 */
export function guestUuid(
  holder: XmlElement,
  machine: XmlElement,
  system: GuestSystem | undefined,
): string | undefined {
  const uuid = uuidOf(attributeOf(child(holder, 'Hardware'), 'uuid')) ?? uuidOf(attribute(machine, 'uuid'));
  const little = firmwareParts(holder).some((part) =>
    isYes(attributeOf(child(part, 'SmbiosUuidLittleEndian'), 'enabled')),
  );
  if (uuid === undefined || little === (system?.family === 'windows')) return uuid;
  const swapped = (field: string) => field.match(/../g)!.reverse().join('');
  const [a, b, c, ...rest] = uuid.split('-');
  return [swapped(a!), swapped(b!), swapped(c!), ...rest].join('-');
}

export function devicesOf(
  holder: XmlElement,
  cdroms: readonly { readonly bus?: DiskBus; readonly media?: string }[],
): Devices {
  const hardware = child(holder, 'Hardware');
  const tpm = tpmOf(hardware);
  const video = (attributeOf(at(hardware, 'Display'), 'controller') ?? 'VBoxVGA').toLowerCase();
  const utc = /^utc$/i.test(attributeOf(partOf(holder, 'RTC'), 'localOrUTC') ?? 'local');
  const serial = [...allAt(hardware, ['UART'], 'Port'), ...allAt(hardware, ['Uart'], 'Port')];
  const bound = boundDevices(hardware);
  return {
    ...(tpm === undefined ? {} : { tpm }),
    clock: utc ? 'utc' : 'localtime',
    ...(isYes(attributeOf(at(hardware, 'RemoteDisplay'), 'enabled')) ? { graphics: 'rdp' } : {}),
    video: videos[video] ?? video.slice(0, 64),
    ...(serial.some((port) => isYes(attribute(port, 'enabled'))) ? { consoles: ['serial'] } : {}),
    ...(cdroms.length === 0 ? {} : { cdroms }),
    ...(bound.length === 0 ? {} : { bound }),
  };
}

function tpmOf(hardware: XmlElement | undefined): Devices['tpm'] {
  const type = (attributeOf(at(hardware, 'TrustedPlatformModule'), 'type') ?? 'none').toLowerCase();
  if (type === 'none') return undefined;
  const version = { v1_2: '1.2', v2_0: '2.0' }[type] as '1.2' | '2.0' | undefined;
  return version === undefined ? { model: type.slice(0, 64) } : { version };
}

const mostBound = 64;

function boundDevices(hardware: XmlElement | undefined): string[] {
  const pci = allAt(hardware, ['HostPci', 'Devices'], 'Device').map(
    (device) => `PCI ${attribute(device, 'name') ?? attribute(device, 'host') ?? ''}`,
  );
  const filters = [
    ...allAt(hardware, ['USB', 'DeviceFilters'], 'DeviceFilter'),
    ...allAt(hardware, ['USBController'], 'DeviceFilter'),
  ].filter((filter) => isYes(attribute(filter, 'active')));
  const usb = filters.map((filter) => {
    const ids = [attribute(filter, 'vendorId'), attribute(filter, 'productId')].filter(Boolean).join(':');
    return `USB ${ids || (attribute(filter, 'name') ?? '')}`;
  });
  return [...pci, ...usb].slice(0, mostBound).map((line) => line.slice(0, 200).trim());
}

/** One VirtualSystem of a descriptor as a neutral machine. */

import { attribute, child, childrenOf, textOf, type XmlElement } from '../../io/xml.ts';
import type { Finding } from '../../model/finding.ts';
import type { Firmware, GuestSystem, Nic } from '../../model/machine.ts';
import { readGuestSystem } from './guest-system.ts';
import { type Hardware, macAddress, readHardware, type Storage } from './hardware.ts';
import type { OvfMachine } from './package.ts';
import { noteSection, sectionKind } from './sections.ts';

export function readMachine(
  system: XmlElement,
  index: number,
  storage: Storage,
  configuration: string | undefined,
): OvfMachine {
  const findings: Finding[] = [];
  let guest: GuestSystem | undefined;
  let hardware: Hardware = { disks: [], nics: [], findings: [] };
  let hardwareSection: XmlElement | undefined;
  let description = textOf(system, 'Description'); // oVirt's place for it
  for (const section of system.children) {
    const kind = sectionKind(section);
    if (kind === 'OperatingSystemSection') guest ??= readGuestSystem(section);
    else if (kind === 'AnnotationSection') description = textOf(section, 'Annotation') ?? description;
    else if (kind === 'VirtualHardwareSection') {
      if (hardwareSection !== undefined) continue; // alternatives come in order of preference
      hardwareSection = section;
      hardware = readHardware(section, storage, configuration);
      noteRequiredConfig(section, findings);
    } else noteSection(section, kind, findings);
  }
  const settings = system.children.find((c) => c.local === 'Machine' && c.uri.includes('virtualbox'));
  const identifier =
    hardwareSection === undefined
      ? undefined
      : textOf(child(hardwareSection, 'System') ?? system, 'VirtualSystemIdentifier');
  const id = attribute(system, 'id') ?? `machine-${index + 1}`;
  const firmware = firmwareOf(system, hardwareSection, settings);
  return {
    id,
    name: textOf(system, 'Name') ?? identifier ?? id,
    ...(guest === undefined ? {} : { system: guest }),
    ...(hardware.processors === undefined ? {} : { processors: hardware.processors }),
    ...(hardware.memoryBytes === undefined ? {} : { memoryBytes: hardware.memoryBytes }),
    ...(firmware === undefined ? {} : { firmware }),
    // The first disk is the one that is booted.
    disks: hardware.disks.map((disk, i) => (i === 0 ? { ...disk, bootable: true } : disk)),
    nics: settings === undefined ? hardware.nics : withVirtualBoxMacs(hardware.nics, settings),
    ...(description === undefined ? {} : { description }),
    findings: [...findings, ...hardware.findings],
  };
}

/** VMware's own settings (vmw:Config, vmw:ExtraConfig) carry ovf:required. */
function noteRequiredConfig(section: XmlElement, findings: Finding[]): void {
  for (const element of section.children) {
    if (element.local !== 'Config' && element.local !== 'ExtraConfig') continue;
    const key = attribute(element, 'key') ?? '';
    if (attribute(element, 'required') !== 'true' || /^(?:firmware|uefi\.|bootOptions\.efi)/.test(key))
      continue;
    findings.push({
      rule: 'ovf.required-not-understood',
      severity: 'warning',
      message: `the setting "${key}" is required by the machine and is left out`,
      evidence: `${key} = ${attribute(element, 'value') ?? ''}`,
    });
  }
}

function firmwareOf(
  system: XmlElement,
  hardware: XmlElement | undefined,
  virtualBox: XmlElement | undefined,
): Firmware | undefined {
  const config = new Map<string, string>();
  for (const element of hardware?.children ?? []) {
    if (element.local !== 'Config' && element.local !== 'ExtraConfig') continue;
    config.set(attribute(element, 'key') ?? '', (attribute(element, 'value') ?? '').toLowerCase());
  }
  if (config.get('firmware') === 'efi') {
    const secure = config.get('uefi.secureBoot.enabled') ?? config.get('bootOptions.efiSecureBootEnabled');
    return secure === undefined ? { kind: 'uefi' } : { kind: 'uefi', secureBoot: secure === 'true' };
  }
  if (virtualBox !== undefined) {
    const type = child(child(virtualBox, 'Hardware') ?? virtualBox, 'Firmware');
    return { kind: type !== undefined && /^EFI/i.test(attribute(type, 'type') ?? '') ? 'uefi' : 'bios' };
  }
  // oVirt's BiosType: 1 and 2 are SeaBIOS, 3 OVMF, 4 OVMF with secure boot; 0 is "as the cluster says".
  const biosType = Number(textOf(system, 'BiosType') ?? 0);
  if (biosType === 1 || biosType === 2) return { kind: 'bios' };
  if (biosType === 3 || biosType === 4) return { kind: 'uefi', secureBoot: biosType === 4 };
  const xen = xenFirmware(system, hardware);
  if (xen !== undefined) return xen;
  const family =
    hardware === undefined ? undefined : textOf(child(hardware, 'System') ?? system, 'VirtualSystemType');
  return config.get('firmware') === 'bios' || /^vmx-|^virtualbox/.test(family ?? '')
    ? { kind: 'bios' }
    : undefined;
}

/** XenServer keeps the boot parameters of an HVM guest as a text: `order=cdn;firmware=uefi;`. */
function xenFirmware(system: XmlElement, hardware: XmlElement | undefined): Firmware | undefined {
  const data = [system, ...(hardware === undefined ? [] : [hardware])].flatMap((e) =>
    childrenOf(e, 'VirtualSystemOtherConfigurationData'),
  );
  const value = (name: string) =>
    data.filter((e) => attribute(e, 'Name') === name).map((e) => textOf(e, 'Value') ?? e.text.trim())[0];
  const boot = value('HVM_boot_params');
  if (boot === undefined) return undefined;
  if (!/firmware\s*=\s*uefi/i.test(boot)) return { kind: 'bios' };
  return { kind: 'uefi', secureBoot: /secureboot\s*=\s*true/i.test(value('platform') ?? '') };
}

/** VirtualBox leaves the addresses out of the items; they are in its own settings, by slot. */
function withVirtualBoxMacs(nics: readonly Nic[], settings: XmlElement): Nic[] {
  const network = child(child(settings, 'Hardware') ?? settings, 'Network');
  const enabled = (network === undefined ? [] : childrenOf(network, 'Adapter'))
    .filter((a) => attribute(a, 'enabled') === 'true')
    .sort((a, b) => Number(attribute(a, 'slot') ?? 0) - Number(attribute(b, 'slot') ?? 0));
  if (enabled.length !== nics.length) return [...nics];
  return nics.map((nic, i) => {
    const mac = nic.mac ?? macAddress(attribute(enabled[i]!, 'MACAddress'));
    return mac === undefined ? nic : { ...nic, mac };
  });
}

/**
 * A domain's XML (libvirt.org/formatdomain.html) as the neutral machine: pure. What a live XML tells besides, where
 * each disk's bytes are and what runs at the moment, stands beside the machine.
 */
import { attribute, child, childrenOf, parseXml, textOf, type XmlElement } from '../../io/xml.ts';
import { AppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { Firmware, Machine } from '../../model/machine.ts';
import { readBoundDevices, readDevices, readNics } from './domain-xml-devices.ts';
import { type DomainDisk, readDisks } from './domain-xml-disks.ts';
import { readSystem } from './domain-xml-system.ts';

export interface Domain {
  /** Its state is that of the XML: running or off; libvirt itself knows more. */
  readonly machine: Machine;
  readonly disks: readonly DomainDisk[];
  /** Targets of CD-ROM and floppy drives. */
  readonly otherDrives: readonly string[];
  /** It runs, so the XML says what is, not what will be at the next start. */
  readonly live: boolean;
  readonly nvram?: Nvram;
  /** QEMU's guest agent answers. */
  readonly agent: boolean;
}

export interface Nvram {
  readonly path: string;
  /** `raw` or `qcow2`. */
  readonly format: string;
}

/** @throws AppError `corrupt`, `unsupported`. */
export function readDomain(bytes: Uint8Array, where: string): Domain {
  const root = parseXml(bytes, where);
  const name = textOf(root, 'name');
  const uuid = textOf(root, 'uuid')?.toLowerCase();
  if (root.local !== 'domain' || name === undefined || uuid === undefined || !isUuid(uuid)) {
    throw new AppError('corrupt', 'this is not the XML of a libvirt domain with a name and a UUID', {
      where,
    });
  }
  const devices = child(root, 'devices') ?? nothing;
  const os = child(root, 'os') ?? nothing;
  const disks = readDisks(devices, os);
  const bound = readBoundDevices(root, devices);
  const nvram = readNvram(os);
  const firmware = readFirmware(root, os, nvram);
  const system = readSystem(root, os);
  const processors = readProcessors(root);
  const memory = child(root, 'memory');
  const memoryBytes = memory === undefined ? undefined : sizeInBytes(memory);
  const chipset = chipsetOf(attribute(child(os, 'type') ?? nothing, 'machine'));
  const description = textOf(root, 'description') ?? textOf(root, 'title');
  const live = attribute(root, 'id') !== undefined;
  return {
    machine: {
      id: uuid,
      name,
      state: live ? 'running' : 'off',
      ...(system === undefined ? {} : { system }),
      ...(processors === undefined ? {} : { processors }),
      ...(memoryBytes === undefined ? {} : { memoryBytes }),
      ...(firmware === undefined ? {} : { firmware }),
      disks: disks.disks.map((one) => one.disk),
      nics: readNics(devices, os),
      devices: {
        ...readDevices(root, devices),
        ...(disks.cdroms.length === 0 ? {} : { cdroms: disks.cdroms }),
        ...(bound.length === 0 ? {} : { bound }),
      },
      ...(chipset === undefined ? {} : { chipset }),
      uuid,
      packaging: 'libvirt domain',
      ...(description === undefined ? {} : { description }),
      findings: [...machineFindings(root, os, devices), ...bound.map(boundFinding), ...disks.findings],
    },
    disks: disks.disks,
    otherDrives: disks.otherDrives,
    live,
    ...(nvram === undefined ? {} : { nvram }),
    agent: childrenOf(devices, 'channel').some(({ children }) =>
      children.some(
        (c) => attribute(c, 'name') === 'org.qemu.guest_agent.0' && attribute(c, 'state') === 'connected',
      ),
    ),
  };
}

export const isUuid = (text: string): boolean =>
  /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text);

const nothing: XmlElement = { uri: '', local: '', attributes: [], children: [], text: '' };

const units: Record<string, number> = {
  b: 1,
  bytes: 1,
  KB: 1e3,
  k: 2 ** 10,
  KiB: 2 ** 10,
  MB: 1e6,
  M: 2 ** 20,
  MiB: 2 ** 20,
  GB: 1e9,
  G: 2 ** 30,
  GiB: 2 ** 30,
  TB: 1e12,
  T: 2 ** 40,
  TiB: 2 ** 40,
};

/** A size with its unit, KiB where none is said; undefined for what is no size. */
function sizeInBytes(element: XmlElement): number | undefined {
  const factor = units[attribute(element, 'unit') ?? 'KiB'];
  const text = element.text.trim();
  const bytes = /^\d{1,16}$/.test(text) && factor !== undefined ? Number(text) * factor : 0;
  return bytes > 0 && Number.isSafeInteger(bytes) ? bytes : undefined;
}

const whole = (text: string | undefined): number | undefined =>
  text !== undefined && /^[1-9]\d{0,4}$/.test(text.trim()) ? Number(text) : undefined;

function readProcessors(root: XmlElement): Machine['processors'] {
  const vcpu = child(root, 'vcpu');
  const count = whole(vcpu === undefined ? '1' : (attribute(vcpu, 'current') ?? vcpu.text));
  if (count === undefined) return undefined;
  const cpu = child(root, 'cpu') ?? nothing;
  const topology = child(cpu, 'topology') ?? nothing;
  const cores = whole(attribute(topology, 'cores'));
  const dies = whole(attribute(topology, 'dies')) ?? 1;
  const threads = whole(attribute(topology, 'threads'));
  const mode = attribute(cpu, 'mode') ?? 'custom';
  const model = mode === 'custom' ? textOf(cpu, 'model') : mode;
  return {
    count,
    ...(cores === undefined ? {} : { coresPerSocket: cores * dies }),
    ...(threads === undefined ? {} : { threadsPerCore: threads }),
    ...(model === undefined ? {} : { model }),
  };
}

/** `pc-q35-7.2` → `q35`, `pc` and `pc-i440fx-rhel7.6.0` → `i440fx`, `pseries-7.2` → `pseries`. */
function chipsetOf(machine: string | undefined): string | undefined {
  if (machine === undefined) return undefined;
  if (/(^|-)q35(-|$)/.test(machine)) return 'q35';
  if (machine === 'pc' || /^pc-(i440fx|\d)/.test(machine)) return 'i440fx';
  return machine.replace(/-(rhel)?\d[\w.]*$/, '');
}

/** Builds of EDK II by what distributions call their files: a domain may name one without `firmware='efi'`. */
const uefiFile = /ovmf|edk2|aavmf|qemu_efi|\bu?efi\b/i;

function readFirmware(root: XmlElement, os: XmlElement, nvram: Nvram | undefined): Firmware | undefined {
  const loader = child(os, 'loader');
  const said = attribute(os, 'firmware');
  const isUefi =
    said === 'efi' ||
    (said === undefined &&
      loader !== undefined &&
      (attribute(loader, 'type') === 'pflash' || uefiFile.test(loader.text)));
  if (!isUefi) {
    // Only full virtualization of a PC has a BIOS when nothing else is said.
    const type = child(os, 'type') ?? nothing;
    const isPc = /^(x86_64|i686)?$/.test(attribute(type, 'arch') ?? '') && type.text.trim() === 'hvm';
    return isPc || said === 'bios' ? { kind: 'bios' } : undefined;
  }
  const features = childrenOf(child(os, 'firmware') ?? nothing, 'feature');
  const feature = (name: string) => {
    const found = features.find((f) => attribute(f, 'name') === name);
    return found === undefined ? undefined : attribute(found, 'enabled') === 'yes';
  };
  const able = feature('secure-boot') ?? attribute(loader ?? nothing, 'secure') === 'yes';
  return {
    kind: 'uefi',
    // Without keys in it nothing is enforced.
    secureBoot: able && feature('enrolled-keys') !== false && !isOff(root, 'smm'),
    nvram: nvram !== undefined,
  };
}

const isOff = (root: XmlElement, feature: string): boolean =>
  attribute(child(child(root, 'features') ?? nothing, feature) ?? nothing, 'state') === 'off';

/** As text, or since 8.5 as `<nvram type='file'><source file=…/></nvram>`. */
function readNvram(os: XmlElement): Nvram | undefined {
  const nvram = child(os, 'nvram');
  if (nvram === undefined) return undefined;
  const source = child(nvram, 'source') ?? nothing;
  const path = attribute(source, 'file') ?? attribute(source, 'dev') ?? nvram.text.trim();
  if (!path.startsWith('/')) return undefined;
  return { path, format: attribute(nvram, 'format') ?? 'raw' };
}

const boundFinding = (what: string): Finding => ({
  rule: 'libvirt.bound-to-host',
  severity: 'warning',
  message: 'a device of the host or a share with it stays behind',
  evidence: what,
  remedy: 'give the machine a device of the destination, or do without it',
});

function machineFindings(root: XmlElement, os: XmlElement, devices: XmlElement): Finding[] {
  const findings: Finding[] = [];
  const note = (rule: string, severity: Finding['severity'], message: string, evidence?: string) =>
    findings.push({
      rule: `libvirt.${rule}`,
      severity,
      message,
      ...(evidence === undefined ? {} : { evidence }),
    });
  const kernel = textOf(os, 'kernel');
  if (kernel !== undefined)
    note(
      'direct-kernel',
      'warning',
      'it starts a kernel that lies on the host, not on its disks: that kernel stays behind',
      [kernel, textOf(os, 'initrd'), textOf(os, 'cmdline')].filter((t) => t !== undefined).join(' '),
    );
  const vcpu = child(root, 'vcpu') ?? nothing;
  const now = attribute(vcpu, 'current');
  if (now !== undefined && now !== vcpu.text.trim())
    note(
      'processors-offline',
      'note',
      `${now} of at most ${vcpu.text.trim()} processors are on: ${now} are taken`,
    );
  const most = child(root, 'memory');
  const current = child(root, 'currentMemory');
  if (most !== undefined && current !== undefined && sizeInBytes(most) !== sizeInBytes(current))
    note(
      'memory-balloon',
      'note',
      'it has less memory at the moment than it may have: the larger size is taken',
    );
  for (const tpm of childrenOf(devices, 'tpm')) {
    if (attribute(child(tpm, 'backend') ?? nothing, 'type') !== 'emulator') continue;
    note(
      'tpm-state',
      'warning',
      'what its TPM keeps (keys of BitLocker, LUKS) stays behind: have the recovery keys at hand',
    );
  }
  for (const nic of childrenOf(devices, 'interface')) {
    const tags = childrenOf(child(nic, 'vlan') ?? nothing, 'tag').map((tag) => attribute(tag, 'id') ?? '?');
    if (tags.length > 0)
      note(
        'vlan',
        'note',
        `a NIC is in VLAN ${tags.join(', ')}: the network that it is given must be`,
        attribute(child(nic, 'mac') ?? nothing, 'address'),
      );
  }
  return findings;
}

/** What a libvirt says that a machine can have there. Format: libvirt, "Domain capabilities XML format". */

import { attribute, child, childrenOf, parseXml, textOf, type XmlElement } from '../../io/xml.ts';
import { AppError } from '../../model/errors.ts';
import type { Libvirt } from './connect.ts';

export interface DomainCapabilities {
  readonly emulator: string;
  /** `kvm`, or `qemu` (emulated). */
  readonly domainType: string;
  readonly architecture: string;
  /** The full name: `pc-q35-7.2`. */
  readonly machine: string;
  readonly mostProcessors: number;
  readonly uefi: boolean;
  readonly secureBoot: boolean;
  /** CPU modes that can be had: `host-model`, `maximum` … */
  readonly cpuModes: readonly string[];
  readonly diskBuses: readonly string[];
  readonly videos: readonly string[];
  readonly graphics: readonly string[];
  readonly rng: boolean;
  readonly tpmModels: readonly string[];
  /** A TPM made by swtpm. */
  readonly tpmEmulator: boolean;
}

export interface CapabilitiesQuery {
  readonly domainType?: 'kvm' | 'qemu' | undefined;
  readonly architecture?: string | undefined;
  /** `q35`, `pc` … absent: the host's own default. */
  readonly machine?: string | undefined;
}

/** Undefined where the host has nothing of this kind. @throws AppError as `virsh`. */
export async function domainCapabilities(
  { virsh }: Pick<Libvirt, 'virsh'>,
  { domainType, architecture, machine }: CapabilitiesQuery,
  signal?: AbortSignal,
): Promise<DomainCapabilities | undefined> {
  const args = [
    'domcapabilities',
    ...(domainType === undefined ? [] : [`--virttype=${domainType}`]),
    ...(architecture === undefined ? [] : [`--arch=${architecture}`]),
    ...(machine === undefined ? [] : [`--machine=${machine}`]),
  ];
  const xml = await virsh(args, { signal }).catch((error) => {
    // "KVM is not supported by …", "unable to find any emulator to serve …", "the machine '…' is not supported".
    if (!(error instanceof AppError) || ['cancelled', 'unreachable', 'auth'].includes(error.kind))
      throw error;
    return undefined;
  });
  return xml === undefined ? undefined : parseDomainCapabilities(xml);
}

/** @throws AppError `corrupt`. */
export function parseDomainCapabilities(xml: string): DomainCapabilities {
  const root = parseXml(Buffer.from(xml), 'domcapabilities');
  const os = child(root, 'os');
  const loader = os && child(os, 'loader');
  const devices = child(root, 'devices');
  const device = (name: string): XmlElement | undefined => {
    const found = devices && child(devices, name);
    return found !== undefined && attribute(found, 'supported') === 'yes' ? found : undefined;
  };
  const cpu = child(root, 'cpu');
  const modes = cpu === undefined ? [] : childrenOf(cpu, 'mode');
  const tpm = device('tpm');
  const vcpu = child(root, 'vcpu');
  return {
    emulator: textOf(root, 'path') ?? '',
    domainType: textOf(root, 'domain') ?? 'qemu',
    architecture: textOf(root, 'arch') ?? '',
    machine: textOf(root, 'machine') ?? '',
    mostProcessors: Number((vcpu && attribute(vcpu, 'max')) ?? Number.NaN) || Number.MAX_SAFE_INTEGER,
    uefi: valuesOf(os, 'firmware').includes('efi'),
    secureBoot: valuesOf(loader, 'secure').includes('yes'),
    cpuModes: modes
      .filter((mode) => attribute(mode, 'supported') === 'yes')
      .map((mode) => attribute(mode, 'name') ?? ''),
    diskBuses: valuesOf(device('disk'), 'bus'),
    videos: valuesOf(device('video'), 'modelType'),
    graphics: valuesOf(device('graphics'), 'type'),
    rng: device('rng') !== undefined,
    tpmModels: valuesOf(tpm, 'model'),
    tpmEmulator: valuesOf(tpm, 'backendModel').includes('emulator'),
  };
}

function valuesOf(parent: XmlElement | undefined, name: string): string[] {
  if (parent === undefined) return [];
  const found = childrenOf(parent, 'enum').find((e) => attribute(e, 'name') === name);
  return found === undefined ? [] : childrenOf(found, 'value').map((value) => value.text.trim());
}

/** NICs and the other devices of a domain, and what binds it to its host. */
import { attribute, child, childrenOf, type XmlElement } from '../../io/xml.ts';
import type { Devices, Nic } from '../../model/machine.ts';

const attributeOf = (element: XmlElement, local: string, name: string): string | undefined => {
  const found = child(element, local);
  return found === undefined ? undefined : attribute(found, name);
};

/** From 1 on, as `<boot order=…/>` of a device says. */
export function bootOrderOf(device: XmlElement): number | undefined {
  const text = attributeOf(device, 'boot', 'order') ?? '';
  return /^[1-9]\d{0,3}$/.test(text) ? Number(text) : undefined;
}

/** The place of a class of devices (`hd`, `network`) in `<os><boot dev=…/>`, from 1 on. */
export function classOrder(os: XmlElement, device: string): number | undefined {
  const at = childrenOf(os, 'boot').findIndex((boot) => attribute(boot, 'dev') === device);
  return at < 0 ? undefined : at + 1;
}

export function readNics(devices: XmlElement, os: XmlElement): Nic[] {
  const fromClass = classOrder(os, 'network');
  return childrenOf(devices, 'interface').map((nic, index) => {
    const mac = attributeOf(nic, 'mac', 'address')?.toLowerCase();
    const network = networkOf(nic);
    const model = attributeOf(nic, 'model', 'type');
    const bootOrder = bootOrderOf(nic) ?? (index === 0 ? fromClass : undefined);
    return {
      ...(mac === undefined || !/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac) ? {} : { mac }),
      ...(network === undefined ? {} : { network }),
      ...(model === undefined ? {} : { model }),
      connected: attributeOf(nic, 'link', 'state') !== 'down',
      ...(bootOrder === undefined ? {} : { bootOrder }),
    };
  });
}

/** By what name users know it: the virtual network, the bridge, or the host's own interface. */
function networkOf(nic: XmlElement): string | undefined {
  const source = child(nic, 'source');
  if (source === undefined) return undefined;
  const type = attribute(nic, 'type');
  if (type === 'network') return attribute(source, 'network');
  if (type === 'bridge') return attribute(source, 'bridge');
  return attribute(source, 'dev') ?? attribute(source, 'bridge') ?? attribute(source, 'network');
}

export function readDevices(root: XmlElement, devices: XmlElement): Devices {
  const tpm = childrenOf(devices, 'tpm')[0];
  const offset = attributeOf(root, 'clock', 'offset');
  const clock = attributeOf(root, 'clock', 'basis') ?? offset;
  const graphics = childrenOf(devices, 'graphics').map((g) => attribute(g, 'type'))[0];
  const video = childrenOf(devices, 'video').map((v) => attributeOf(v, 'model', 'type'))[0];
  const consoles = consolesOf(devices);
  const agents = childrenOf(devices, 'channel').flatMap(agentOf);
  return {
    ...(tpm === undefined ? {} : { tpm: tpmOf(tpm) }),
    ...(clock === 'utc' || clock === 'localtime' ? { clock } : {}),
    ...(graphics === undefined ? {} : { graphics }),
    ...(video === undefined || video === 'none' ? {} : { video }),
    ...(consoles.length === 0 ? {} : { consoles }),
    ...(agents.length === 0 ? {} : { agents: [...new Set(agents)] }),
  };
}

function tpmOf(tpm: XmlElement): NonNullable<Devices['tpm']> {
  const version = attributeOf(tpm, 'backend', 'version');
  const model = attribute(tpm, 'model');
  return {
    ...(version === '1.2' || version === '2.0' ? { version } : {}),
    ...(model === undefined ? {} : { model }),
  };
}

/** The first serial port is listed again as a console. */
function consolesOf(devices: XmlElement): ('serial' | 'virtio')[] {
  const serial = childrenOf(devices, 'serial').map((): 'serial' => 'serial');
  const virtio = childrenOf(devices, 'console').flatMap((c): 'virtio'[] =>
    attributeOf(c, 'target', 'type') === 'virtio' ? ['virtio'] : [],
  );
  return [...serial, ...virtio];
}

const agentNames: Record<string, string> = {
  'org.qemu.guest_agent.0': 'qemu',
  'com.redhat.spice.0': 'spice',
  'org.libguestfs.channel.0': 'libguestfs',
};

function agentOf(channel: XmlElement): string[] {
  const name = attributeOf(channel, 'target', 'name');
  return name === undefined ? [] : [agentNames[name] ?? name];
}

/** A line for each thing that exists on this host only. */
export function readBoundDevices(root: XmlElement, devices: XmlElement): string[] {
  const bound: string[] = [];
  for (const device of devices.children) {
    const line = boundLine(device);
    if (line !== undefined) bound.push(line);
  }
  if (child(root, 'launchSecurity') !== undefined)
    bound.push(
      `memory encrypted by the host's processor (${attributeOf(root, 'launchSecurity', 'type') ?? '?'})`,
    );
  const backing = child(root, 'memoryBacking');
  if (backing !== undefined && attributeOf(backing, 'access', 'mode') === 'shared')
    bound.push('memory shared with the host');
  return bound;
}

function boundLine(device: XmlElement): string | undefined {
  const type = attribute(device, 'type') ?? '?';
  switch (device.local) {
    case 'hostdev':
      return hostDevice(device, type);
    case 'filesystem': {
      const how = attributeOf(device, 'driver', 'type') === 'virtiofs' ? 'virtiofs' : '9p';
      const source = child(device, 'source');
      const folder = source && (attribute(source, 'dir') ?? attribute(source, 'socket'));
      return `shared folder ${folder ?? '?'} (${how})`;
    }
    case 'shmem':
      return `shared memory ${attribute(device, 'name') ?? '?'}`;
    case 'interface':
      return ['hostdev', 'vdpa', 'vhostuser'].includes(type)
        ? `network device of the host (${type})`
        : undefined;
    case 'tpm':
      return attributeOf(device, 'backend', 'type') === 'passthrough' ? 'TPM of the host' : undefined;
    case 'memory':
      return attribute(device, 'model')?.includes('pmem') || attribute(device, 'model') === 'nvdimm'
        ? `persistent memory (${attribute(device, 'model')})`
        : undefined;
    case 'smartcard':
      return attribute(device, 'mode') === 'host' ? 'smartcard reader of the host' : undefined;
    case 'vsock':
      return 'vsock to the host';
    default:
      return undefined;
  }
}

/** `PCI 0000:03:00.0`, `USB 1d6b:0002`, `SCSI scsi_host0 …`, `mediated device …`. */
function hostDevice(device: XmlElement, type: string): string {
  const source = child(device, 'source');
  const address = source && child(source, 'address');
  const hex = (name: string, digits: number) =>
    (address === undefined ? '' : (attribute(address, name) ?? '0'))
      .replace(/^0x/i, '')
      .padStart(digits, '0');
  switch (type) {
    case 'pci':
      return `PCI ${hex('domain', 4)}:${hex('bus', 2)}:${hex('slot', 2)}.${hex('function', 1)}`;
    case 'usb': {
      const id = (local: string) =>
        source === undefined ? undefined : attributeOf(source, local, 'id')?.replace(/^0x/i, '');
      if (id('vendor') !== undefined) return `USB ${id('vendor')}:${id('product') ?? '?'}`;
      return `USB bus ${address && attribute(address, 'bus')} device ${address && attribute(address, 'device')}`;
    }
    case 'mdev':
      return `mediated device ${(address && attribute(address, 'uuid')) ?? '?'}`;
    case 'scsi':
      return `SCSI ${(source && attributeOf(source, 'adapter', 'name')) ?? '?'}`;
    default:
      return `${type} device of the host`;
  }
}

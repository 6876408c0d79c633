/** The network adapters of a machine. Pure. */
import { attribute, child, type XmlElement } from '../../io/xml.ts';
import type { Nic } from '../../model/machine.ts';
import { allAt, isNo, isYes, wholeNumber } from './settings-file.ts';

/** 8 with PIIX3, 36 with ICH9. */
const mostNics = 36;

const models: Readonly<Record<string, string>> = {
  am79c970a: 'pcnet32',
  am79c973: 'pcnet32',
  am79c960: 'pcnet32',
  '82540em': 'e1000',
  '82543gc': 'e1000',
  '82545em': 'e1000',
  virtio: 'virtio',
  ne2000: 'ne2k_pci',
  ne1000: 'ne2k_isa',
};

/** Elements inside an adapter, and how the network that they name begins in our words. */
const modes: readonly (readonly [element: string, word: string])[] = [
  ['NAT', 'nat'],
  ['BridgedInterface', 'bridged'],
  ['HostInterface', 'bridged'],
  ['InternalNetwork', 'internal'],
  ['HostOnlyInterface', 'hostonly'],
  ['HostOnlyNetwork', 'hostonlynet'],
  ['NATNetwork', 'natnetwork'],
];

export function readNics(hardware: XmlElement | undefined): Nic[] {
  return allAt(hardware, ['Network'], 'Adapter')
    .filter((adapter) => isYes(attribute(adapter, 'enabled')))
    .slice(0, mostNics)
    .sort((a, b) => slotOf(a) - slotOf(b))
    .map(nicOf);
}

const slotOf = (adapter: XmlElement): number => wholeNumber(attribute(adapter, 'slot')) ?? 0;

function nicOf(adapter: XmlElement): Nic {
  const mac = macOf(attribute(adapter, 'MACAddress'));
  const type = (attribute(adapter, 'type') ?? 'Am79C973').toLowerCase();
  const network = networkOf(adapter);
  return {
    ...(mac === undefined ? {} : { mac }),
    ...(network === undefined ? {} : { network }),
    model: models[type] ?? type.slice(0, 64),
    connected: network !== undefined && !isNo(attribute(adapter, 'cable')),
  };
}

/** `080027A1B2C3`. */
function macOf(text: string | undefined): string | undefined {
  if (!/^[0-9a-f]{12}$/i.test(text ?? '')) return undefined;
  return text!.toLowerCase().match(/../g)!.join(':');
}

/** `nat`, `bridged eth0`, `internal intnet`; undefined where it is attached to nothing. */
function networkOf(adapter: XmlElement): string | undefined {
  for (const [element, word] of modes) {
    const found = child(adapter, element);
    if (found === undefined) continue;
    const name = word === 'nat' ? '' : (attribute(found, 'name') ?? '');
    return name === '' ? word : `${word} ${name.slice(0, 256)}`;
  }
  const driver = child(adapter, 'GenericInterface');
  return driver === undefined ? undefined : `generic ${(attribute(driver, 'driver') ?? '').slice(0, 256)}`;
}

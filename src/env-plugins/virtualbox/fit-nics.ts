/** Which adapter each NIC gets, its address, and how it is attached. Pure. */
import type { Finding } from '../../model/finding.ts';
import type { Nic } from '../../model/machine.ts';

export type AttachedTo = 'nat' | 'bridged' | 'internal' | 'hostonly' | 'hostonlynet' | 'natnetwork';

export interface PlacedNic {
  /** As the settings name it. */
  readonly type: string;
  /** As the guest's drivers know it. */
  readonly model: string;
  readonly mac?: string;
  readonly attachedTo: AttachedTo;
  readonly name: string;
  readonly connected: boolean;
}

export interface FitNicsOptions {
  readonly most: number;
  /** For a NIC that names no network of VirtualBox. */
  readonly network: string;
}

const nat: Pick<PlacedNic, 'attachedTo' | 'name'> = { attachedTo: 'nat', name: '' };

const cards: Readonly<Record<string, readonly [type: string, model: string]>> = {
  e1000: ['82540EM', 'e1000'],
  '82540em': ['82540EM', 'e1000'],
  '82545em': ['82545EM', 'e1000'],
  '82543gc': ['82543GC', 'e1000'],
  pcnet: ['Am79C973', 'pcnet32'],
  pcnet32: ['Am79C973', 'pcnet32'],
  vlance: ['Am79C973', 'pcnet32'],
  virtio: ['virtio', 'virtio'],
  'virtio-net': ['virtio', 'virtio'],
  'virtio-net-pci': ['virtio', 'virtio'],
};

export function fitNics(
  nics: readonly Nic[],
  options: FitNicsOptions,
): { nics: PlacedNic[]; findings: Finding[] } {
  const findings: Finding[] = [];
  if (nics.length > options.most) {
    findings.push({
      rule: 'virtualbox.too-many-nics',
      severity: 'warning',
      message: `the machine has ${nics.length} network cards, VirtualBox takes ${options.most}: the others are left out`,
    });
  }
  const placed = nics.slice(0, options.most).map((nic, i) => {
    const mac = macOf(nic, i, findings);
    const [type, model] = cardOf(nic, i, findings);
    return {
      ...{ type, model },
      ...(mac === undefined ? {} : { mac }),
      ...(networkOf(nic.network) ?? networkOf(options.network) ?? nat),
      connected: nic.connected !== false,
    };
  });
  return { nics: placed, findings };
}

function cardOf(nic: Nic, index: number, findings: Finding[]): readonly [type: string, model: string] {
  const usual = cards.e1000!;
  const wanted = nic.model === undefined ? usual : cards[nic.model.toLowerCase()];
  if (wanted !== undefined) return wanted;
  findings.push({
    rule: 'nic.model-changed',
    severity: 'warning',
    message: `VirtualBox has no network card "${nic.model}": NIC ${index + 1} becomes an ${usual[1]}`,
    remedy: 'look whether the guest has a driver for it, and whether its configuration names the card',
  });
  return usual;
}

function macOf(nic: Nic, index: number, findings: Finding[]): string | undefined {
  if (nic.mac === undefined) return undefined;
  // The lowest bit of the first byte marks an address of many.
  if (/^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/i.test(nic.mac)) return nic.mac.toLowerCase();
  findings.push({
    rule: 'nic.mac-impossible',
    severity: 'warning',
    message: `"${nic.mac}" can't be the address of a network card: NIC ${index + 1} gets a new one`,
  });
  return undefined;
}

/** Undefined for what is no network of VirtualBox. */
function networkOf(text: string | undefined): Pick<PlacedNic, 'attachedTo' | 'name'> | undefined {
  if (text?.trim() === 'nat') return nat;
  const [, mode, name] =
    /^(bridged|internal|hostonly|hostonlynet|natnetwork) (.{1,256})$/s.exec(text ?? '') ?? [];
  return mode === undefined ? undefined : { attachedTo: mode as AttachedTo, name: name! };
}

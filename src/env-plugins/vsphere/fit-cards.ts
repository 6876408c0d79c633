/** Which card each NIC gets, its address, and the network that it is joined to. Pure. */
import type { Finding } from '../../model/finding.ts';
import type { GuestSystem, Nic } from '../../model/machine.ts';
import { networkThere } from '../../model/network-names.ts';
import { needs } from '../vmware-hardware/needs.ts';
import type { NetworkChoice } from './place-choices.ts';

export type CardType =
  | 'VirtualE1000'
  | 'VirtualE1000e'
  | 'VirtualVmxnet2'
  | 'VirtualVmxnet3'
  | 'VirtualPCNet32';

export interface PlacedCard {
  readonly type: CardType;
  /** Absent: the server makes one. */
  readonly mac: string | undefined;
  readonly network: NetworkChoice;
  readonly connected: boolean;
}

export interface FitCardsOptions {
  readonly hardware: number;
  readonly system: GuestSystem | undefined;
  readonly networks: ReadonlyMap<string, NetworkChoice>;
  /** For a NIC whose network is not there. */
  readonly usual: string;
  /** Ids of the networks that the chosen host has. */
  readonly reached: ReadonlySet<string>;
  readonly keepMac: boolean;
}

const mostCards = 10;
const cards: Readonly<Record<string, CardType>> = {
  e1000: 'VirtualE1000',
  '82545em': 'VirtualE1000',
  '82540em': 'VirtualE1000',
  e1000e: 'VirtualE1000e',
  vmxnet3: 'VirtualVmxnet3',
  vmxnet: 'VirtualVmxnet2',
  vmxnet2: 'VirtualVmxnet2',
  vlance: 'VirtualPCNet32',
  pcnet: 'VirtualPCNet32',
  pcnet32: 'VirtualPCNet32',
};
/** As guests' drivers are looked for. */
export const cardModels: Readonly<Record<CardType, string>> = {
  VirtualE1000: 'e1000',
  VirtualE1000e: 'e1000e',
  VirtualVmxnet2: 'vmxnet',
  VirtualVmxnet3: 'vmxnet3',
  VirtualPCNet32: 'pcnet32',
};
const least: Partial<Record<CardType, number>> = {
  VirtualVmxnet3: needs.vmxnet3,
  VirtualE1000e: needs.e1000e,
};

export function fitCards(
  nics: readonly Nic[],
  options: FitCardsOptions,
): { cards: PlacedCard[]; findings: Finding[] } {
  const findings: Finding[] = [];
  if (nics.length > mostCards) {
    findings.push({
      rule: 'vmware.too-many-nics',
      severity: 'warning',
      message: `the machine has ${nics.length} network cards, VMware takes ${mostCards}: the others are left out`,
    });
  }
  const placed = nics.slice(0, mostCards).flatMap((nic, i) => {
    const network = networkFor(nic, i, options, findings);
    if (network === undefined) return [];
    const type = typeFor(nic, i, options, findings);
    return [{ type, mac: macFor(nic, i, options, findings), network, connected: nic.connected !== false }];
  });
  return { cards: placed, findings };
}

function networkFor(
  nic: Nic,
  index: number,
  { networks, usual, reached }: FitCardsOptions,
  findings: Finding[],
): NetworkChoice | undefined {
  const names = [...networks.keys()];
  const wanted = nic.network === undefined ? undefined : networkThere(names, nic.network);
  const here = names.find((name) => reached.has(networks.get(name)!.network.id));
  const name = wanted ?? (names.includes(usual) ? usual : here);
  const found = name === undefined ? undefined : networks.get(name);
  if (found === undefined) {
    findings.push({
      rule: 'nic.no-network',
      severity: 'warning',
      message: `there is no network there that this user may use: NIC ${index + 1} is left out`,
      remedy: 'the privilege Network.Assign is needed on a network of the host',
    });
  } else if (!reached.has(found.network.id)) {
    findings.push({
      rule: 'nic.network-not-reached',
      severity: 'blocker',
      message: `the chosen host has no network "${name}", which NIC ${index + 1} is to be joined to`,
      remedy: 'choose another network, or another host',
    });
  }
  return found;
}

function typeFor(
  nic: Nic,
  index: number,
  { hardware, system }: FitCardsOptions,
  findings: Finding[],
): CardType {
  const wanted = cards[nic.model?.toLowerCase() ?? 'e1000'];
  if (wanted !== undefined && hardware >= (least[wanted] ?? 0)) return wanted;
  // Windows 8 and later have a driver of their own for the e1000e, and the latest for no other.
  const usual = system?.family === 'windows' && hardware >= needs.e1000e ? 'VirtualE1000e' : 'VirtualE1000';
  findings.push({
    rule: 'nic.model-changed',
    severity: 'warning',
    message: `VMware (hardware version ${hardware}) has no network card "${nic.model}": NIC ${index + 1} becomes an ${usual.slice('Virtual'.length).toLowerCase()}`,
    remedy: 'look whether the guest has a driver for it, and whether its configuration names the card',
  });
  return usual;
}

function macFor(
  nic: Nic,
  index: number,
  { keepMac }: FitCardsOptions,
  findings: Finding[],
): string | undefined {
  if (nic.mac === undefined || !keepMac) return undefined;
  const mac = nic.mac.toLowerCase();
  // The lowest bit of the first byte marks an address of many.
  if (!/^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/.test(mac)) {
    findings.push({
      rule: 'nic.mac-impossible',
      severity: 'warning',
      message: `"${nic.mac}" can't be the address of a network card: NIC ${index + 1} gets a new one`,
    });
    return undefined;
  }
  if (/^(00:0c:29|00:05:69|00:50:56:[4-9a-f])/.test(mac)) {
    findings.push({
      rule: 'nic.mac-generated',
      severity: 'note',
      message: `${mac} of NIC ${index + 1} is of a range that VMware's products give out themselves: another machine may get it, too`,
      remedy: 'if the server refuses it when the machine starts, say no to "Keep MAC addresses"',
    });
  }
  return mac;
}

/** Which card each NIC gets, its address, and how it is joined. Pure. */
import type { Finding } from '../../model/finding.ts';
import type { GuestSystem, Nic } from '../../model/machine.ts';
import { needs } from '../vmware-hardware/needs.ts';

export interface PlacedNic {
  readonly model: string;
  readonly mac?: string;
  /** Its address is none of those that VMware gives out by hand. */
  readonly foreignMac: boolean;
  readonly connection: 'nat' | 'bridged' | 'hostonly' | 'custom';
  readonly vnet?: string;
  readonly connected: boolean;
}

export interface FitNicsOptions {
  readonly hardware: number;
  readonly system?: GuestSystem | undefined;
  /** For a NIC that says nothing of its own. */
  readonly network: string;
}

const mostNics = 10;
const cards: Readonly<Record<string, string>> = {
  e1000: 'e1000',
  '82545em': 'e1000',
  '82540em': 'e1000',
  e1000e: 'e1000e',
  vmxnet3: 'vmxnet3',
  vmxnet: 'vmxnet',
  vlance: 'vlance',
  pcnet: 'vlance',
  pcnet32: 'vlance',
};
const leastHardware: Readonly<Record<string, number>> = { vmxnet3: needs.vmxnet3, e1000e: needs.e1000e };

export function fitNics(
  nics: readonly Nic[],
  options: FitNicsOptions,
): { nics: PlacedNic[]; findings: Finding[] } {
  const findings: Finding[] = [];
  if (nics.length > mostNics) {
    findings.push({
      rule: 'vmware.too-many-nics',
      severity: 'warning',
      message: `the machine has ${nics.length} network cards, VMware takes ${mostNics}: the others are left out`,
    });
  }
  const placed = nics.slice(0, mostNics).map((nic, i) => {
    const mac = macOf(nic, i, findings);
    return {
      model: modelOf(nic, i, options, findings),
      ...(mac === undefined ? {} : { mac }),
      foreignMac: mac !== undefined && !/^00:50:56:[0-3]/i.test(mac),
      ...connectionOf(nic.network ?? options.network, options.network),
      connected: nic.connected !== false,
    };
  });
  return { nics: placed, findings };
}

function modelOf(nic: Nic, index: number, { hardware, system }: FitNicsOptions, findings: Finding[]): string {
  const wanted = cards[nic.model?.toLowerCase() ?? 'e1000'];
  if (wanted !== undefined && hardware >= (leastHardware[wanted] ?? 0)) return wanted;
  // Windows 8 and later have a driver of their own for the e1000e, and the latest for no other.
  const usual = system?.family === 'windows' && hardware >= needs.e1000e ? 'e1000e' : 'e1000';
  findings.push({
    rule: 'nic.model-changed',
    severity: 'warning',
    message: `VMware (hardware version ${hardware}) has no network card "${nic.model}": NIC ${index + 1} becomes an ${usual}`,
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

/** What is no network of VMware's is joined as the others are. */
function connectionOf(network: string, usual: string): Pick<PlacedNic, 'connection' | 'vnet'> {
  const name = network.toLowerCase();
  if (name === 'nat' || name === 'bridged' || name === 'hostonly') return { connection: name };
  if (/^vmnet\d{1,3}$/.test(name)) return { connection: 'custom', vnet: name };
  return network === usual ? { connection: 'nat' } : connectionOf(usual, usual);
}

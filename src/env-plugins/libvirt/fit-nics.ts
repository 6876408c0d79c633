/** Which card each NIC gets, and what it is joined to. Pure. */
import type { Finding } from '../../model/finding.ts';
import type { Nic } from '../../model/machine.ts';
import type { Settings } from '../plugin.ts';
import type { DomainNic } from './domain-spec.ts';
import { type Networks, targetOfNetwork, userNetwork } from './networks.ts';

/** Names that other products have for what QEMU has, too. */
const nicModels: Readonly<Record<string, string>> = {
  e1000: 'e1000',
  e1000e: 'e1000e',
  '82545em': 'e1000',
  '82540em': 'e1000',
  '82543gc': 'e1000',
  vmxnet3: 'vmxnet3',
  virtio: 'virtio',
  'virtio-net': 'virtio',
  rtl8139: 'rtl8139',
  pcnet: 'pcnet',
  pcnet32: 'pcnet',
  vlance: 'pcnet',
  igb: 'igb',
};

export function fitNics(
  nics: readonly Nic[],
  settings: Settings,
  networks: Networks,
  findings: Finding[],
): DomainNic[] {
  const usual = usualNetwork(settings, networks, findings);
  const unsaid = nics.filter(({ network }) => network === undefined).length;
  if (unsaid > 0 && networks.lacking === true && usual === userNetwork && settings.network === undefined) {
    findings.push({
      rule: 'network.none-chosen',
      severity: 'note',
      message: `no network of libvirt is there to join: ${unsaid} of the adapters lead out by QEMU's own NAT, and nothing leads in`,
      ...(networks.names.length > 1
        ? { remedy: `choose one of ${networks.names.filter((name) => name !== userNetwork).join(', ')}` }
        : {}),
    });
  }
  return nics.map((nic, i) => {
    const model = nicModels[nic.model?.toLowerCase() ?? 'e1000'];
    if (model === undefined) {
      findings.push({
        rule: 'nic.model-changed',
        severity: 'warning',
        message: `QEMU has no network card "${nic.model}": NIC ${i + 1} becomes an e1000`,
        remedy: 'look whether the guest has a driver for it',
      });
    }
    return {
      target: targetOfNetwork(networkOf(nic, i, usual, networks, findings)),
      mac: macOf(nic, i, settings, findings),
      model: model ?? 'e1000',
      connected: nic.connected !== false,
      bootOrder: nic.bootOrder,
    };
  });
}

function macOf(nic: Nic, index: number, settings: Settings, findings: Finding[]): string | undefined {
  if (nic.mac === undefined || settings.keepMac === 'no') return undefined;
  // The lowest bit of the first byte marks an address of many: libvirt refuses it.
  if (/^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/i.test(nic.mac)) return nic.mac.toLowerCase();
  findings.push({
    rule: 'nic.mac-impossible',
    severity: 'warning',
    message: `"${nic.mac}" can't be the address of a network card: NIC ${index + 1} gets a new one`,
  });
  return undefined;
}

/** The one that the user chose, else the first. */
function usualNetwork({ network }: Settings, { names, inactive }: Networks, findings: Finding[]): string {
  if (network === undefined || network === '') return names[0]!;
  if (names.includes(network)) return network;
  const asleep = inactive.includes(network);
  const choose = `choose one of ${names.join(', ')}`;
  findings.push({
    rule: 'network.not-found',
    severity: 'blocker',
    message: asleep ? `the network "${network}" is not active` : `there is no network "${network}"`,
    remedy: asleep ? `start it ("virsh net-start"), or ${choose}` : choose,
  });
  return names[0]!;
}

function networkOf(
  { network }: Nic,
  index: number,
  usual: string,
  { names }: Networks,
  findings: Finding[],
): string {
  if (network === undefined) return usual;
  if (names.includes(network)) return network;
  findings.push({
    rule: 'network.changed',
    severity: 'warning',
    message: `there is no network "${network}" here: NIC ${index + 1} is joined to "${usual}"`,
    remedy: `choose one of ${names.join(', ')}`,
  });
  return usual;
}

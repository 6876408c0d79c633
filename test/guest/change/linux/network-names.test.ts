import { describe, expect, it } from 'vitest';
import type { LinuxContext } from '../../../../src/guest/change/linux/context.ts';
import { keepNetworkNames } from '../../../../src/guest/change/linux/network-names.ts';
import type { TargetNic } from '../../../../src/guest/change/target.ts';
import { PlannedTree } from '../../../../src/guest/change/tree.ts';
import { mountedFiles } from '../../../../src/guest/mounted-files.ts';
import { readInterfaces } from '../../../../src/guest/system/linux/interfaces.ts';
import type { GuestInterface } from '../../../../src/model/guest-report.ts';
import { type MemoryTree, memoryFiles } from '../memory-files.ts';

const macs = ['00:50:56:00:00:01', '00:50:56:00:00:02'] as const;
const named = (name: string, more: Partial<GuestInterface> = {}): GuestInterface => ({
  ...{ name, method: 'static', addresses: ['192.0.2.7/24'], system: 'ifcfg' },
  ...more,
});

interface Given {
  readonly interfaces: readonly GuestInterface[];
  readonly nics: readonly TargetNic[];
  readonly will?: readonly TargetNic[];
  readonly system?: Partial<LinuxContext['system']>;
  readonly files?: MemoryTree;
}

async function changed({ interfaces, nics, will = nics, system = {}, files = {} }: Given) {
  const memory = memoryFiles(files);
  const tree = new PlannedTree(memory);
  const findings = await keepNetworkNames(tree, {
    system: {
      ...{
        name: 'x',
        family: 'linux',
        rootPartition: 1,
        confidence: 'high',
        evidence: [],
        kernels: [],
        mounts: [],
      },
      ...{ init: 'systemd', interfaces },
      ...system,
    },
    files: mountedFiles([{ mountPoint: '/', files: memory }]),
    target: { product: 'qemu', disks: [], nics: will, firmware: 'bios', console: 'screen', cloud: false },
    ...{ nics, volumes: [], reports: [], wish: { changes: 'needed' }, signal: new AbortController().signal },
  });
  const written: Record<string, string | undefined> = {};
  for (const change of tree.changes)
    for (const edit of change.edits)
      if ('path' in edit && edit.kind !== 'folder') written[edit.path] = await tree.view.text(edit.path);
  return { findings, written };
}

const rules = '/etc/udev/rules.d/70-persistent-net.rules';

describe('names of network interfaces', () => {
  it('are pinned to the MAC address', async () => {
    const { written, findings } = await changed({ interfaces: [named('ens192')], nics: [{ mac: macs[0] }] });
    expect(findings).toEqual([]);
    expect(written).toEqual({
      '/etc/systemd/network/10-vmferry-ens192.link': `[Match]\nMACAddress=${macs[0]}\n\n[Link]\nName=ens192\n`,
    });
  });

  it('go by the MAC address where the guest has it, by their order else', async () => {
    const crossed = await changed({
      interfaces: [named('ens192', { mac: macs[1] }), named('ens224'), named('br0'), named('lo')],
      nics: macs.map((mac) => ({ mac })),
    });
    expect(crossed.written['/etc/systemd/network/10-vmferry-ens192.link']).toContain(macs[1]);
    expect(crossed.written['/etc/systemd/network/10-vmferry-ens224.link']).toContain(macs[0]);
    const order = await changed({
      interfaces: [named('eth10'), named('eth9')],
      nics: macs.map((mac) => ({ mac })),
    });
    expect(order.written['/etc/systemd/network/10-vmferry-eth9.link']).toContain(macs[0]);
  });

  it('do not leave the old address in the rules of the older udev', async () => {
    const rule = (mac: string, name: string) => `SUBSYSTEM=="net", ATTR{address}=="${mac}", NAME="${name}"\n`;
    const files = { [rules]: `# mine\n${rule(macs[0], 'eth0')}${rule('02:00:00:00:00:99', 'eth7')}` };
    const given = { interfaces: [named('eth0')], nics: [{ mac: macs[0] }], files };
    const moved = await changed({ ...given, will: [{ mac: macs[1] }] });
    expect(moved.written[rules]).toBe(`# mine\n${rule(macs[1], 'eth0')}${rule('02:00:00:00:00:99', 'eth7')}`);
    const unknown = await changed({ ...given, will: [{ model: 'virtio' }] });
    expect(unknown.written[rules]).toBe(`# mine\n${rule('02:00:00:00:00:99', 'eth7')}`);
    expect((await changed(given)).written[rules]).toBeUndefined();
  });

  it('are told where it is not known which is which', async () => {
    const { written, findings } = await changed({
      interfaces: [named('a0'), named('a1')],
      nics: [{ mac: macs[0] }],
    });
    expect([written, findings.map((f) => f.rule)]).toEqual([{}, ['guest.interfaces']]);
  });

  it('of a new MAC address take it along in the configuration', async () => {
    const files = {
      '/etc/sysconfig/network-scripts/ifcfg-ens192': `DEVICE=ens192\nHWADDR=${macs[0].toUpperCase()}\n`,
    };
    const file = Object.keys(files)[0]!;
    const interfaces = [named('ens192', { mac: macs[0], file })];
    const now = await changed({ files, interfaces, nics: [{ mac: macs[0] }], will: [{ mac: macs[1] }] });
    expect(now.written[file]).toBe(`DEVICE=ens192\nHWADDR=${macs[1]}\n`);
    const unknown = await changed({
      files,
      interfaces,
      nics: [{ mac: macs[0] }],
      will: [{ model: 'virtio' }],
    });
    expect(unknown.written[file]).toBe(`DEVICE=ens192\n#HWADDR=${macs[0].toUpperCase()}\n`);
    expect(unknown.written['/etc/systemd/network/10-vmferry-ens192.link']).toContain(
      'Driver=virtio_pci virtio_net\n',
    );
  });

  it('are pinned by udev where there is no systemd, in the place of what it had written down', async () => {
    const { written } = await changed({
      files: { [rules]: 'old' },
      interfaces: [named('eth0')],
      nics: [{ mac: macs[0] }],
      system: { init: 'sysvinit' },
    });
    expect(written[rules]).toContain(`ATTR{address}=="${macs[0]}", ATTR{type}=="1", NAME="eth0"\n`);
  });

  it('need no pin where the one card is called eth0 anyway', async () => {
    const { written } = await changed({
      interfaces: [named('eth0')],
      nics: [{ mac: macs[0] }],
      system: { bootloader: { kind: 'grub2', arguments: 'quiet net.ifnames=0' } },
    });
    expect(written).toEqual({});
    const alpine = await changed({
      interfaces: [named('eth0'), named('eth1')],
      nics: macs.map((mac) => ({ mac })),
      system: { distribution: 'alpine', init: 'openrc' },
    });
    expect(alpine.written).toEqual({});
  });

  it('are not those of what is made of cards', async () => {
    const interfaces = [named('lan', { kind: 'bridge' }), named('front', { kind: 'ethernet' })];
    const { written, findings } = await changed({ interfaces, nics: [{ mac: macs[0] }] });
    expect([Object.keys(written), findings]).toEqual([['/etc/systemd/network/10-vmferry-front.link'], []]);
  });
});

/** A file of each system, looked into as a guest's, with what it becomes for a card of another address. */
describe('a new MAC address', () => {
  const [old, now] = macs;
  const own = (name: string) => `/etc/systemd/network/10-vmferry-${name}.link`;
  const pin = (name: string) => `[Match]\nMACAddress=${now}\n\n[Link]\nName=${name}\n`;
  const driver = (name: string) => `[Match]\nDriver=virtio_pci virtio_net\n\n[Link]\nName=${name}\n`;
  const netplan = '/etc/netplan/50-cloud-init.yaml';
  const plan = (match: string, more = '') =>
    `network:\n  version: 2\n  ethernets:\n    lan0:\n      match:\n        ${match}\n${more}      addresses: [192.0.2.7/24]\n`;
  const setName = '      set-name: lan0\n';
  const keyfile = '/etc/NetworkManager/system-connections/lan.nmconnection';
  const connection = (mac: string, name = '') =>
    `[connection]\nid=lan\ntype=ethernet\n${name}\n[ethernet]\n${mac}\n[ipv4]\nmethod=manual\naddress1=192.0.2.7/24,192.0.2.1\n`;
  const ifcfg = '/etc/sysconfig/network-scripts/ifcfg-ens192';
  const script = (mac: string) => `TYPE=Ethernet\nDEVICE=ens192\n${mac}\nBOOTPROTO=none\nIPADDR=192.0.2.7\n`;
  const networkd = '/etc/systemd/network/lan.network';
  const unit = (match: string) => `[Match]\n${match}\n[Network]\nAddress=192.0.2.7/24\n`;
  const upper = old.toUpperCase();

  it.each([
    [
      'netplan',
      netplan,
      plan(`macaddress: "${upper}"`, setName),
      plan(`macaddress: "${now}"`, setName),
      plan('name: "lan0"', setName),
      'lan0',
    ],
    [
      'netplan, no name',
      netplan,
      plan(`macaddress: '${old}'`),
      plan(`macaddress: '${now}'`),
      plan('name: "e*"'),
      '',
    ],
    [
      'NetworkManager',
      keyfile,
      connection(`mac-address=${upper}`, 'interface-name=ens192\n'),
      connection(`mac-address=${now}`, 'interface-name=ens192\n'),
      connection(`#mac-address=${upper}`, 'interface-name=ens192\n'),
      'ens192',
    ],
    [
      'NetworkManager, no name',
      keyfile,
      connection(`mac-address=${old}`),
      connection(`mac-address=${now}`),
      connection(`#mac-address=${old}`),
      '',
    ],
    [
      'ifcfg',
      ifcfg,
      script(`HWADDR="${upper}"`),
      script(`HWADDR="${now}"`),
      script(`#HWADDR="${upper}"`),
      'ens192',
    ],
    ['networkd', networkd, unit(`MACAddress=${old}`), unit(`MACAddress=${now}`), unit('Name=e*'), ''],
    [
      'networkd with a name',
      networkd,
      unit(`Name=lan0\nMACAddress=${old}`),
      unit(`Name=lan0\nMACAddress=${now}`),
      unit(`Name=lan0\n#MACAddress=${old}`),
      'lan0',
    ],
  ] as const)('%s', async (_system, path, before, known, unknown, name) => {
    const files = { [path]: before };
    const interfaces = await readInterfaces(memoryFiles(files));
    const nics = [{ mac: old }];
    const pinned = (link: (name: string) => string) => (name === '' ? {} : { [own(name)]: link(name) });
    expect(await changed({ files, interfaces, nics, will: [{ mac: now }] })).toEqual({
      findings: [],
      written: { [path]: known, ...pinned(pin) },
    });
    expect(await changed({ files, interfaces, nics, will: [{ model: 'virtio' }] })).toEqual({
      findings: [],
      written: { [path]: unknown, ...pinned(driver) },
    });
  });

  it('that is not known of one card among several, which have no names, is told', async () => {
    const files = { [networkd]: unit(`MACAddress=${old}`) };
    const interfaces = await readInterfaces(memoryFiles(files));
    const nics = macs.map((mac) => ({ mac }));
    const { written, findings } = await changed({ files, interfaces, nics, will: [{}, {}] });
    expect(written).toEqual({});
    expect(findings.map(({ message }) => message)).toEqual([expect.stringContaining(networkd)]);
  });
});

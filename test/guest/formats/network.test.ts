import { describe, expect, it } from 'vitest';
import { parseCloudInitNetwork } from '../../../src/guest/formats/network/cloud-init.ts';
import { parseIfcfg } from '../../../src/guest/formats/network/ifcfg.ts';
import { prefixOf } from '../../../src/guest/formats/network/interface.ts';
import { parseInterfaces, sourcesOf } from '../../../src/guest/formats/network/interfaces.ts';
import { parseNetplan } from '../../../src/guest/formats/network/netplan.ts';
import { parseKeyfiles } from '../../../src/guest/formats/network/network-manager.ts';
import { parseNetworkd } from '../../../src/guest/formats/network/networkd.ts';
import { pinsOfLinks, pinsOfUdev } from '../../../src/guest/formats/network/pinned-names.ts';
import { AppError } from '../../../src/model/errors.ts';

const mac = '52:54:00:12:34:56';
/** What each of the systems below is told to do. */
const wanted = {
  name: 'ens192',
  method: 'static',
  addresses: ['192.0.2.5/24', '2001:db8::5/64'],
  gateways: ['192.0.2.1'],
  dns: ['192.0.2.53', '192.0.2.54'],
};

describe('one static interface', () => {
  it('ifcfg of Red Hat and SUSE', () => {
    const content = `# x\nTYPE=Ethernet\nDEVICE="ens192"\nHWADDR=52-54-00-12-34-56\nBOOTPROTO=none\nONBOOT=yes\nIPADDR=192.0.2.5\nNETMASK=255.255.255.0\nIPV6ADDR=2001:db8::5/64\nGATEWAY=192.0.2.1\nDNS1=192.0.2.53\nDNS2='192.0.2.54'\n`;
    const files = ['ifcfg-ens192', 'ifcfg-ens192.bak', 'ifcfg-lo', 'route-ens192'].map((name) => ({
      name,
      content,
    }));
    expect(parseIfcfg(files).interfaces).toEqual([
      { ...wanted, mac, kind: 'ethernet', file: 'ifcfg-ens192' },
    ]);
    const suse = "BOOTPROTO='static'\nIPADDR='192.0.2.5/24'\nIPADDR_1='192.0.2.6/24'\nSTARTMODE='auto'\n";
    expect(parseIfcfg([{ name: 'ifcfg-eth0', content: suse }]).interfaces).toMatchObject([
      { name: 'eth0', method: 'static', addresses: ['192.0.2.5/24', '192.0.2.6/24'] },
    ]);
  });

  it('interfaces of Debian', () => {
    const content = `source /etc/network/interfaces.d/*
source-directory /etc/more
auto lo
iface lo inet loopback
allow-hotplug ens192
iface ens192 inet static
    address 192.0.2.5
    netmask 255.255.255.0
    gateway 192.0.2.1
    dns-nameservers 192.0.2.53 \\
        192.0.2.54
iface ens192 inet6 static
    address 2001:db8::5/64
auto br0
iface br0 inet manual
    bridge_ports ens224
iface eth1 inet dhcp
`;
    expect(sourcesOf(content)).toEqual(['/etc/network/interfaces.d/*', '/etc/more/*']);
    expect(parseInterfaces([{ name: 'interfaces', content }]).interfaces).toEqual([
      { ...wanted, file: 'interfaces' },
      expect.objectContaining({ name: 'br0', method: 'none', kind: 'bridge' }),
      expect.objectContaining({ name: 'eth1', method: 'dhcp' }),
    ]);
  });

  it('netplan, in two files', async () => {
    const first = `network:\n  version: 2\n  ethernets:\n    a:\n      match: {macaddress: "52:54:00:12:34:56"}\n      set-name: ens192\n      addresses: [192.0.2.5/24]\n      nameservers: {addresses: [192.0.2.53]}\n    eth1: {dhcp4: yes}\n`;
    const second = `network:\n  ethernets:\n    a:\n      addresses:\n        - "2001:db8::5/64": {lifetime: 0}\n      routes: [{to: default, via: 192.0.2.1}]\n      nameservers: {addresses: [192.0.2.53, 192.0.2.54]}\n`;
    const config = await parseNetplan([
      { name: '90.yaml', content: second },
      { name: '01.yaml', content: first },
    ]);
    expect(config.interfaces).toEqual([
      { ...wanted, mac, kind: 'ethernet', file: '90.yaml' },
      expect.objectContaining({ name: 'eth1', method: 'dhcp' }),
    ]);
  });

  it('NetworkManager', () => {
    const content = `[connection]\nid=Wired\ntype=802-3-ethernet\ninterface-name=ens192\n[ethernet]\nmac-address=52:54:00:12:34:56\n[ipv4]\naddress1=192.0.2.5/24,192.0.2.1\ndns=192.0.2.53;192.0.2.54;\nmethod=manual\n[ipv6]\naddress1=2001:db8::5/64\nmethod=manual\n`;
    expect(parseKeyfiles([{ name: 'a.nmconnection', content }]).interfaces).toEqual([
      { ...wanted, mac, kind: 'ethernet', file: 'a.nmconnection' },
    ]);
  });

  it('networkd', () => {
    const content = `[Match]\nMACAddress=52:54:00:12:34:56\nName=ens192\n[Network]\nAddress=192.0.2.5/24\nGateway=192.0.2.1\nDNS=192.0.2.53 192.0.2.54\n[Address]\nAddress=2001:db8::5/64\n[Route]\nDestination=198.51.100.0/24\nGateway=192.0.2.9\n`;
    expect(parseNetworkd([{ name: '10.network', content }]).interfaces).toEqual([
      { ...wanted, mac, file: '10.network' },
    ]);
  });

  it('cloud-init, both versions', async () => {
    const one = `network:\n  version: 1\n  config:\n    - type: physical\n      name: ens192\n      mac_address: "52:54:00:12:34:56"\n      subnets:\n        - {type: static, address: 192.0.2.5, netmask: 255.255.255.0, gateway: 192.0.2.1}\n        - {type: static6, address: "2001:db8::5/64"}\n    - {type: nameserver, address: [192.0.2.53, 192.0.2.54]}\n`;
    expect(await parseCloudInitNetwork({ name: 'n', content: one })).toEqual({
      system: 'cloud-init',
      interfaces: [{ ...wanted, mac, kind: 'ethernet', file: 'n' }],
    });
    const two = 'version: 2\nethernets: {eth0: {dhcp4: true}}\n';
    expect(await parseCloudInitNetwork({ name: 'n', content: two })).toMatchObject({
      interfaces: [{ name: 'eth0', method: 'dhcp' }],
    });
    expect(await parseCloudInitNetwork({ name: 'n', content: 'network: {config: disabled}' })).toBe(
      'disabled',
    );
    expect(await parseCloudInitNetwork({ name: 'n', content: '#cloud-config\nusers: []' })).toBeUndefined();
  });
});

it('names bound to addresses', () => {
  const rules = `# ATTR{address}=="52:54:00:12:34:56", NAME="no"\nSUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{address}=="52:54:00:12:34:56", ATTR{type}=="1", KERNEL=="eth*", NAME="eth0"\n`;
  expect(pinsOfUdev({ name: '70', content: rules })).toEqual([{ name: 'eth0', mac, file: '70' }]);
  const link = '[Match]\nMACAddress=52-54-00-12-34-56\n\n[Link]\nName=lan0\n';
  expect(pinsOfLinks([{ name: '10.link', content: link }])).toEqual([{ name: 'lan0', mac, file: '10.link' }]);
});

it('hostile files', async () => {
  expect(
    ['255.255.255.0', '0.0.0.0', '255.255.255.255', '255.0.255.0', '24', 'x', '1.2.3'].map(prefixOf),
  ).toEqual([24, 0, 32, undefined, 24, undefined, undefined]);
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefgh'
    .split('')
    .map((c, i) => `${c}: &${c} [${Array(9).fill(`*${'abcdefg'[i]}`)}]`)
    .join('\n')}\n`;
  const deep = ['[', '{a: ', '- ', '? '].map((opener) => `network: ${opener}\n${opener.repeat(5000)}`);
  for (const content of [bomb, ...deep, 'network: [', ' '.repeat(100_000)]) {
    await expect(parseNetplan([{ name: 'x.yaml', content }])).rejects.toThrow(AppError);
  }
  for (const content of ['network: [1, 2]', 'network: {ethernets: {a: 3, b: {addresses: {}}}}', '', '[]']) {
    await parseNetplan([{ name: 'x.yaml', content }]);
  }
});

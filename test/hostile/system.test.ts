/** A system whose small files hold anything: it is told with what can be read, soon, and no error is a bug of ours. */
import { expect, it } from 'vitest';
import { AppError } from '../../src/model/errors.ts';
import { randomNumbers } from '../conformance/random.ts';
import type { MemoryTree } from '../guest/change/memory-files.ts';
import { systemOf } from '../guest/system/system-of.ts';

const seeds = Number(process.env.HOSTILE_SEEDS ?? 40);

const sample: Readonly<Record<string, string>> = {
  '/etc/os-release': 'ID=debian\nPRETTY_NAME="Debian 12"\n',
  '/etc/hostname': 'web\n',
  '/etc/fstab': 'UUID=1 / ext4 defaults 0 1\n',
  '/etc/network/interfaces': 'source /etc/network/interfaces.d/*\nsource /etc/network/interfaces\n',
  '/etc/network/interfaces.d/a': 'iface ens192 inet static\n address 192.0.2.7/24\n',
  '/etc/netplan/a.yaml': 'network:\n  version: 2\n  ethernets: {eth0: {dhcp4: true}}\n',
  '/etc/NetworkManager/system-connections/a.nmconnection':
    '[connection]\nid=a\ntype=ethernet\n[ipv4]\naddress1=1.2.3.4/24,1.2.3.1\n',
  '/etc/sysconfig/network-scripts/ifcfg-eth1': 'DEVICE=eth1\nIPADDR=192.0.2.1\nNETMASK=255.255.255.0\n',
  '/etc/systemd/network/a.network': '[Match]\nName=eth2\n[Network]\nAddress=192.0.2.3/24\n',
  '/etc/udev/rules.d/70-persistent-net.rules': 'ATTR{address}=="00:0c:29:11:22:33", NAME="eth1"\n',
  '/etc/cloud/cloud.cfg': 'datasource_list: [ NoCloud, None ]\n',
  '/etc/selinux/config': 'SELINUX=enforcing\n',
  '/var/lib/dpkg/status': 'Package: a\nStatus: install ok installed\nVersion: 1\n\n',
  '/boot/vmlinuz-6.1.0-18-amd64': 'x'.repeat(600),
  '/boot/initrd.img-6.1.0-18-amd64': `070701${'0'.repeat(104)}`,
  '/boot/grub/grub.cfg':
    'set default="0"\nmenuentry "a" {\n linux /boot/vmlinuz-6.1.0-18-amd64 root=/dev/sda1\n}\n',
  '/boot/loader/entries/a.conf': 'title a\nlinux /boot/vmlinuz-6.1.0-18-amd64\noptions quiet\n',
  '/lib/modules/6.1.0-18-amd64/modules.dep': 'kernel/a/ahci.ko: kernel/b/libata.ko\n',
  '/lib/modules/6.1.0-18-amd64/modules.builtin': 'kernel/nvme.ko\n',
  '/Windows/System32/config/SOFTWARE': 'regf',
};

const nasty = [
  '\u0000',
  '\u001b[2J',
  '/'.repeat(300),
  '../../../..',
  '{'.repeat(500),
  '"',
  "'",
  '\n',
  '\u202e',
  '%s',
];

function mutated(seed: number): MemoryTree {
  const random = randomNumbers(seed);
  const below = (n: number) => Math.floor(random() * n);
  const paths = Object.keys(sample);
  const tree: Record<string, string | { link: string }> = { ...sample };
  for (let n = 0; n < 1 + below(6); n++) {
    const path = paths[below(paths.length)]!;
    const text = sample[path]!;
    const at = below(text.length);
    const piece = nasty[below(nasty.length)]!;
    const kind = below(5);
    if (kind === 0) tree[path] = text.slice(0, at);
    else if (kind === 1) tree[path] = { link: [path, '/etc', '..', piece][below(4)]! };
    else if (kind === 2) tree[path] = text.repeat(1 + below(200));
    else tree[path] = text.slice(0, at) + piece.repeat(1 + below(3)) + text.slice(at);
  }
  // A system that tells nothing of itself has nothing to be read.
  return below(8) === 0 ? tree : { ...tree, '/etc/os-release': sample['/etc/os-release']! };
}

it('tells what can be read', async () => {
  for (let seed = 1; seed <= seeds; seed++) {
    const { system, findings } = await systemOf(mutated(seed)).catch((error) => {
      // Its first file is a link to itself: openGuest makes a finding of it.
      if (!(error instanceof AppError) || error.kind !== 'corrupt') throw error;
      return { system: undefined, findings: [] };
    });
    expect(
      findings.filter(({ rule }) => rule === 'guest.bug'),
      `seed ${seed}`,
    ).toEqual([]);
    const told = JSON.stringify(system ?? {});
    expect(told, `seed ${seed}`).not.toMatch(/\\u001b|\u202e|\\u0000/);
    expect(told.length, `seed ${seed}`).toBeLessThan(256 * 1024);
  }
});

import { expect, it } from 'vitest';
import { driversInWords, systemRows } from '../../src/model/guest-words.ts';
import { knownSystem } from './known-system.ts';

it('a Linux in words', () => {
  expect(systemRows(knownSystem).map(({ label, text }) => `${label}: ${text}`)).toEqual([
    'system: Debian GNU/Linux 12 (bookworm), x86_64, called web',
    'kernel: 6.1.0-18-amd64: the default, initramfs by initramfs-tools',
    '  finds disks: on virtio, NVMe; on SATA, LSI SAS when their modules are added; not on LSI',
    'bootloader: GRUB 2, /boot/grub/grub.cfg',
    'starts with: root=UUID=1 quiet',
    'network: ens192 00:0c:29:11:22:33, 192.0.2.7/24, gateway 192.0.2.1, DNS 192.0.2.53, by interfaces',
    'mount: / ext4, UUID=1, 1 GiB free, 9 inodes free',
    'mount: /srv jfs, /dev/vg0/data, not read',
    'tools: open-vm-tools 2:12.1',
    'packages: 512 (dpkg)',
    'init: systemd',
  ]);
});

it('a Windows in words', () => {
  const { bootKernels: _, bootloader: __, interfaces: ___, ...rest } = knownSystem;
  const windows = {
    drivers: ['storahci', 'viostor'],
    edition: 'Professional',
    build: 22631,
    hibernated: true,
  };
  const rows = systemRows({ ...rest, confidence: 'low', name: 'Windows 11 Pro', windows });
  expect(rows.slice(0, 2).map(({ text }) => text)).toEqual([
    'perhaps Windows 11 Pro, x86_64, called web',
    'Professional, build 22631, HIBERNATED',
  ]);
  expect(rows.at(-1)).toEqual({ label: 'boot drivers', text: 'storahci viostor' });
});

it('a bus is only told of where all of its modules are known', () => {
  expect(driversInWords({ virtio_pci: 'builtin' })).toBe('');
  expect(driversInWords({ virtio_pci: 'builtin', virtio_blk: 'module' })).toBe(
    'on virtio when its module is added',
  );
});

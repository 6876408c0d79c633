/** A system of which much is known. */
import type { InstalledSystem } from '../../src/model/guest-report.ts';

export const knownSystem: InstalledSystem = {
  name: 'Debian GNU/Linux 12 (bookworm)',
  family: 'linux',
  architecture: 'x86_64',
  hostname: 'web',
  rootPartition: 2,
  confidence: 'high',
  evidence: [],
  kernels: ['6.1.0-18-amd64'],
  init: 'systemd',
  bootKernels: [
    {
      version: '6.1.0-18-amd64',
      initramfs: '/boot/initrd.img-6.1.0-18-amd64',
      initramfsMaker: 'initramfs-tools',
      isDefault: true,
      drivers: {
        virtio_pci: 'initramfs',
        virtio_blk: 'initramfs',
        ahci: 'module',
        sd_mod: 'initramfs',
        nvme: 'builtin',
        mptspi: 'missing',
        mptsas: 'module',
      },
    },
  ],
  bootloader: { kind: 'grub2', config: '/boot/grub/grub.cfg', arguments: 'root=UUID=1 quiet' },
  interfaces: [
    {
      name: 'ens192',
      mac: '00:0c:29:11:22:33',
      method: 'static',
      addresses: ['192.0.2.7/24'],
      gateway: '192.0.2.1',
      dns: ['192.0.2.53'],
      system: 'interfaces',
    },
  ],
  tools: [{ id: 'open-vm-tools', version: '2:12.1' }],
  packages: { kind: 'dpkg', count: 512 },
  space: [{ mountPoint: '/', kind: 'ext4', freeBytes: 2 ** 30, freeInodes: 9 }],
  mounts: [
    { device: 'UUID=1', mountPoint: '/', kind: 'ext4', options: 'defaults' },
    { device: '/dev/vg0/data', mountPoint: '/srv', kind: 'jfs', options: 'defaults' },
    { device: 'proc', mountPoint: '/proc', kind: 'proc', options: 'defaults' },
  ],
};

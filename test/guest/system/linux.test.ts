import { describe, expect, it } from 'vitest';
import { buildCpio } from '../../../src/guest/formats/initramfs/build-cpio.ts';
import { systemOf } from './system-of.ts';

const version = '6.1.0-18-amd64';
const home = `/lib/modules/${version}`;
const initramfs = buildCpio([
  { name: 'conf', content: undefined },
  { name: 'conf/initramfs.conf', content: Buffer.from('') },
  { name: `usr/lib/modules/${version}/kernel/drivers/ata/ahci.ko`, content: Buffer.from('x') },
] as Parameters<typeof buildCpio>[0]);

const release = 'ID=debian\nID_LIKE="a b"\nNAME=Debian\nPRETTY_NAME="Debian 12"\nVERSION_ID=12\n';
const kernel = {
  [`${home}/modules.builtin`]: 'kernel/drivers/nvme/host/nvme.ko\n',
  [`${home}/modules.dep`]:
    'kernel/drivers/ata/ahci.ko:\nkernel/drivers/block/virtio_blk.ko: kernel/virtio.ko\n',
};

describe('a Linux', () => {
  it('has the network of one configuration where another is broken, and that is told', async () => {
    const { system, findings } = await systemOf({
      '/etc/os-release': release,
      '/etc/systemd/network': { link: 'network' },
      '/etc/network/interfaces': 'iface ens192 inet dhcp\n',
    });
    expect(system!.interfaces).toEqual([expect.objectContaining({ name: 'ens192', system: 'interfaces' })]);
    expect(findings.map(({ rule }) => rule)).toEqual(['guest.unreadable']);
  });

  it('has the gateway and name servers that are set for all cards', async () => {
    const release = { '/etc/os-release': 'ID=x\n' };
    const suse = await systemOf({
      ...release,
      '/etc/sysconfig/network/ifcfg-eth0': "BOOTPROTO='static'\nIPADDR='192.0.2.5/24'\n",
      '/etc/sysconfig/network/ifcfg-eth1': "BOOTPROTO='static'\nIPADDR='198.51.100.5/24'\n",
      '/etc/sysconfig/network/routes': '10.0.0.0/8 192.0.2.9 - -\ndefault 192.0.2.1 - eth0\n',
      '/etc/sysconfig/network/ifroute-eth1': 'default 198.51.100.1 - -\n',
      '/etc/sysconfig/network/config': 'NETCONFIG_DNS_STATIC_SERVERS="192.0.2.53 192.0.2.54"\n',
    });
    expect(suse.system!.interfaces).toMatchObject([
      { name: 'eth0', gateway: '192.0.2.1', dns: ['192.0.2.53', '192.0.2.54'] },
      { name: 'eth1', gateway: '198.51.100.1' },
    ]);
    const red = await systemOf({
      ...release,
      '/etc/sysconfig/network': 'NETWORKING=yes\nGATEWAY=192.0.2.1\n',
      '/etc/sysconfig/network-scripts/ifcfg-ens192': 'BOOTPROTO=none\nIPADDR=192.0.2.7\nPREFIX=24\n',
      '/etc/sysconfig/network-scripts/ifcfg-ens224': 'BOOTPROTO=dhcp\n',
    });
    expect(red.system!.interfaces!.map(({ gateway }) => gateway)).toEqual(['192.0.2.1', undefined]);
  });

  it('is told with a kernel that has its initramfs in one file', async () => {
    const sections: [string, Buffer][] = [
      ['.linux', Buffer.from('x')],
      ['.uname', Buffer.from(`${version}\0`)],
      ['.cmdline', Buffer.from('root=LABEL=a rw\0\0')],
      ['.initrd', initramfs],
    ];
    const image = Buffer.alloc(1024);
    image.write('MZ');
    image.writeUInt32LE(64, 60);
    image.write('PE\0\0', 64);
    image.writeUInt16LE(sections.length, 70);
    let offset = image.length;
    for (const [i, [name, bytes]] of sections.entries()) {
      const at = 88 + i * 40;
      image.write(name, at);
      for (const [field, value] of [
        [8, bytes.length],
        [16, bytes.length + 7],
        [20, offset],
      ] as const)
        image.writeUInt32LE(value, at + field);
      offset += bytes.length + 7;
    }
    const stored = sections.flatMap(([, bytes]) => [bytes, Buffer.alloc(7, 0xff)]);
    const { system } = await systemOf(
      { '/etc/os-release': release, ...kernel },
      {
        '/efi': {
          '/loader/loader.conf': 'timeout 3\n',
          '/EFI/Linux/arch-1.efi': 'broken',
          '/EFI/Linux/arch-2.efi': Buffer.concat([image, ...stored]),
        },
      },
    );
    expect(system!.bootloader).toMatchObject({ kind: 'systemd-boot', arguments: 'root=LABEL=a rw' });
    expect(system!.bootKernels).toEqual([
      {
        version,
        image: '/efi/EFI/Linux/arch-2.efi',
        unified: true,
        initramfsMaker: 'initramfs-tools',
        isDefault: true,
        drivers: expect.objectContaining({ ahci: 'initramfs', nvme: 'builtin', virtio_blk: 'module' }),
      },
    ]);
  });

  it('is told with its kernels, loader, network and tools', async () => {
    const { system, findings } = await systemOf(
      {
        '/etc/os-release': release,
        '/etc/hostname': 'web\n',
        '/sbin/init': { link: '/lib/systemd/systemd' },
        ...kernel,
        '/etc/network/interfaces': 'source /etc/network/interfaces.d/*\niface lo inet loopback\n',
        '/etc/network/interfaces.d/ens192':
          'auto ens192\niface ens192 inet static\n address 192.0.2.7/24\n gateway 192.0.2.1\n',
        '/etc/udev/rules.d/70-persistent-net.rules':
          'SUBSYSTEM=="net", ATTR{address}=="00:0c:29:11:22:33", NAME="ens192"\n',
        '/var/lib/dpkg/status':
          'Package: open-vm-tools\nStatus: install ok installed\nVersion: 2:12.1\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n',
        '/etc/cloud/cloud.cfg': 'datasource_list: [ NoCloud, None ]\n',
        '/etc/selinux/config': 'SELINUX=enforcing\n',
        '/etc/systemd/system/multi-user.target.wants/ssh.service': '',
      },
      {
        '/boot': {
          '/vmlinuz-5.10.0-1-amd64': 'x',
          [`/vmlinuz-${version}`]: 'x',
          [`/initrd.img-${version}`]: initramfs,
          '/grub/grub.cfg': `set default=0\nmenuentry 'Debian' {\n linux /vmlinuz-${version} root=/dev/sda1 quiet cloud-init=disabled enforcing=0\n initrd /initrd.img-${version}\n}\n`,
        },
      },
    );
    expect(findings).toEqual([]);
    expect(system).toMatchObject({
      name: 'Debian 12',
      distribution: 'debian',
      like: ['a', 'b'],
      hostname: 'web',
      init: 'systemd',
      kernels: ['5.10.0-1-amd64', version],
      bootloader: {
        kind: 'grub2',
        config: '/boot/grub/grub.cfg',
        arguments: 'root=/dev/sda1 quiet cloud-init=disabled enforcing=0',
      },
      interfaces: [
        {
          name: 'ens192',
          mac: '00:0c:29:11:22:33',
          method: 'static',
          addresses: ['192.0.2.7/24'],
          gateway: '192.0.2.1',
          system: 'interfaces',
          file: '/etc/network/interfaces.d/ens192',
        },
      ],
      tools: [{ id: 'open-vm-tools', version: '2:12.1' }],
      cloudInit: { enabled: false, datasources: ['NoCloud', 'None'] },
      selinux: 'permissive',
      packages: { kind: 'dpkg', count: 1 },
      services: ['sshd'],
      space: [
        { mountPoint: '/', freeBytes: 5e8, freeInodes: 7 },
        { mountPoint: '/boot', freeBytes: 5e8 },
      ],
    });
    expect(system!.bootKernels![1]).toMatchObject({
      version,
      image: `/boot/vmlinuz-${version}`,
      initramfs: `/boot/initrd.img-${version}`,
      initramfsMaker: 'initramfs-tools',
      isDefault: true,
      drivers: { nvme: 'builtin', ahci: 'initramfs', virtio_blk: 'module', vmxnet3: 'missing' },
    });
    expect(system!.bootKernels![0]).toEqual({
      version: '5.10.0-1-amd64',
      image: '/boot/vmlinuz-5.10.0-1-amd64',
      isDefault: false,
    });
  });

  it('follows entries of the Boot Loader Specification, and the one that is saved', async () => {
    const entry = (v: string) =>
      `title Linux ${v}\nlinux /vmlinuz-${v}\ninitrd /initramfs-${v}.img\noptions root=/dev/vda3 $tuned ${v}\n`;
    const { system } = await systemOf(
      { '/etc/os-release': 'ID=rhel\nNAME=RHEL\n' },
      {
        '/boot': {
          '/grub2/grub.cfg': `load_env\nset default="\${saved_entry}"\nblscfg\n`,
          '/grub2/grubenv': '# GRUB Environment Block\nsaved_entry=id-4.1\ntuned=x\n',
          '/loader/entries/id-4.1.conf': entry('4.1'),
          '/loader/entries/id-4.2.conf': entry('4.2'),
          '/vmlinuz-4.1': '1',
          '/vmlinuz-4.2': '2',
          '/initramfs-4.1.img': buildCpio([]),
        },
      },
    );
    expect(system!.bootloader).toEqual({
      kind: 'grub2',
      config: '/boot/grub2/grub.cfg',
      bls: true,
      arguments: 'root=/dev/vda3 x 4.1',
    });
    expect(system!.bootKernels!.map((k) => [k.version, k.isDefault, k.initramfs])).toEqual([
      ['4.1', true, '/boot/initramfs-4.1.img'],
      ['4.2', false, undefined],
    ]);
  });

  it('goes on behind parts that are broken, and tells which', async () => {
    const { system, findings } = await systemOf({
      '/etc/os-release': release,
      '/etc/netplan/a.yaml': `${'['.repeat(100)}`,
      '/etc/hostname': 'a\u001b[31mb\n',
      '/boot/vmlinuz-6.1.0': 'x',
      '/boot/initrd.img-6.1.0': Buffer.from('no archive at all'),
      '/var/lib/rpm/Packages': Buffer.alloc(4096, 7),
    });
    expect(system).toMatchObject({ hostname: 'a[31mb', kernels: ['6.1.0'] });
    expect(system).not.toHaveProperty('packages');
    expect(system!.bootKernels![0]).not.toHaveProperty('drivers');
    expect(findings.map(({ rule }) => rule)).toEqual(['guest.initramfs-unreadable', 'guest.unreadable']);
  });
});

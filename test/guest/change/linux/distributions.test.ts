/** A small tree of each family of distributions, looked into as a guest's, and what it is changed to for virtio. */
import { expect, it } from 'vitest';
import type { LinuxContext } from '../../../../src/guest/change/linux/context.ts';
import { planLinux } from '../../../../src/guest/change/linux/plan-linux.ts';
import type { VolumeIdentity } from '../../../../src/guest/change/linux/stable-names.ts';
import { buildCpio, withFolders } from '../../../../src/guest/formats/initramfs/build-cpio.ts';
import { readInitramfs } from '../../../../src/guest/formats/initramfs/read-initramfs.ts';
import { systemOf } from '../../system/system-of.ts';
import type { MemoryTree } from '../memory-files.ts';
import { asked } from './plan-one.ts';

const mac = '00:50:56:00:00:01';
const link = 0o120777;

/** A kernel whose initramfs has another driver only. `merged`: /lib is a link to usr/lib in it. */
function kernelOf(version: string, suffix: string, merged: boolean): MemoryTree {
  const home = `/lib/modules/${version}`;
  const names = ['virtio_blk', 'virtio_pci', 'virtio_net', 'ahci'];
  const lib = merged ? [{ name: 'lib', mode: link, content: Buffer.from('usr/lib') }] : [];
  const module = `${merged ? 'usr/' : ''}lib/modules/${version}/ahci${suffix}`;
  return {
    [`${home}/modules.dep`]: names.map((name) => `${name}${suffix}:\n`).join(''),
    [`${home}/modules.builtin`]: 'kernel/sd_mod.ko\n',
    ...Object.fromEntries(names.map((name) => [`${home}/${name}${suffix}`, name])),
    initramfs: buildCpio([...lib, ...withFolders([{ name: module, content: Buffer.from('x') }])]),
  };
}

/** The kernel with its initramfs where the distribution has it. */
function kernel(
  version: string,
  suffix: string,
  merged: boolean,
  image: string,
  initramfs: string,
): MemoryTree {
  const { initramfs: archive, ...files } = kernelOf(version, suffix, merged);
  return { ...files, [image]: 'x', [initramfs]: archive! };
}

const volumes: readonly VolumeIdentity[] = [
  { disk: 0, partition: 1, kind: 'ext4', uuid: 'one', partUuid: 'p-01' },
  { disk: 0, partition: 2, kind: 'swap', uuid: 'two', partUuid: 'p-02' },
  { disk: 0, partition: 3, kind: 'ext4', uuid: 'three', partUuid: 'p-03' },
];

async function carried(tree: MemoryTree, target: Partial<LinuxContext['target']> = {}) {
  const { system, findings } = await systemOf(tree);
  expect(findings).toEqual([]);
  const done = await asked(
    planLinux,
    tree,
    {},
    {
      ...{ system: system!, volumes, nics: [{ mac, model: 'vmxnet3' }], wish: { changes: 'needed' } },
      target: { nics: [{ mac, model: 'virtio' }], ...target },
    },
  );
  return { ...done, ids: done.tree.changes.map(({ id }) => id) };
}

const grub = (version: string, root: string, more = '') =>
  `menuentry 'x' {\n linux /boot/vmlinuz-${version} root=${root} ro ${more}\n initrd /boot/initrd\n}\n`;
const pin = (name: string) => `/etc/systemd/network/10-vmferry-${name}.link`;

interface Case {
  readonly tree: MemoryTree;
  readonly target?: Partial<LinuxContext['target']>;
  readonly ids: readonly string[];
  /** What is in the files then. */
  readonly texts: Readonly<Record<string, string | RegExp>>;
  /** Of a module in what is added to the initramfs. */
  readonly added: readonly [initramfs: string, module: string];
}

const cases: Readonly<Record<string, Case>> = {
  'Debian, Ubuntu': {
    tree: {
      '/etc/os-release': 'ID=debian\nPRETTY_NAME="Debian 12"\n',
      '/sbin/init': { link: '/lib/systemd/systemd' },
      '/etc/fstab': '/dev/sda1 / ext4 defaults 0 1\n/dev/sda2 none swap sw 0 0\n',
      '/etc/initramfs-tools/conf.d/resume': 'RESUME=/dev/sda2\n',
      '/etc/default/grub': 'GRUB_CMDLINE_LINUX="root=/dev/sda1"\n',
      '/boot/grub/grub.cfg': grub('6.1.0-18-amd64', '/dev/sda1'),
      '/etc/network/interfaces': 'auto ens192\niface ens192 inet static\n address 192.0.2.7/24\n',
      '/lib/systemd/system/open-vm-tools.service': '',
      ...kernel(
        '6.1.0-18-amd64',
        '.ko',
        true,
        '/boot/vmlinuz-6.1.0-18-amd64',
        '/boot/initrd.img-6.1.0-18-amd64',
      ),
    },
    ids: ['names.fstab', 'names.kernel', 'initramfs.6.1.0-18-amd64', 'network.names', 'tools.vmware'],
    texts: {
      '/etc/fstab': 'UUID=one / ext4 defaults 0 1\nUUID=two none swap sw 0 0\n',
      '/etc/initramfs-tools/conf.d/resume': 'RESUME=UUID=two\n',
      '/boot/grub/grub.cfg': / root=UUID=one ro /,
      [pin('ens192')]: /MACAddress=00:50:56:00:00:01\n/,
    },
    added: ['/boot/initrd.img-6.1.0-18-amd64', 'usr/lib/modules/6.1.0-18-amd64/virtio_blk.ko'],
  },
  'RHEL 9, Alma, Rocky, Fedora': {
    tree: {
      '/etc/os-release': 'ID="rhel"\nPRETTY_NAME="RHEL 9.4"\n',
      '/sbin/init': { link: '../lib/systemd/systemd' },
      '/etc/fstab': '/dev/mapper/rhel-root / xfs defaults 0 0\n/dev/sda1 /boot xfs defaults 0 0\n',
      '/etc/selinux/config': 'SELINUX=enforcing\n',
      '/etc/lvm/devices/system.devices': 'IDTYPE=sys_wwid\n',
      '/boot/grub2/grub.cfg': 'blscfg\n',
      '/boot/grub2/grubenv':
        `# GRUB Environment Block\nkernelopts=root=/dev/mapper/rhel-root resume=/dev/sda2\n`.padEnd(
          1024,
          '#',
        ),
      '/boot/loader/entries/a.conf':
        'title RHEL\nversion 5.14.0-427.el9.x86_64\nlinux /vmlinuz-5.14.0-427.el9.x86_64\ninitrd /initramfs-5.14.0-427.el9.x86_64.img\noptions root=/dev/mapper/rhel-root resume=/dev/sda2\n',
      '/etc/NetworkManager/system-connections/ens192.nmconnection':
        '[connection]\ntype=ethernet\ninterface-name=ens192\n[ipv4]\nmethod=manual\naddress1=192.0.2.7/24\n',
      ...kernel(
        '5.14.0-427.el9.x86_64',
        '.ko.xz',
        true,
        '/boot/vmlinuz-5.14.0-427.el9.x86_64',
        '/boot/initramfs-5.14.0-427.el9.x86_64.img',
      ),
    },
    ids: [
      'names.fstab',
      'names.kernel',
      'initramfs.5.14.0-427.el9.x86_64',
      'network.names',
      'caches.devices',
      'selinux.relabel',
    ],
    texts: {
      '/etc/fstab': '/dev/mapper/rhel-root / xfs defaults 0 0\nUUID=one /boot xfs defaults 0 0\n',
      '/boot/loader/entries/a.conf': /root=\/dev\/mapper\/rhel-root resume=UUID=two\n$/,
      '/boot/grub2/grubenv': /^.{1024}$/s,
      [pin('ens192')]: /Name=ens192\n/,
    },
    added: [
      '/boot/initramfs-5.14.0-427.el9.x86_64.img',
      'usr/lib/modules/5.14.0-427.el9.x86_64/virtio_blk.ko.xz',
    ],
  },
  'RHEL 6, CentOS 6, Oracle 6': {
    tree: {
      '/etc/redhat-release': 'CentOS release 6.10 (Final)\n',
      '/sbin/init': 'x',
      '/etc/inittab': 'id:3:initdefault:\n',
      '/etc/fstab': '/dev/sda3 / ext4 defaults 1 1\n',
      '/boot/grub/grub.conf':
        'default=0\ntitle CentOS\n\troot (hd0,2)\n\tkernel /boot/vmlinuz-2.6.32-754.el6.x86_64 ro root=/dev/sda3 quiet\n\tinitrd /boot/initramfs-2.6.32-754.el6.x86_64.img\n',
      '/boot/grub/device.map': '(hd0) /dev/sda\n',
      '/etc/sysconfig/network-scripts/ifcfg-eth0': `DEVICE=eth0\nHWADDR=${mac}\nBOOTPROTO=none\nIPADDR=192.0.2.7\n`,
      '/etc/udev/rules.d/70-persistent-net.rules': `SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{address}=="${mac}", ATTR{type}=="1", KERNEL=="eth*", NAME="eth0"\n`,
      ...kernel(
        '2.6.32-754.el6.x86_64',
        '.ko',
        false,
        '/boot/vmlinuz-2.6.32-754.el6.x86_64',
        '/boot/initramfs-2.6.32-754.el6.x86_64.img',
      ),
    },
    ids: [
      'names.fstab',
      'names.kernel',
      'names.device-map',
      'initramfs.2.6.32-754.el6.x86_64',
      'network.names',
    ],
    texts: {
      '/boot/grub/grub.conf': / ro root=UUID=three quiet\n/,
      '/boot/grub/device.map': '(hd0) /dev/vda\n',
      '/etc/udev/rules.d/70-persistent-net.rules': /"00:50:56:00:00:01".* NAME="eth0"\n$/,
    },
    added: ['/boot/initramfs-2.6.32-754.el6.x86_64.img', 'lib/modules/2.6.32-754.el6.x86_64/virtio_blk.ko'],
  },
  SUSE: {
    tree: {
      '/etc/os-release': 'ID="sles"\nID_LIKE="suse"\nPRETTY_NAME="SLES 15"\n',
      '/sbin/init': { link: '../usr/lib/systemd/systemd' },
      '/etc/fstab': '/dev/disk/by-id/scsi-36000c29-part3 / btrfs defaults 0 0\n',
      '/etc/default/grub':
        'GRUB_CMDLINE_LINUX_DEFAULT="resume=/dev/disk/by-path/pci-0000:03:00.0-part2 quiet"\n',
      '/boot/grub2/grub.cfg': grub(
        '5.14.21-default',
        'UUID=three',
        'resume=/dev/disk/by-path/pci-0000:03:00.0-part2',
      ),
      '/etc/sysconfig/network/ifcfg-eth0': "BOOTPROTO='static'\nIPADDR='192.0.2.7/24'\n",
      ...kernel(
        '5.14.21-default',
        '.ko.zst',
        false,
        '/boot/vmlinuz-5.14.21-default',
        '/boot/initrd-5.14.21-default',
      ),
    },
    ids: ['names.fstab', 'names.kernel', 'initramfs.5.14.21-default', 'network.names'],
    texts: {
      '/etc/fstab': 'UUID=three / btrfs defaults 0 0\n',
      '/etc/default/grub': 'GRUB_CMDLINE_LINUX_DEFAULT="resume=UUID=two quiet"\n',
      '/boot/grub2/grub.cfg': / root=UUID=three ro resume=UUID=two\n/,
      [pin('eth0')]: /Name=eth0\n/,
    },
    added: ['/boot/initrd-5.14.21-default', 'lib/modules/5.14.21-default/virtio_blk.ko.zst'],
  },
  Alpine: {
    tree: {
      '/etc/os-release': 'ID=alpine\nPRETTY_NAME="Alpine Linux v3.19"\n',
      '/sbin/init': { link: '/bin/busybox' },
      '/sbin/openrc': 'x',
      '/etc/runlevels/default/sshd': 'x',
      '/etc/fstab': '/dev/sda3\t/\text4\trw,relatime 0 1\n',
      '/boot/extlinux.conf':
        'DEFAULT lts\nLABEL lts\n  LINUX vmlinuz-lts\n  INITRD initramfs-lts\n  APPEND root=/dev/sda3 modules=sd-mod,ext4 quiet\n',
      '/etc/network/interfaces': 'auto eth0\niface eth0 inet static\n address 192.0.2.7/24\n',
      ...kernel('6.6.14-0-lts', '.ko.gz', false, '/boot/vmlinuz-lts', '/boot/initramfs-lts'),
    },
    ids: ['names.fstab', 'names.kernel', 'initramfs.6.6.14-0-lts'],
    texts: {
      '/etc/fstab': 'UUID=three\t/\text4\trw,relatime 0 1\n',
      '/boot/extlinux.conf': /APPEND root=UUID=three modules=sd-mod,ext4 quiet\n$/,
    },
    added: ['/boot/initramfs-lts', 'lib/modules/6.6.14-0-lts/virtio_blk.ko.gz'],
  },
  Arch: {
    tree: {
      '/etc/os-release': 'ID=arch\nPRETTY_NAME="Arch Linux"\n',
      '/usr/sbin/init': { link: '../lib/systemd/systemd' },
      '/etc/fstab': '/dev/sda3 / ext4 rw 0 1\n/dev/sda1 /boot vfat rw 0 2\n',
      '/boot/loader/loader.conf': 'default arch.conf\n',
      '/boot/loader/entries/arch.conf':
        'title Arch\nlinux /vmlinuz-linux\ninitrd /intel-ucode.img\ninitrd /initramfs-linux.img\noptions root=/dev/sda3 rw\n',
      '/boot/EFI/systemd/systemd-bootx64.efi': 'x',
      '/etc/systemd/network/20-wired.network': '[Match]\nName=en*\n[Network]\nDHCP=yes\n',
      '/boot/intel-ucode.img': 'x',
      ...kernel(
        '6.7.4-arch1-1',
        '.ko.zst',
        true,
        '/usr/lib/modules/6.7.4-arch1-1/vmlinuz',
        '/boot/initramfs-linux.img',
      ),
      '/boot/vmlinuz-linux': bzImage('6.7.4-arch1-1'),
    },
    target: { firmware: 'uefi' },
    ids: ['names.fstab', 'names.kernel', 'initramfs.6.7.4-arch1-1', 'efi.fallback'],
    texts: {
      '/etc/fstab': 'UUID=three / ext4 rw 0 1\nUUID=one /boot vfat rw 0 2\n',
      '/boot/loader/entries/arch.conf': /options root=UUID=three rw\n$/,
    },
    added: ['/boot/initramfs-linux.img', 'usr/lib/modules/6.7.4-arch1-1/virtio_blk.ko.zst'],
  },
};

function bzImage(release: string): Buffer {
  const image = Buffer.alloc(0x1000);
  image.write('HdrS', 0x202);
  image.writeUInt16LE(0x20f, 0x206);
  image.writeUInt16LE(0x400, 0x20e);
  image.write(`${release} (x) #1`, 0x600);
  return image;
}

it.each(Object.entries(cases))('%s', async (_family, { tree, target, ids, texts, added }) => {
  const done = await carried(tree, target);
  expect(done.findings).toEqual([]);
  expect(done.ids).toEqual(ids);
  for (const [path, text] of Object.entries(texts))
    expect(await done.tree.view.text(path), path).toEqual(
      typeof text === 'string' ? text : expect.stringMatching(text),
    );
  const append = done.edits.find((edit) => edit.kind === 'append');
  if (append?.kind !== 'append') throw new Error('nothing is added to an initramfs');
  const names: string[] = [];
  for await (const found of readInitramfs(append.content))
    if (found.kind === 'entry') names.push(found.entry.name);
  expect([append.path, names]).toEqual([added[0], expect.arrayContaining([added[1]])]);
});

import { describe, expect, it } from 'vitest';
import { forgetHardware } from '../../../../src/guest/change/linux/caches.ts';
import { settleCloudInit } from '../../../../src/guest/change/linux/cloud-init.ts';
import { addSerialConsole, leaveXenConsole } from '../../../../src/guest/change/linux/console.ts';
import type { LinuxChange, LinuxContext } from '../../../../src/guest/change/linux/context.ts';
import { addFallbackLoader } from '../../../../src/guest/change/linux/efi-loader.ts';
import { disableForeignTools } from '../../../../src/guest/change/linux/foreign-tools.ts';
import { relabel } from '../../../../src/guest/change/linux/selinux.ts';
import { PlannedTree } from '../../../../src/guest/change/tree.ts';
import { mountedFiles } from '../../../../src/guest/mounted-files.ts';
import { type MemoryTree, memoryFiles } from '../memory-files.ts';

const system: LinuxContext['system'] = {
  name: 'Debian GNU/Linux 12',
  family: 'linux',
  architecture: 'x86_64',
  rootPartition: 1,
  confidence: 'high',
  evidence: [],
  kernels: [],
  mounts: [],
};

type Given = Partial<Omit<LinuxContext, 'target' | 'system'>> & {
  target?: Partial<LinuxContext['target']>;
  system?: Partial<LinuxContext['system']>;
};

async function changed(change: LinuxChange, files: MemoryTree, given: Given = {}) {
  const memory = memoryFiles(files);
  const tree = new PlannedTree(memory);
  const context: LinuxContext = {
    files: mountedFiles([{ mountPoint: '/', files: memory }]),
    nics: [],
    volumes: [],
    reports: [],
    wish: { changes: 'needed' },
    signal: new AbortController().signal,
    ...given,
    system: { ...system, ...given.system },
    target: {
      ...{
        product: 'qemu',
        disks: [{ bus: 'virtio' }],
        nics: [],
        firmware: 'bios',
        console: 'screen',
        cloud: false,
      },
      ...given.target,
    },
  };
  const findings = await change(tree, context);
  return { tree, findings, ids: tree.changes.map((c) => c.id) };
}

const edits = ({ tree }: { tree: PlannedTree }) =>
  tree.changes.flatMap((c) => c.edits.map((e) => `${e.kind} ${'path' in e ? e.path : e.key}`));

describe('changes of a Linux guest', () => {
  it('drop lists of known disks, and the old display driver', async () => {
    const done = await changed(forgetHardware, {
      '/etc/lvm/devices/system.devices': 'IDTYPE=sys_wwid\n',
      '/etc/X11/xorg.conf': 'Section "Device"\n  Driver "vmware"\nEndSection\n',
    });
    expect(edits(done)).toEqual(['remove /etc/lvm/devices/system.devices', 'write /etc/X11/xorg.conf']);
    expect(await done.tree.view.text('/etc/X11/xorg.conf')).toContain('Driver "modesetting"');
  });

  it('take the console from Xen, and put it on the serial port where there is nothing else', async () => {
    const files = {
      '/boot/grub/grub.cfg': 'menuentry x {\n\tlinux /vmlinuz root=UUID=1 console=hvc0 ro\n\tinitrd /i\n}\n',
      '/etc/default/grub':
        'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX="console=hvc0"\nGRUB_TIMEOUT=5\n',
      '/boot/loader/entries/a.conf': 'title a\noptions root=UUID=1 ro\n',
    };
    const plain = await changed(leaveXenConsole, files);
    expect(plain.ids).toEqual(['console.xen']);
    expect(await plain.tree.view.text('/boot/grub/grub.cfg')).toMatch(/root=UUID=1 +ro\n\tinitrd/);
    const there = { ...files, '/etc/kernel/cmdline': 'root=UUID=1 console=ttyS0\n' };
    expect((await changed(addSerialConsole, there)).ids).toEqual([]);
    const { tree, ids } = await changed(addSerialConsole, there, { target: { console: 'serial' } });
    expect(ids).toEqual(['console.serial']);
    expect(await tree.view.text('/boot/grub/grub.cfg')).toMatch(
      /ro console=tty0 console=ttyS0,115200n8\n\tinitrd/,
    );
    expect(await tree.view.text('/boot/loader/entries/a.conf')).toMatch(
      /ro console=tty0 console=ttyS0,115200n8\n$/,
    );
    expect(await tree.view.text('/etc/default/grub')).toBe(
      'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX="console=hvc0 console=tty0 console=ttyS0,115200n8"\nGRUB_TIMEOUT=5\n',
    );
    expect(await tree.view.text('/etc/kernel/cmdline')).toBe('root=UUID=1 console=ttyS0\n');
  });

  it('put the console on the serial port when that is asked for, wherever arguments are kept', async () => {
    const files = {
      '/etc/kernel/cmdline': 'root=UUID=1 ro\n',
      '/etc/update-extlinux.conf': 'default_kernel_opts="quiet"\n',
      '/boot/loader/entries/a.conf': 'linux /linux\noptions ro\n',
      '/boot/extlinux.conf': 'LABEL x\n  LINUX vmlinuz-lts\n  APPEND ro\n',
      '/boot/efi/EFI/redhat/grub.cfg': '  linuxefi /vmlinuz ro\n  initrdefi /i\n',
      '/boot/grub2/grubenv': 'kernelopts=root=UUID=1 console=hvc0 ro\n'.padEnd(1024, '#'),
    };
    const wish = { changes: 'none', add: { serialConsole: true } } as const;
    const { tree, ids } = await changed(addSerialConsole, files, { wish });
    expect(ids).toEqual(['console.serial']);
    const now = await Promise.all(Object.keys(files).map((path) => tree.view.text(path)));
    const added = 'console=tty0 console=ttyS0,115200n8';
    expect(now.slice(0, 5)).toEqual([
      `root=UUID=1 ro ${added}\n`,
      `default_kernel_opts="quiet ${added}"\n`,
      `linux /linux\noptions ro ${added}\n`,
      `LABEL x\n  LINUX vmlinuz-lts\n  APPEND ro ${added}\n`,
      `  linuxefi /vmlinuz ro ${added}\n  initrdefi /i\n`,
    ]);
    const left = await changed(leaveXenConsole, files);
    expect(await left.tree.view.text('/boot/grub2/grubenv')).toMatch(/^kernelopts=root=UUID=1 +ro\n#+$/);
    expect((await left.tree.view.text('/boot/grub2/grubenv'))!.length).toBe(1024);
  });

  it('copy the own loader to where firmware looks for one', async () => {
    const uefi = { target: { firmware: 'uefi' as const } };
    const files = {
      '/boot/efi/EFI/debian/shimx64.efi': 'shim',
      '/boot/efi/EFI/debian/grubx64.efi': 'grub',
      '/boot/efi/EFI/debian/grub.cfg': '',
    };
    expect(edits(await changed(addFallbackLoader, files, uefi))).toEqual([
      'folder /boot/efi/EFI/BOOT',
      'copy /boot/efi/EFI/BOOT/BOOTX64.EFI',
      'copy /boot/efi/EFI/BOOT/grubx64.efi',
    ]);
    expect((await changed(addFallbackLoader, files)).ids).toEqual([]);
    const there = { ...files, '/boot/efi/EFI/boot/bootx64.efi': 'shim' };
    expect((await changed(addFallbackLoader, there, uefi)).ids).toEqual([]);
    const none = await changed(addFallbackLoader, { '/efi/EFI/tools/x.efi': '' }, uefi);
    expect(none.findings.map((f) => f.rule)).toEqual(['guest.no-loader']);
  });

  it('switch off the tools of the hypervisor that is left, and no others', async () => {
    const files = {
      '/usr/lib/systemd/system/open-vm-tools.service': '',
      '/etc/systemd/system/vboxadd.service': '',
      '/etc/systemd/system/multi-user.target.wants/vboxadd.service': { link: '../vboxadd.service' },
      '/etc/rc3.d/S20xe-linux-distribution': { link: '../init.d/xe-linux-distribution' },
      '/lib/systemd/system/qemu-guest-agent.service': '',
    };
    const done = await changed(disableForeignTools, files);
    expect(edits(done)).toEqual([
      'link /etc/systemd/system/open-vm-tools.service',
      'remove /etc/systemd/system/multi-user.target.wants/vboxadd.service',
      'remove /etc/rc3.d/S20xe-linux-distribution',
    ]);
    expect((await changed(disableForeignTools, files, { target: { product: 'vmware' } })).ids).toEqual([
      'tools.virtualbox',
      'tools.xen',
    ]);
  });

  it('keep cloud-init from making another machine of it, where there is no cloud', async () => {
    const cloudInit = { enabled: true };
    expect((await changed(settleCloudInit, {})).ids).toEqual([]);
    expect((await changed(settleCloudInit, {}, { system: { cloudInit } })).ids).toEqual([
      'cloud-init.elsewhere',
    ]);
    const off = { '/etc/cloud/cloud-init.disabled': '' };
    const cloud = await changed(settleCloudInit, off, { system: { cloudInit }, target: { cloud: true } });
    expect(cloud.ids).toEqual(['cloud-init.on']);
    const wish = { changes: 'needed' as const, add: { cloudInit: false } };
    expect((await changed(settleCloudInit, {}, { system: { cloudInit }, wish })).ids).toEqual([
      'cloud-init.off',
    ]);
  });

  it('have SELinux label what was written', async () => {
    const both: LinuxChange = async (tree, context) => [
      ...(await forgetHardware(tree, context)),
      ...(await relabel(tree, context)),
    ];
    const files = { '/etc/blkid.tab': '' };
    expect((await changed(both, files, { system: { selinux: 'enforcing' } })).ids).toEqual([
      'caches.devices',
      'selinux.relabel',
    ]);
    expect((await changed(both, files)).ids).toEqual(['caches.devices']);
    expect((await changed(both, {}, { system: { selinux: 'enforcing' } })).ids).toEqual([]);
  });
});

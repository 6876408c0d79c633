import { describe, expect, it } from 'vitest';
import { changeDeviceNames } from '../../../../src/guest/change/linux/device-names.ts';
import { placeOfName, stableNames } from '../../../../src/guest/change/linux/stable-names.ts';
import type { GuestTarget } from '../../../../src/guest/change/target.ts';
import { PlannedTree } from '../../../../src/guest/change/tree.ts';
import { type MemoryTree, memoryFiles } from '../memory-files.ts';

const target: GuestTarget = {
  product: 'qemu',
  disks: [{ bus: 'virtio' }, { bus: 'virtio' }],
  nics: [],
  firmware: 'bios',
  console: 'screen',
  cloud: false,
};

const volumes = [
  { disk: 0, partition: 1, kind: 'ext4', uuid: 'aaaa', partUuid: '0001-01' },
  { disk: 0, partition: 5, kind: 'swap', uuid: 'bbbb', partUuid: '0001-05' },
  { disk: 1, partition: 1, kind: 'lvm2-pv', partUuid: '0002-01' },
];

async function changed(files: MemoryTree, identities = volumes) {
  const tree = new PlannedTree(memoryFiles(files));
  const findings = await changeDeviceNames(tree, stableNames(identities), target);
  const now: Record<string, string | undefined> = {};
  for (const path of Object.keys(files)) now[path] = await tree.view.text(path);
  return { now, findings, ids: tree.changes.map((c) => c.id) };
}

describe('names of disks', () => {
  it.each([
    ['/dev/sda', 0, 0],
    ['/dev/sdb3', 1, 3],
    ['/dev/xvda2', 0, 2],
    ['/dev/sdaa1', 26, 1],
    ['/dev/nvme1n1p2', 1, 2],
    ['/dev/ubd0', 0, 0],
  ])('%s is disk %i, partition %i', (device, disk, partition) => {
    expect(placeOfName(device, 3)).toEqual({ disk, partition });
  });

  it.each(['UUID=1', '/dev/mapper/vg-root', '/dev/vg0/root', '/dev/cdrom', '/dev/sr0', 'tmpfs', 'LABEL=x'])(
    '%s holds anywhere',
    (device) => expect(placeOfName(device, 1)).toBeUndefined(),
  );

  it.each([
    ['root=/dev/disk/by-path/pci-0000:03:00.0-part1', 'root=UUID=aaaa'],
    ['"resume=/dev/disk/by-path/pci-0000:03:00.0-part5"', '"resume=UUID=bbbb"'],
    ['cryptdevice=/dev/disk/by-path/pci-0000:03:00.0-part1:root', 'cryptdevice=UUID=aaaa:root'],
    ['cryptdevice=/dev/disk/by-id/ata-X-part1:root', 'cryptdevice=UUID=aaaa:root'],
    ['cryptdevice=/dev/sda1:root', 'cryptdevice=UUID=aaaa:root'],
    ['cryptdevice=/dev/disk/by-path/pci-0000:03:00.0:root', undefined],
  ])('%s in arguments of the kernel', async (before, after) => {
    const path = '/etc/kernel/cmdline';
    const { now } = await changed({ [path]: `ro ${before} quiet` }, volumes.slice(0, 2));
    expect(now[path]).toBe(`ro ${after ?? before} quiet`);
  });

  it('become UUIDs in fstab and crypttab; nothing else is touched', async () => {
    const { now, ids, findings } = await changed({
      '/etc/fstab':
        '# /dev/sda1 was on /\n/dev/sda1\t/  ext4 errors=remount-ro 0 1\n/dev/sda5 none swap sw 0 0\nUUID=q /x ext4\n/dev/sr0 /media/cdrom0 udf ro\n',
      '/etc/crypttab': 'data /dev/sdb1 none luks\n',
    });
    expect(now['/etc/fstab']).toBe(
      '# /dev/sda1 was on /\nUUID=aaaa\t/  ext4 errors=remount-ro 0 1\nUUID=bbbb none swap sw 0 0\nUUID=q /x ext4\n/dev/sr0 /media/cdrom0 udf ro\n',
    );
    expect(now['/etc/crypttab']).toBe('data PARTUUID=0002-01 none luks\n');
    expect(ids).toEqual(['names.fstab']);
    expect(findings).toEqual([]);
  });

  it('become UUIDs on the command line, PARTUUIDs for a kernel without an initramfs', async () => {
    const env = `# GRUB Environment Block\nkernelopts=root=/dev/sda1 ro resume=/dev/sda5\n`.padEnd(1024, '#');
    const { now, ids } = await changed({
      '/etc/default/grub': 'GRUB_CMDLINE_LINUX="root=/dev/sda1 resume=/dev/sda5 quiet"\n',
      '/boot/grub/grub.cfg': '\tlinux /vmlinuz root=/dev/sda1 ro\n\tinitrd /initrd.img\n',
      '/boot/extlinux.conf': 'LABEL x\n  LINUX /vmlinuz\n  APPEND root=/dev/sda1 ro\n',
      '/boot/loader/entries/a.conf': 'options root=/dev/sda1 ro\ninitrd /initramfs\n',
      '/boot/grub2/grubenv': env,
      '/boot/grub/device.map': '(hd0) /dev/sda\n(hd1)\t/dev/sdb\n',
    });
    expect(now['/etc/default/grub']).toBe('GRUB_CMDLINE_LINUX="root=UUID=aaaa resume=UUID=bbbb quiet"\n');
    expect(now['/boot/grub/grub.cfg']).toContain('root=UUID=aaaa ro');
    expect(now['/boot/extlinux.conf']).toContain('root=PARTUUID=0001-01 ro');
    expect(now['/boot/loader/entries/a.conf']).toContain('root=UUID=aaaa ro');
    expect(now['/boot/grub2/grubenv']).toHaveLength(1024);
    expect(now['/boot/grub2/grubenv']).toContain('root=UUID=aaaa ro resume=UUID=bbbb\n#');
    expect(now['/boot/grub/device.map']).toBe('(hd0) /dev/vda\n(hd1)\t/dev/vdb\n');
    expect(ids).toEqual(['names.kernel', 'names.device-map']);
  });

  it('that nothing was found for stay, and are told', async () => {
    const { now, findings } = await changed({
      '/etc/fstab': '/dev/sdc1 /data ext4\n/dev/disk/by-id/x-part1 /y xfs\n',
    });
    expect(now['/etc/fstab']).toContain('/dev/sdc1 /data');
    expect(findings.map((f) => f.evidence)).toEqual(['/dev/sdc1', '/dev/disk/by-id/x-part1']);
  });
});

import { expect, test } from 'vitest';
import { detailLines, hardwareInWords, layersOf } from '../../../src/screens/image/detail-view.ts';
import { knownSystem } from '../../model/known-system.ts';
import { item, machine } from '../states.ts';
import { broken, layeredImage, surveyed } from '../states-run.ts';

const text = (of: typeof surveyed) =>
  detailLines(of).map((line) => (typeof line === 'string' ? line : line.text));

test('a machine in full: place, system, hardware, disks with partitions and layers, adapters, findings', () => {
  expect(text(surveyed)).toEqual([
    '/srv/images/web-frontend.qcow2',
    'System: Debian GNU/Linux 12 (bookworm), x86_64',
    'Machine: disk image, 2 processors, 2 GiB memory, BIOS',
    'Disk web-frontend.qcow2: qcow2 (v3, zlib), 20 GiB, 1.5 GiB data, on virtio',
    '  GPT, starts by UEFI',
    '  #1 512 MiB vfat, "EFI"',
    '  #2 19 GiB ext4, "root", 3 GiB used, DIRTY',
    '  over /srv/images/debian-12.qcow2, qcow2 (v2)',
    '  cluster_size 65536, lazy_refcounts yes',
    'Adapter 1: virtio, 52:54:00:12:34:56, on default',
    'WARNING: the filesystem was not unmounted',
    '  seen in #2',
    'NOTE: 3 clusters are leaked',
  ]);
});

test('a failure comes first, with place and hint', () => {
  expect(text(broken)[0]).toBe(
    'ERROR: the grain directory lies at 0x90000, the file ends at 0x80000 (/srv/images/old-backup.vmdk); copy it again; it was cut short',
  );
});

test('files are listed where there are several', () => {
  const disk = { id: 'd', name: 'x.vmdk', files: ['/a/x.vmdk', '/a/x-s001.vmdk'] };
  expect(text(item(machine(1, { disks: [disk] })))).toEqual(
    expect.arrayContaining(['Disk x.vmdk', '  2 files:', '    /a/x.vmdk', '    /a/x-s001.vmdk']),
  );
});

test('layers go down to the last', () => {
  expect(layersOf(layeredImage).map((layer) => layer.variant)).toEqual(['v3, zlib', 'v2']);
});

test('of a plain image nothing is known', () => {
  expect(hardwareInWords({ id: 'x', name: 'x', state: 'off', disks: [], nics: [], findings: [] })).toBe(
    'nothing is known of its hardware',
  );
  expect(
    hardwareInWords(machine(1, { state: 'running', firmware: { kind: 'uefi', secureBoot: true } })),
  ).toBe('disk image, 2 processors, 2 GiB memory, UEFI with secure boot, running');
});

test('what was found inside takes the place of what the environment says', () => {
  const [id, report] = Object.entries(surveyed.reports)[0]!;
  const volumes = [{ name: 'vg0/root', made: 'linear', sizeBytes: 2 ** 30, why: 'a piece is missing' }];
  const found = { ...surveyed, reports: { [id]: { ...report, volumes, systems: [knownSystem] } } };
  const lines = detailLines(found);
  expect(lines[1]).toEqual({
    text: 'System: Debian GNU/Linux 12 (bookworm), x86_64, called web',
    tone: 'title',
  });
  expect(lines).toEqual(
    expect.arrayContaining([
      '  kernel: 6.1.0-18-amd64: the default, initramfs by initramfs-tools',
      '  network: ens192 00:0c:29:11:22:33, 192.0.2.7/24, gateway 192.0.2.1, DNS 192.0.2.53, by interfaces',
      '  tools: open-vm-tools 2:12.1',
      '  vg0/root linear 1 GiB, a piece is missing',
    ]),
  );
});

import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { addBootDrivers } from '../../../../src/guest/change/linux/initramfs-drivers.ts';
import { PlannedTree } from '../../../../src/guest/change/tree.ts';
import { buildCpio, withFolders } from '../../../../src/guest/formats/initramfs/build-cpio.ts';
import { readInitramfs } from '../../../../src/guest/formats/initramfs/read-initramfs.ts';
import { mountedFiles } from '../../../../src/guest/mounted-files.ts';
import type { DriverPlace } from '../../../../src/model/guest-report.ts';
import { type MemoryTree, memoryFiles } from '../memory-files.ts';

const version = '6.1.0-18-amd64';
const link = 0o120777;

const merged = gzipSync(
  buildCpio([
    { name: 'lib', mode: link, content: Buffer.from('usr/lib') },
    ...withFolders([{ name: `usr/lib/modules/${version}/kernel/ext4.ko`, content: Buffer.from('x') }]),
  ]),
);

const guest: MemoryTree = {
  '/boot/initrd.img': merged,
  [`/lib/modules/${version}/modules.dep`]:
    'kernel/virtio_blk.ko: kernel/virtio_ring.ko kernel/virtio.ko\nkernel/virtio_pci.ko: kernel/virtio.ko\nkernel/virtio.ko:\nkernel/virtio_ring.ko: kernel/virtio.ko\n',
  [`/lib/modules/${version}/modules.alias`]: 'alias pci:v00001AF4* virtio_pci\n',
  [`/lib/modules/${version}/kernel/virtio_blk.ko`]: 'blk',
  [`/lib/modules/${version}/kernel/virtio_pci.ko`]: 'pci',
  [`/lib/modules/${version}/kernel/virtio_ring.ko`]: 'ring',
  [`/lib/modules/${version}/kernel/virtio.ko`]: 'virtio',
};

async function changed(drivers: Record<string, DriverPlace>, files: MemoryTree = guest) {
  const memory = memoryFiles(files);
  const tree = new PlannedTree(memory);
  const findings = await addBootDrivers(tree, {
    system: {
      ...{ name: 'Debian', family: 'linux', rootPartition: 1, confidence: 'high', evidence: [] },
      ...{ kernels: [version], mounts: [] },
      bootKernels: [{ version, initramfs: '/boot/initrd.img', isDefault: true, drivers }],
    },
    files: mountedFiles([{ mountPoint: '/', files: memory }]),
    target: {
      ...{
        product: 'qemu',
        disks: [{ bus: 'virtio' }],
        nics: [],
        firmware: 'bios',
        console: 'screen',
        cloud: false,
      },
    },
    ...{
      nics: [],
      volumes: [],
      reports: [],
      wish: { changes: 'needed' },
      signal: new AbortController().signal,
    },
  });
  return { tree, findings };
}

describe('drivers that the root is reached by', () => {
  it('are added behind the initramfs, where it has its modules, with what they need and the lists', async () => {
    const { tree, findings } = await changed({ virtio_pci: 'builtin', virtio_blk: 'module' });
    expect(findings).toEqual([]);
    const [keep, add] = tree.changes[0]!.edits;
    expect(keep).toMatchObject({ kind: 'copy', path: '/boot/initrd.img.before-vmferry' });
    if (add?.kind !== 'append') throw new Error('nothing is appended');
    const names: string[] = [];
    for await (const found of readInitramfs(Buffer.concat([merged, add.content])))
      if (found.kind === 'entry') names.push(`${found.segment.index} ${found.entry.name}`);
    expect(names).toContain('0 lib');
    expect(names).not.toContain('1 lib');
    expect(names.filter((name) => /^1 .*\.(ko|dep|alias)$/.test(name)).sort()).toEqual(
      [
        'kernel/virtio.ko',
        'kernel/virtio_blk.ko',
        'kernel/virtio_ring.ko',
        'modules.alias',
        'modules.dep',
      ].map((name) => `1 usr/lib/modules/${version}/${name}`),
    );
  });

  it('are found under the names that the guest has for them, where its modules were unpacked for the initramfs', async () => {
    const home = `/lib/modules/${version}`;
    const { tree } = await changed(
      { virtio_pci: 'builtin', virtio_blk: 'module' },
      {
        '/boot/initrd.img': merged,
        [`${home}/modules.dep`]: 'kernel/virtio_blk.ko.zst:\nkernel/ext4.ko.zst:\nkernel/other.ko.zst:\n',
        [`${home}/kernel/virtio_blk.ko.zst`]: 'blk',
        [`${home}/kernel/ext4.ko.zst`]: 'packed',
      },
    );
    const add = tree.changes[0]!.edits[1]!;
    if (add.kind !== 'append') throw new Error('nothing is appended');
    const added: [string, string][] = [];
    const read = readInitramfs(Buffer.concat([merged, add.content]), { wanted: () => true });
    for await (const found of read)
      if (found.kind === 'entry' && found.segment.index === 1 && /\.ko/.test(found.entry.name))
        added.push([found.entry.name.slice(found.entry.name.lastIndexOf('/') + 1), `${found.entry.content}`]);
    expect(added).toEqual([
      ['virtio_blk.ko.zst', 'blk'],
      ['ext4.ko.zst', 'ext4.ko'],
    ]);
  });

  it('are left alone where they are there', async () => {
    const { tree, findings } = await changed({ virtio_pci: 'builtin', virtio_blk: 'initramfs' });
    expect([tree.changes, findings]).toEqual([[], []]);
  });

  it('that the kernel does not have at all are a blocker, as is an initramfs that is not understood', async () => {
    const none = await changed({ virtio_pci: 'missing', virtio_blk: 'module' });
    expect(none.findings.map((f) => [f.rule, f.severity])).toEqual([['guest.driver-missing', 'blocker']]);
    const odd = await changed(
      { virtio_pci: 'builtin', virtio_blk: 'module' },
      { ...guest, '/boot/initrd.img': Buffer.from('something else') },
    );
    expect(odd.findings.map((f) => [f.rule, f.severity])).toEqual([['guest.initramfs', 'blocker']]);
    expect(odd.tree.changes).toEqual([]);
  });
});

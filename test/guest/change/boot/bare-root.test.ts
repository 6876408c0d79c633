import { expect, it } from 'vitest';
import { makeBareRootStart } from '../../../../src/guest/change/boot/bare-root.ts';
import type { LinuxContext } from '../../../../src/guest/change/linux/context.ts';
import { PlannedTree } from '../../../../src/guest/change/tree.ts';
import { memoryFiles } from '../memory-files.ts';

const root = { disk: 0, partition: 1, kind: 'ext4', uuid: 'u', partUuid: 'p' };

async function findingsFor(change: Record<string, unknown>) {
  const tree = new PlannedTree(memoryFiles({ '/etc/fstab': '' }));
  const context = {
    system: { rootPartition: 1 },
    target: { product: 'qemu', firmware: 'bios', disks: [{ bus: 'virtio' }], nics: [] },
    reports: [{ partitionTable: { kind: 'mbr', bootCode: 'none' }, partitions: [], firmware: 'unknown' }],
    volumes: [root],
    wish: { changes: 'needed' },
    signal: new AbortController().signal,
    ...change,
  } as unknown as LinuxContext;
  const findings = await makeBareRootStart(tree, context);
  expect(tree.changes).toEqual([]);
  return findings.map(({ rule, message }) => `${rule}: ${message}`);
}
const report = (kind: string, bootCode: string, firmware: string) => ({
  reports: [{ partitionTable: { kind, bootCode }, partitions: [], firmware }],
});
const kernel = { wish: { changes: 'needed', kernel: { image: '/nowhere/vmlinuz' } } };

it('leaves a guest alone that something starts already', async () => {
  await expect(findingsFor(report('mbr', 'grub', 'bios'))).resolves.toEqual([]);
  await expect(findingsFor(report('gpt', 'none', 'uefi'))).resolves.toEqual([]);
  await expect(findingsFor({ system: { rootPartition: 1, bootloader: { kind: 'grub2' } } })).resolves.toEqual(
    [],
  );
  await expect(findingsFor({ target: { product: 'uml' } })).resolves.toEqual([]);
});

it('says why it can not make a guest start', async () => {
  await expect(findingsFor({})).resolves.toEqual([expect.stringMatching(/^guest\.no-kernel: /)]);
  const told = (part: RegExp) => [expect.stringMatching(part)];
  await expect(findingsFor({ ...kernel, ...report('none', 'none', 'unknown') })).resolves.toEqual(
    told(/^guest\.not-bootable: .*no partition table/),
  );
  await expect(findingsFor({ ...kernel, ...report('gpt', 'none', 'unknown') })).resolves.toEqual(told(/GPT/));
  const uefi = { target: { product: 'qemu', firmware: 'uefi', disks: [], nics: [] } };
  await expect(findingsFor({ ...kernel, ...uefi })).resolves.toEqual(told(/by a BIOS only/));
  await expect(findingsFor({ ...kernel, volumes: [] })).resolves.toEqual(told(/no UUID/));
});

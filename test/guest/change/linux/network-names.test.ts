import { describe, expect, it } from 'vitest';
import type { LinuxContext } from '../../../../src/guest/change/linux/context.ts';
import { keepNetworkNames } from '../../../../src/guest/change/linux/network-names.ts';
import type { TargetNic } from '../../../../src/guest/change/target.ts';
import { PlannedTree } from '../../../../src/guest/change/tree.ts';
import { mountedFiles } from '../../../../src/guest/mounted-files.ts';
import type { GuestInterface } from '../../../../src/model/guest-report.ts';
import { type MemoryTree, memoryFiles } from '../memory-files.ts';

const macs = ['00:50:56:00:00:01', '00:50:56:00:00:02'] as const;
const named = (name: string, more: Partial<GuestInterface> = {}): GuestInterface => ({
  ...{ name, method: 'static', addresses: ['192.0.2.7/24'], system: 'ifcfg' },
  ...more,
});

interface Given {
  readonly interfaces: readonly GuestInterface[];
  readonly nics: readonly TargetNic[];
  readonly will?: readonly TargetNic[];
  readonly system?: Partial<LinuxContext['system']>;
  readonly files?: MemoryTree;
}

async function changed({ interfaces, nics, will = nics, system = {}, files = {} }: Given) {
  const memory = memoryFiles(files);
  const tree = new PlannedTree(memory);
  const findings = await keepNetworkNames(tree, {
    system: {
      ...{
        name: 'x',
        family: 'linux',
        rootPartition: 1,
        confidence: 'high',
        evidence: [],
        kernels: [],
        mounts: [],
      },
      ...{ init: 'systemd', interfaces },
      ...system,
    },
    files: mountedFiles([{ mountPoint: '/', files: memory }]),
    target: { product: 'qemu', disks: [], nics: will, firmware: 'bios', console: 'screen', cloud: false },
    ...{ nics, volumes: [], reports: [], wish: { changes: 'needed' }, signal: new AbortController().signal },
  });
  const written: Record<string, string | undefined> = {};
  for (const change of tree.changes)
    for (const edit of change.edits)
      if ('path' in edit && edit.kind !== 'folder') written[edit.path] = await tree.view.text(edit.path);
  return { findings, written };
}

const rules = '/etc/udev/rules.d/70-persistent-net.rules';

describe('names of network interfaces', () => {
  it('are pinned to the MAC address', async () => {
    const { written, findings } = await changed({ interfaces: [named('ens192')], nics: [{ mac: macs[0] }] });
    expect(findings).toEqual([]);
    expect(written).toEqual({
      '/etc/systemd/network/10-vmferry-ens192.link': `[Match]\nMACAddress=${macs[0]}\n\n[Link]\nName=ens192\n`,
    });
  });

  it('go by the MAC address where the guest has it, by their order else', async () => {
    const crossed = await changed({
      interfaces: [named('ens192', { mac: macs[1] }), named('ens224'), named('br0'), named('lo')],
      nics: macs.map((mac) => ({ mac })),
    });
    expect(crossed.written['/etc/systemd/network/10-vmferry-ens192.link']).toContain(macs[1]);
    expect(crossed.written['/etc/systemd/network/10-vmferry-ens224.link']).toContain(macs[0]);
    const order = await changed({
      interfaces: [named('eth10'), named('eth9')],
      nics: macs.map((mac) => ({ mac })),
    });
    expect(order.written['/etc/systemd/network/10-vmferry-eth9.link']).toContain(macs[0]);
  });

  it('are told where it is not known which is which', async () => {
    const { written, findings } = await changed({
      interfaces: [named('a0'), named('a1')],
      nics: [{ mac: macs[0] }],
    });
    expect([written, findings.map((f) => f.rule)]).toEqual([{}, ['guest.interfaces']]);
  });

  it('of a new MAC address take it along in the configuration', async () => {
    const files = {
      '/etc/sysconfig/network-scripts/ifcfg-ens192': `DEVICE=ens192\nHWADDR=${macs[0].toUpperCase()}\n`,
    };
    const file = Object.keys(files)[0]!;
    const interfaces = [named('ens192', { mac: macs[0], file })];
    const now = await changed({ files, interfaces, nics: [{ mac: macs[0] }], will: [{ mac: macs[1] }] });
    expect(now.written[file]).toBe(`DEVICE=ens192\nHWADDR=${macs[1]}\n`);
    const unknown = await changed({
      files,
      interfaces,
      nics: [{ mac: macs[0] }],
      will: [{ model: 'virtio' }],
    });
    expect(unknown.written[file]).toBe(`DEVICE=ens192\n#HWADDR=${macs[0].toUpperCase()}\n`);
    expect(unknown.written['/etc/systemd/network/10-vmferry-ens192.link']).toContain(
      'Driver=virtio_pci virtio_net\n',
    );
  });

  it('are pinned by udev where there is no systemd, in the place of what it had written down', async () => {
    const { written } = await changed({
      files: { [rules]: 'old' },
      interfaces: [named('eth0')],
      nics: [{ mac: macs[0] }],
      system: { init: 'sysvinit' },
    });
    expect(written[rules]).toContain(`ATTR{address}=="${macs[0]}", ATTR{type}=="1", NAME="eth0"\n`);
  });

  it('need no pin where the one card is called eth0 anyway', async () => {
    const { written } = await changed({
      interfaces: [named('eth0')],
      nics: [{ mac: macs[0] }],
      system: { bootloader: { kind: 'grub2', arguments: 'quiet net.ifnames=0' } },
    });
    expect(written).toEqual({});
  });
});

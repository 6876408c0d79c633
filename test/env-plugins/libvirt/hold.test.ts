/** What a real libvirt here can't show: an agent inside, a device, a full disk. */
import { expect, it } from 'vitest';
import type { Libvirt } from '../../../src/env-plugins/libvirt/connect.ts';
import { readDomain } from '../../../src/env-plugins/libvirt/domain-xml.ts';
import { holdDomain } from '../../../src/env-plugins/libvirt/hold.ts';
import type { Host } from '../../../src/io/host/host.ts';
import { localHost } from '../../../src/io/host/local-host.ts';
import { AppError } from '../../../src/model/errors.ts';

const signal = new AbortController().signal;
const options = { runId: 'run', signal, report: () => undefined };
const uuid = '3f2504e0-4f89-41d3-9a0c-0305e82c3399';
const overlay = (dev: string, folder: string) => `${folder}/vmferry-run-3f2504e0-${dev}.qcow2`;

const domainOf = (disks: string) =>
  readDomain(
    Buffer.from(`<domain type='kvm' id='1'><name>n</name><uuid>${uuid}</uuid><os><type>hvm</type></os><devices>${disks}
      <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='connected'/></channel>
    </devices></domain>`),
    'n',
  );
const disk = (dev: string, source: string, more = '') =>
  `<disk type='${source.startsWith('/dev') ? 'block' : 'file'}'><source ${source.startsWith('/dev') ? 'dev' : 'file'}='${source}'/><target dev='${dev}'/>${more}</disk>`;

/** virsh is told what to do and does nothing; `df` says what is free. */
function fake(freeKib: number, virsh: (args: readonly string[]) => void) {
  const said: string[][] = [];
  const host: Host = {
    ...localHost(),
    async run(args) {
      const text =
        args[0] === 'df'
          ? `Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/a 9 1 ${freeKib} 5% /\n`
          : '';
      return { code: 0, stdout: Buffer.from(text), stderr: '' };
    },
  };
  const libvirt: Libvirt = {
    host,
    uri: 'x',
    async virsh(args) {
      said.push([...args]);
      virsh(args);
      return '';
    },
  };
  return { libvirt, said };
}

/** The machine before, and after its snapshot; `merged` when the overlays are gone again. */
function changing(before: string, after: string) {
  let now = before;
  const look = async () => ({ domain: domainOf(now), machine: domainOf(now).machine });
  return {
    look,
    virsh(args: readonly string[]) {
      if (args[0] === 'snapshot-create-as') now = after;
      if (args[0] === 'blockcommit') now = before;
    },
    start: { domain: domainOf(before), machine: domainOf(before).machine, look },
  };
}

it('asks the agent inside to stop the filesystems, and goes on without where it can not', async () => {
  for (const works of [true, false]) {
    const machine = changing(disk('vda', '/i/a'), disk('vda', overlay('vda', '/i')));
    const { libvirt, said } = fake(99e6, (args) => {
      if (!works && args.includes('--quiesce')) throw new AppError('io', 'libvirt: agent error');
      machine.virsh(args);
    });
    const held = await holdDomain(libvirt, machine.start, new Map(), options);
    const snapshots = said.filter(([name]) => name === 'snapshot-create-as');
    expect(snapshots.map((words) => words.includes('--quiesce'))).toEqual(works ? [true] : [true, false]);
    expect(held.findings.map((f) => f.rule)).toEqual(works ? [] : ['libvirt.not-quiesced']);
    expect(await held.release()).toEqual([]);
  }
});

it('puts what a device gets beside another disk, and holds no disk that can not be', async () => {
  const others = `${disk('vdb', '/i, x/b')}${disk('vdc', '/i/c', '<shareable/>')}${disk('vdd', '/i/d', '<readonly/>')}${disk('vde', '/i/e', "<mirror job='copy'/>")}`;
  const machine = changing(
    `${disk('vda', '/dev/vg/a')}${others}`,
    `${disk('vda', overlay('vda', '/i, x'))}${disk('vdb', overlay('vdb', '/i, x'))}`,
  );
  const { libvirt, said } = fake(99e6, machine.virsh);
  const held = await holdDomain(libvirt, machine.start, new Map(), options);
  expect(said[0]!.filter((word) => word.startsWith('--diskspec'))).toEqual([
    '--diskspec=vda,snapshot=external,driver=qcow2,file=/i,, x/vmferry-run-3f2504e0-vda.qcow2',
    '--diskspec=vdb,snapshot=external,driver=qcow2,file=/i,, x/vmferry-run-3f2504e0-vdb.qcow2',
    '--diskspec=vdc,snapshot=no',
    '--diskspec=vdd,snapshot=no',
    '--diskspec=vde,snapshot=no',
  ]);
  expect(held.findings.map((f) => [f.rule, f.evidence])).toEqual([
    ['libvirt.disk-not-held', 'vdc: c'],
    ['libvirt.disk-not-held', 'vde: e'],
  ]);
  await held.release();
});

it('begins nothing without room for what is written meanwhile', async () => {
  const machine = changing(disk('vda', '/i/a'), '');
  const full = fake(1000, machine.virsh);
  await expect(holdDomain(full.libvirt, machine.start, new Map(), options)).rejects.toMatchObject({
    kind: 'no-space',
  });
  expect(full.said).toEqual([]);
  const none = changing(disk('vda', '/i/a', '<shareable/>'), '');
  await expect(holdDomain(full.libvirt, none.start, new Map(), options)).rejects.toMatchObject({
    kind: 'unsupported',
  });
});

it('reads nothing when the snapshot did not become what it should, and takes it back', async () => {
  const machine = changing(
    `${disk('vda', '/i/a')}${disk('vdb', '/i/b')}`,
    `${disk('vda', overlay('vda', '/i'))}${disk('vdb', '/i/b')}`,
  );
  const { libvirt, said } = fake(99e6, machine.virsh);
  const held = new Map();
  await expect(holdDomain(libvirt, machine.start, held, options)).rejects.toMatchObject({
    kind: 'io',
    message: expect.stringContaining('disk vdb is not on its overlay'),
  });
  expect(said.map(([name]) => name)).toEqual(['snapshot-create-as', 'blockcommit']);
  expect(held.size).toBe(0);
});

it('says what is left when it can not be undone', async () => {
  const after = disk('vda', overlay('vda', '/i'));
  const machine = changing(disk('vda', '/i/a'), after);
  const { libvirt } = fake(99e6, (args) => {
    if (args[0] === 'blockcommit') throw new AppError('io', 'libvirt: no');
    machine.virsh(args);
  });
  const held = await holdDomain(libvirt, machine.start, new Map(), options);
  const words = await held.release();
  expect(words).toHaveLength(1);
  expect(words[0]).toContain(overlay('vda', '/i'));
  expect(words[0]).toContain('virsh blockcommit');
});

it('notices that somebody merged its overlay while it was read', async () => {
  const machine = changing(disk('vda', '/i/a'), disk('vda', overlay('vda', '/i')));
  const { libvirt } = fake(99e6, machine.virsh);
  const held = await holdDomain(libvirt, machine.start, new Map(), options);
  await held.verify!(signal);
  machine.virsh(['blockcommit']);
  await expect(held.verify!(signal)).rejects.toMatchObject({
    kind: 'conflict',
    message: expect.stringContaining('disk vda was let go'),
  });
  await held.release();
});

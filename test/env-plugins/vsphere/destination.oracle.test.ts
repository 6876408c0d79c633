/** Machines delivered to vcsim, judged by pyVmomi, and their disks by qemu-img. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import type { Machine, MachineDisk } from '../../../src/model/machine.ts';
import { MiB } from '../../../src/model/units.ts';
import { compareImages } from '../../oracles/qemu-img.ts';
import { describeWith } from '../../oracles/requires.ts';
import { badLink } from '../../servers/bad-link.ts';
import { pyvmomiTools, startVcsim, type Vcsim, vcsimTools } from '../../servers/vcsim.ts';
import { tempFolder } from '../../temp.ts';
import { connected, never } from './connected.ts';
import { plainMachine, requestFor, send, sent, stream } from './deliver.ts';
import { python } from './pyvmomi.ts';

/** A file of the simulator's datastore; undefined where there is none. */
function fetched(server: Vcsim, path: string, datacenter = 'DC0'): Promise<Buffer | undefined> {
  const url = `https://127.0.0.1:${server.port}/folder/${path}?dcPath=${datacenter}&dsName=LocalDS_0`;
  return new Promise((resolve, reject) => {
    get(url, { rejectUnauthorized: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk) => chunks.push(chunk));
      answer.on('end', () => resolve(answer.statusCode === 200 ? Buffer.concat(chunks) : undefined));
    }).on('error', reject);
  });
}

const contentOf = (bytes: number): Buffer => {
  const content = Buffer.alloc(bytes);
  randomBytes(MiB + 77).copy(content, 1000);
  randomBytes(512).copy(content, bytes - 512);
  return content;
};

async function expectSame(stored: Buffer | undefined, content: Buffer): Promise<void> {
  const folder = await tempFolder();
  await writeFile(join(folder, 'there.vmdk'), stored ?? Buffer.alloc(0));
  await writeFile(join(folder, 'here.raw'), content);
  await compareImages(join(folder, 'there.vmdk'), 'vmdk', join(folder, 'here.raw'), 'raw');
}

const diskOf = (id: string, content: Buffer, more: Partial<MachineDisk> = {}): MachineDisk => ({
  ...{ id, name: `${id}.img`, files: [], virtualSizeBytes: content.length },
  ...more,
});

const names = 'out = sorted(vms)';

/** What pyVmomi tells of a machine. */
const described = (name: string) =>
  [
    `v = vms[${JSON.stringify(name)}]`,
    'f = v.config',
    'dev = f.hardware.device',
    'by = {d.key: d for d in dev}',
    'kind = lambda d: type(d).__name__.split(".")[-1]',
    'disks = [d for d in dev if isinstance(d, vim.vm.device.VirtualDisk)]',
    'cards = [d for d in dev if isinstance(d, vim.vm.device.VirtualEthernetCard)]',
    'out = {"guest": f.guestId, "cpus": f.hardware.numCPU, "memory": f.hardware.memoryMB,',
    ' "firmware": f.firmware, "secure": bool(f.bootOptions and f.bootOptions.efiSecureBootEnabled),',
    ' "note": f.annotation, "uuid": f.uuid, "version": f.version, "folder": v.parent.name,',
    ' "pool": v.resourcePool.owner.name, "power": v.runtime.powerState, "vmx": f.files.vmPathName,',
    ' "disks": [[kind(by[d.controllerKey]), by[d.controllerKey].busNumber, d.unitNumber, d.capacityInKB,',
    '   d.backing.thinProvisioned, bool(d.backing.eagerlyScrub), d.backing.diskMode, d.backing.fileName] for d in disks],',
    ' "cards": [[kind(d), d.macAddress, d.addressType, d.connectable.startConnected,',
    '   getattr(d.backing, "deviceName", None) or d.backing.port.portgroupKey] for d in cards],',
    ' "cdroms": len([d for d in dev if isinstance(d, vim.vm.device.VirtualCdrom)])}',
  ].join('\n');

const full = (first: Buffer, second: Buffer): Machine => ({
  ...plainMachine,
  name: 'web & mail',
  description: 'the <shop>',
  processors: { count: 4, coresPerSocket: 2 },
  memoryBytes: 1026 * MiB,
  firmware: { kind: 'uefi', secureBoot: true },
  system: { name: 'Debian GNU/Linux 11', family: 'linux', architecture: 'x86_64' },
  uuid: '4210b0a8-0000-1111-2222-333344445555',
  disks: [
    diskOf('a', first, { bus: 'scsi', controllerModel: 'pvscsi', controller: 0, unit: 0 }),
    diskOf('b', second, { bus: 'sata', controller: 0, unit: 3 }),
  ],
  nics: [
    { mac: '52:54:00:12:34:56', model: 'vmxnet3', network: 'VM Network' },
    { mac: '52:54:00:12:34:57', model: 'virtio', network: 'DC0_DVPG0', connected: false },
  ],
  devices: { cdroms: [{}] },
});

describeWith([...vcsimTools, ...pyvmomiTools, 'qemu-img'], 'vSphere as destination', () => {
  it('delivers a UEFI machine with two disks to a vCenter, all as it was told', async () => {
    const server = await startVcsim();
    const session = await connected(server);
    const [first, second] = [contentOf(9 * MiB + 512), contentOf(3 * MiB)];
    const nvram = Buffer.concat([Buffer.from('MRVN'), randomBytes(1000)]);
    const fields = await session.destination!.fields!(never);
    const choices = Object.fromEntries(fields.map(({ key, choices }) => [key, choices]));
    expect(choices.place).toContain('DC0_C0');
    expect(choices.datastore).toContain('LocalDS_0');
    expect(choices.network).toEqual(expect.arrayContaining(['VM Network', 'DC0_DVPG0']));
    expect(await session.destination!.networks!(never)).toEqual(choices.network);

    const settings = { place: 'DC0_C0', provisioning: 'eager', hardware: '13' };
    const request = requestFor(full(first, second), { settings, nvram });
    const delivery = await sent(session, request, [first, second]);
    const places = await delivery.commit();
    expect(places).toEqual([
      `127.0.0.1:${server.port} vm/web & mail`,
      '[LocalDS_0] web & mail/web & mail.vmx',
    ]);
    const told = (await python(server, described('web & mail'))) as { cards: unknown[][] };
    expect(told).toEqual({
      ...{ guest: 'debian10_64Guest', cpus: 4, memory: 1028, firmware: 'efi', secure: true },
      ...{ note: 'the <shop>', uuid: '4210b0a8-0000-1111-2222-333344445555', version: 'vmx-13' },
      ...{ folder: 'vm', pool: 'DC0_C0', power: 'poweredOff', vmx: places[1], cdroms: 1 },
      disks: [
        [
          'ParaVirtualSCSIController',
          0,
          0,
          9217,
          false,
          true,
          'persistent',
          '[LocalDS_0] web & mail/web & mail.vmdk',
        ],
        [
          'VirtualAHCIController',
          0,
          3,
          3072,
          false,
          true,
          'persistent',
          '[LocalDS_0] web & mail/web & mail_1.vmdk',
        ],
      ],
      cards: [
        ['VirtualVmxnet3', '52:54:00:12:34:56', 'manual', true, 'VM Network'],
        ['VirtualE1000', '52:54:00:12:34:57', 'manual', false, expect.stringContaining('dvportgroup')],
      ],
    });
    await expectSame(await fetched(server, 'web%20&%20mail/web%20&%20mail.vmdk'), first);
    await expectSame(await fetched(server, 'web%20&%20mail/web%20&%20mail_1.vmdk'), second);
    expect(await fetched(server, 'web%20&%20mail/web%20&%20mail.nvram')).toEqual(nvram);
    expect(await delivery.start!(never)).toBe('running');
    await delivery.rollback(); // after the commit it does nothing
    expect(await python(server, 'out = vms["web & mail"].runtime.powerState')).toBe('poweredOn');
  });

  it('delivers to an ESXi host, with what that makes by itself', async () => {
    const server = await startVcsim({ esx: true });
    const session = await connected(server);
    const content = contentOf(2 * MiB);
    const machine = {
      ...plainMachine,
      name: 'a/b%',
      disks: [diskOf('a', content)],
      nics: [{ mac: '00:11:22:33:44:55' }],
    };
    const settings = { keepMac: 'no' };
    const delivery = await sent(session, requestFor(machine, { settings }), [content]);
    const [, vmx] = await delivery.commit();
    const told = (await python(server, described('a%2fb%25'))) as { cards: string[][]; disks: string[][] };
    expect(told).toMatchObject({ firmware: 'bios', secure: false, vmx, guest: 'otherGuest64' });
    expect(told.disks).toEqual([
      ['VirtualLsiLogicController', 0, 0, 2048, true, false, 'persistent', expect.any(String)],
    ]);
    expect(told.cards[0]!.slice(2)).toEqual(['generated', true, 'VM Network']);
    expect(told.cards[0]![1]).not.toBe('00:11:22:33:44:55');
    const path = told.disks[0]![7]!.replace(/^\[LocalDS_0\] /, '');
    await expectSame(
      await fetched(server, encodeURIComponent(path).replaceAll('%2F', '/'), 'ha-datacenter'),
      content,
    );
    const machines: string[] = [];
    await session.source!.list({ signal: never, found: ({ name }) => machines.push(name) });
    expect(machines).toContain('a/b%');
  });

  it('leaves nothing behind: cancelled, cut, refused, its session ended', async () => {
    vi.stubEnv('VCSIM_IMPORT_REFUSES', '1');
    const server = await startVcsim();
    vi.unstubAllEnvs();
    const before = await python(server, names);
    const content = contentOf(2 * MiB);
    const machine = { ...plainMachine, name: 'gone', disks: [diskOf('a', content), diskOf('b', content)] };
    const bytes = await stream(content);
    const expectNothing = async () => {
      expect(await python(server, names)).toEqual(before);
      expect(await fetched(server, 'gone/gone.vmdk')).toBeUndefined();
      expect(await fetched(server, 'gone/gone.vmx')).toBeUndefined();
    };
    const proxy = await badLink(server.port);
    const session = await connected({ ...server, port: proxy.port });
    const { destination } = session;

    const cancel = new AbortController();
    const cancelled = await destination!.begin(requestFor(machine, { signal: cancel.signal }));
    expect(await python(server, names)).toContain('gone');
    const sink = await cancelled.sink({ name: 'a.vmdk' });
    await sink.write(bytes.subarray(0, 70_000), 0);
    cancel.abort();
    await expect(sink.write(bytes.subarray(70_000), 70_000)).rejects.toMatchObject({ kind: 'cancelled' });
    await cancelled.rollback();
    await cancelled.rollback();
    await expectNothing();

    const lost = await destination!.begin(requestFor(machine));
    const cutSink = await lost.sink({ name: 'a.vmdk' });
    await cutSink.write(bytes.subarray(0, 70_000), 0);
    proxy.cut();
    await expect(
      cutSink.write(bytes.subarray(70_000), 70_000).then(() => cutSink.finish(bytes.length)),
    ).rejects.toMatchObject({
      kind: 'unreachable',
    });
    await lost.rollback();
    await expectNothing();

    const refused = await destination!.begin(requestFor(machine));
    await send(refused, 'a.vmdk', bytes);
    await expect(send(refused, 'b.vmdk', bytes)).rejects.toMatchObject({
      kind: 'io',
      message: expect.stringContaining('HTTP 500'),
    });
    await expect(refused.commit()).rejects.toThrow();
    await refused.rollback();
    await expectNothing();

    const single = { ...machine, disks: machine.disks.slice(0, 1) };
    const ended = await destination!.begin(requestFor(single));
    await send(ended, 'a.vmdk', bytes);
    const others =
      'c.sessionManager.TerminateSession([s.key for s in c.sessionManager.sessionList if s.key != c.sessionManager.currentSession.key])';
    await python(server, others);
    await expect(ended.commit()).rejects.toThrow(); // the simulator's leases end with their session
    await ended.rollback();
    await expectNothing();
    await proxy.close();
  });

  it('says beforehand what stands in the way', async () => {
    const server = await startVcsim();
    const session = await connected(server);
    const content = contentOf(2 * MiB);
    const machine = { ...plainMachine, name: 'DC0_H0_VM0', disks: [diskOf('a', content)] };
    const rules = async (more: Parameters<typeof requestFor>[1], other: Partial<Machine> = {}, bytes = 1) => {
      const request = requestFor({ ...machine, ...other }, more);
      const findings = await session.destination!.check(request, ['a.vmdk'], bytes);
      return findings.filter(({ severity }) => severity === 'blocker').map(({ rule }) => rule);
    };
    expect(await rules({ force: true })).toEqual(['vsphere.exists']);
    await expect(session.destination!.begin(requestFor(machine))).rejects.toMatchObject({ kind: 'conflict' });
    expect(await rules({ settings: { place: 'nowhere' } }, { name: 'x' })).toEqual([
      'vsphere.place-not-found',
    ]);
    expect(await rules({}, { name: 'x' }, 2 ** 52)).toEqual(['vsphere.no-space']);
    expect(await rules({ settings: { hardware: '21' } }, { name: 'x' })).toEqual([
      'vsphere.no-such-hardware',
    ]);
    expect(await rules({}, { name: 'x'.repeat(81) })).toEqual(['vsphere.name-impossible']);
    expect(await rules({}, { name: 'x', disks: [] })).toEqual(['vsphere.no-disk']);
    expect(await rules({ settings: { hardware: '7' } }, { name: 'x', firmware: { kind: 'uefi' } })).toEqual(
      expect.arrayContaining(['vmware.no-uefi']),
    );
    const large = [{ ...machine.disks[0]!, virtualSizeBytes: 63 * 2 ** 40 }];
    expect(await rules({}, { name: 'x', disks: large })).toContain('vmware.disk-too-large');
    expect(await rules({}, { name: 'x' })).toEqual([]);
  });
});

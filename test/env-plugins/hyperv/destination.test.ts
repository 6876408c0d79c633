import { renameSync } from 'node:fs';
import { access, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Delivery, DeliveryRequest } from '../../../src/env-plugins/plugin.ts';
import { targetModules } from '../../../src/guest/change/target.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { startHyperV } from '../../servers/hyperv.ts';
import { tempFolder } from '../../temp.ts';
import { MiB, never, sessionAt } from './host.ts';

const machine: Machine = {
  id: 'm',
  name: "web $(calc) `x` 'y' ü",
  state: 'off',
  system: { name: 'Debian', family: 'linux' },
  processors: { count: 4 },
  memoryBytes: 1025 * MiB,
  firmware: { kind: 'uefi', secureBoot: true },
  disks: [
    { id: 'a', name: 'a', virtualSizeBytes: 3 * MiB, files: [] },
    { id: 'b', name: 'b', virtualSizeBytes: 3 * MiB, files: [] },
    { id: 'c', name: 'c', virtualSizeBytes: 3 * MiB, files: [] },
  ],
  nics: [{ mac: '52:54:00:ab:cd:ef', network: 'LAN' }, { network: 'br0' }],
  devices: { cdroms: [{}] },
  findings: [],
};
const bios: Machine = { ...machine, firmware: { kind: 'bios' } };
const names = ['a.vhdx', 'b.vhdx', 'c.vhdx'];

const requestFor = (more: Partial<DeliveryRequest> = {}): DeliveryRequest => ({
  name: machine.name,
  machine,
  settings: {},
  force: false,
  sync: false,
  runId: '20260101-000000-abcd',
  signal: never,
  ...more,
});

const content = (name: string) => Buffer.from(`content of ${name}`);

async function send(delivery: Delivery): Promise<void> {
  for (const name of names) {
    const sink = await delivery.sink({ name });
    await sink.write(content(name), 100_000);
    await sink.finish(200_000);
  }
}

async function started() {
  const host = await startHyperV(await tempFolder());
  return { host, session: await sessionAt(host), folder: join(host.root, 'VMs', machine.name) };
}

describe('a delivery to Hyper-V', () => {
  it('makes files of these bytes, and a machine of generation 2 of them', async () => {
    const { host, session, folder } = await started();
    const delivery = await session.destination!.begin(requestFor());
    await send(delivery);
    expect((await readdir(folder)).every((name) => name.endsWith('.vmferry-20260101-000000-abcd.part'))).toBe(
      true,
    );
    expect(host.vms).toEqual([]);
    const places = await delivery.commit();
    expect(places.slice(1)).toEqual(names.map((name) => `C:\\VMs\\${machine.name}\\${name}`));
    for (const name of names) {
      const bytes = await readFile(join(folder, name));
      expect(bytes).toHaveLength(200_000);
      expect(bytes.subarray(100_000, 100_000 + content(name).length).equals(content(name))).toBe(true);
    }
    expect(host.vms).toMatchObject([
      {
        name: machine.name,
        state: 'Off',
        disks: [0, 1, 2].map((unit) => ({ bus: 'SCSI', controller: 0, unit, path: places[unit + 1] })),
        more: {
          generation: 2,
          processors: 4,
          memory: 1026 * MiB,
          secureBoot: 'On',
          secureBootTemplate: 'MicrosoftUEFICertificateAuthority',
          notes: 'made by vmferry, run 20260101-000000-abcd',
          dvds: [{ bus: 'SCSI' }],
          adapters: [
            { mac: '525400ABCDEF', network: 'LAN' },
            { mac: '000000000000', network: 'LAN' },
          ],
        },
      },
    ]);
    expect(await delivery.start!(never)).toBe('running');
    await delivery.rollback();
    expect(host.vms).toHaveLength(1);
    // Nothing that comes from a name is ever in a command: it is the same one each time.
    expect(new Set(host.commands).size).toBe(1);
  });

  it('of generation 1 starts from IDE; the guest is told what it will find', async () => {
    const { host, session } = await started();
    const request = requestFor({ machine: bios, settings: { network: 'Default Switch', keepMac: 'no' } });
    const delivery = await session.destination!.begin(request);
    await send(delivery);
    await delivery.commit();
    const { disks, more } = host.vms[0]!;
    expect(disks.map(({ bus, controller, unit }) => `${bus} ${controller}:${unit}`)).toEqual([
      'IDE 0:0',
      'IDE 0:1',
      'SCSI 0:0',
    ]);
    expect(more).toMatchObject({
      generation: 1,
      dvds: [{ bus: 'IDE' }],
      adapters: [
        { mac: '000000000000', network: 'LAN' },
        { mac: '000000000000', network: 'Default Switch' },
      ],
    });
    const hardware = await session.destination!.hardware!(request);
    expect(hardware).toMatchObject({
      disks: [{ bus: 'ide' }, { bus: 'ide' }, { bus: 'scsi', controllerModel: 'hyperv' }],
      nics: [{ model: 'netvsc' }, { model: 'netvsc' }],
      firmware: { kind: 'bios' },
    });
    expect(targetModules).toEqual(expect.arrayContaining(['hv_storvsc', 'hv_netvsc']));
  });

  it('leaves nothing when it is taken back, or the host refuses, or dies in the middle', async () => {
    const { host, session, folder } = await started();
    const gone = async () => {
      expect(host.vms).toEqual([]);
      await expect(access(folder)).rejects.toMatchObject({ code: 'ENOENT' });
    };
    const half = await session.destination!.begin(requestFor());
    const sink = await half.sink({ name: 'a.vhdx' });
    await sink.write(Buffer.from('a'), 0);
    await half.rollback();
    await half.rollback();
    await gone();

    const refused = await session.destination!.begin(requestFor());
    await send(refused);
    const error = {
      message: 'Zu wenig Speicher',
      id: 'X',
      category: 'ResourceUnavailable',
      code: -2147024784,
    };
    host.instead.set('make', () => ({ version: 1, error }));
    await expect(refused.commit()).rejects.toMatchObject({ kind: 'no-space' });
    await refused.rollback();
    await gone();

    // It was made, and the answer was lost: what is ours is known by its notes, and other machines are left alone.
    const unheard = await session.destination!.begin(requestFor());
    await send(unheard);
    const other = {
      id: 'x',
      name: 'other',
      state: 'Off',
      disks: [],
      checkpoints: [],
      more: { notes: 'mine' },
    };
    host.instead.set('make', ({ notes }) => {
      host.vms.push(other, { ...other, name: machine.name, more: { notes } });
      for (const name of names)
        renameSync(join(folder, `${name}.vmferry-20260101-000000-abcd.part`), join(folder, name));
      return 'lost';
    });
    await expect(unheard.commit()).rejects.toMatchObject({ kind: 'corrupt' });
    await unheard.rollback();
    expect(host.vms).toEqual([other]);
    host.vms.length = 0;
    await gone();
  });

  it('never takes the place of a machine or a folder that is there', async () => {
    const { host, session } = await started();
    const first = await session.destination!.begin(requestFor());
    const rival = await session.destination!.begin(requestFor({ runId: 'rival' }));
    await send(first);
    await expect(rival.sink({ name: 'a.vhdx' })).rejects.toMatchObject({ kind: 'conflict' });
    await rival.rollback();
    await first.commit();
    await expect(session.destination!.begin(requestFor({ force: true }))).rejects.toMatchObject({
      kind: 'conflict',
    });
    expect(host.vms).toHaveLength(1);
  });

  it('is checked before: names, formats, folders, switches, sizes', async () => {
    const { session } = await started();
    const check = async (more: Partial<DeliveryRequest>, files = names, bytes = 0) =>
      (await session.destination!.check(requestFor(more), files, bytes)).map(({ rule }) => rule);
    expect(await check({ nvram: Buffer.from('x') })).toEqual([
      'hyperv.nvram-left',
      'hyperv.memory-rounded',
      'network.changed',
      'hyperv.secure-boot',
      'machine.parts-not-carried',
    ]);
    for (const name of ['a/b', 'a:b', 'con', 'a.', '', 'x[1]', 'a\nb', 'a\u001b[31m'])
      expect(await check({ name })).toContain('hyperv.name-impossible');
    expect(await check({}, ['a.vhd'])).toContain('hyperv.vhd-generation-2');
    expect(await check({ machine: bios }, ['a.vhd'])).not.toContain('hyperv.vhd-generation-2');
    expect(await check({}, ['a.qcow2'])).toContain('hyperv.no-vhdx');
    expect(await check({ settings: { folder: '\\\\server\\share' } })).toContain('hyperv.folder-impossible');
    expect(await check({ settings: { folder: 'E:\\' } })).toContain('hyperv.drive-not-found');
    expect(await check({ settings: { network: 'none' } })).toContain('hyperv.switch-not-found');
    expect(await check({}, names, 1e12)).toContain('hyperv.no-space');
    const large = { ...machine, processors: { count: 500 }, memoryBytes: 2 ** 40 };
    expect(await check({ machine: large })).toEqual(
      expect.arrayContaining(['hyperv.processors-many', 'hyperv.memory-large']),
    );
    const fields = await session.destination!.fields!(never);
    expect(fields.map(({ key, default: usual }) => [key, usual])).toEqual([
      ['folder', 'C:\\VMs\\'],
      ['network', 'LAN'],
      ['keepMac', 'yes'],
      ['secureBoot', 'automatic'],
    ]);
  });
});

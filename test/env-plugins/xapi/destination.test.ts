import { describe, expect, it } from 'vitest';
import type { Delivery, DeliveryRequest, Session } from '../../../src/env-plugins/plugin.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { type FakeXapi, startXapi } from '../../servers/xapi.ts';
import { addMachine, connected, MiB, never, sparseContent } from './pool.ts';

const machine: Machine = {
  id: 'm',
  name: 'new "one"\u00fc',
  state: 'off',
  processors: { count: 4, coresPerSocket: 2 },
  memoryBytes: 3000 * MiB,
  firmware: { kind: 'uefi', secureBoot: true },
  disks: [
    { id: 'a', name: 'a', virtualSizeBytes: 7 * MiB, files: [] },
    { id: 'b', name: 'b', virtualSizeBytes: 4 * MiB, files: [], readOnly: true },
  ],
  nics: [{ mac: '52:54:00:12:34:56', network: 'lan', model: 'virtio' }, { connected: false }],
  devices: { cdroms: [{}] },
  findings: [],
};

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

/** As the raw encoder gives it: what holds data, ascending. */
async function send(delivery: Delivery, name: string, content: Buffer): Promise<void> {
  const sink = await delivery.sink({ name, size: content.length });
  const piece = 65_536;
  for (let at = 0; at < content.length; at += piece) {
    const bytes = content.subarray(at, at + piece);
    if (!bytes.equals(Buffer.alloc(bytes.length))) await sink.write(bytes, at);
  }
  await sink.finish(content.length);
}

async function begun(
  request = requestFor(),
): Promise<{ server: FakeXapi; session: Session; delivery: Delivery }> {
  const server = await startXapi();
  const session = await connected(server);
  return { server, session, delivery: await session.destination!.begin(request) };
}

/** VMs but those from the start, VDIs, VBDs, VIFs, tasks. */
const things = ({ database }: FakeXapi): number[] =>
  ['VM', 'VDI', 'VBD', 'VIF', 'task'].map((kind) => database.of(kind).size - (kind === 'VM' ? 2 : 0));
const nothing = [0, 0, 0, 0, 0];

describe('a delivery to a pool', () => {
  it('makes disks of these bytes, and the machine of them', async () => {
    const nvram = Buffer.from('VARS of before');
    const { server, delivery } = await begun(requestFor({ nvram }));
    const contents = [sparseContent(7 * MiB), sparseContent(4 * MiB)];
    for (const [i, content] of contents.entries()) await send(delivery, `disk-${i}.raw`, content);
    const names = [...server.database.of('VDI').values()].map(({ name_label }) => name_label);
    expect(names).toEqual([expect.stringMatching(/^vmferry-2026/), expect.stringMatching(/^vmferry-2026/)]);
    expect(things(server)).toEqual([0, 2, 0, 0, 0]);
    const places = await delivery.commit();
    expect(places).toHaveLength(3);

    const { database } = server;
    const vm = [...database.of('VM').values()].find(({ name_label }) => name_label === machine.name)!;
    expect(vm).toMatchObject({
      VCPUs_at_startup: '4',
      memory_static_max: String(3000 * MiB),
      HVM_boot_params: { order: 'cdn', firmware: 'uefi' },
      platform: { 'device-model': 'qemu-upstream-uefi', secureboot: 'true', 'cores-per-socket': '2' },
      NVRAM: { 'EFI-variables': nvram.toString('base64') },
    });
    const drives = vm.VBDs.map((ref: string) => database.get('VBD', ref));
    expect(drives).toMatchObject([
      { userdevice: '0', bootable: true, mode: 'RW', type: 'Disk' },
      { userdevice: '1', bootable: false, mode: 'RO', type: 'Disk' },
      { userdevice: '3', type: 'CD', empty: true },
    ]);
    for (const [i, content] of contents.entries()) {
      expect(database.get('VDI', drives[i].VDI).name_label).toBe(`${machine.name} ${i}`);
      const there = database.bytes.get(drives[i].VDI)!;
      expect(there.length).toBe(Math.ceil(content.length / (2 * MiB)) * 2 * MiB);
      expect(there.subarray(0, content.length).equals(content)).toBe(true);
      expect(there.subarray(content.length).equals(Buffer.alloc(there.length - content.length))).toBe(true);
    }
    const cards = vm.VIFs.map((ref: string) => database.get('VIF', ref));
    expect(cards).toMatchObject([
      { device: '0', MAC: '52:54:00:12:34:56', network: server.network, locking_mode: 'network_default' },
      { device: '1', locking_mode: 'disabled' },
    ]);
    expect(await delivery.start!(never)).toBe('running');
    await delivery.rollback();
    expect(things(server)).toEqual([1, 2, 3, 2, 0]);
  });

  it('reads what it wrote, field by field', async () => {
    const { session, delivery } = await begun();
    for (const [i, size] of [7, 4].entries())
      await send(delivery, `disk-${i}.raw`, sparseContent(size * MiB));
    await delivery.commit();
    const back = await session.source!.inspect(machine.name, never);
    const { processors, memoryBytes, firmware } = machine;
    expect(back).toMatchObject({ name: machine.name, processors, memoryBytes, firmware });
    expect(back.disks.map(({ bus, unit, readOnly }) => [bus, unit, readOnly])).toEqual([
      ['xen', 0, undefined],
      ['xen', 1, true],
    ]);
    expect(back.nics[0]!.mac).toBe('52:54:00:12:34:56');
    expect(back.findings).toEqual([]);
  });

  it('leaves nothing after a rollback, in the middle of a disk, and twice', async () => {
    const { server, delivery } = await begun();
    await send(delivery, 'a.raw', sparseContent(7 * MiB));
    const half = await delivery.sink({ name: 'b.raw', size: 4 * MiB });
    await half.write(Buffer.alloc(100_000, 1), 0);
    await delivery.rollback();
    await delivery.rollback();
    expect(things(server)).toEqual(nothing);
  });

  it('leaves nothing when making the machine fails', async () => {
    const { server, delivery } = await begun();
    for (const [i, size] of [7, 4].entries())
      await send(delivery, `disk-${i}.raw`, sparseContent(size * MiB));
    server.answers.set('VIF.create', () => ({}));
    server.answers.set('VM.get_uuid', () => 7);
    await expect(delivery.commit()).rejects.toMatchObject({ kind: 'corrupt' });
    await delivery.rollback();
    expect(things(server)).toEqual(nothing);
  });

  it('ends when it is cancelled, and leaves nothing', async () => {
    const controller = new AbortController();
    const { server, delivery } = await begun(requestFor({ signal: controller.signal }));
    const sink = await delivery.sink({ name: 'a.raw', size: 7 * MiB });
    await sink.write(Buffer.alloc(100_000, 1), 0);
    controller.abort();
    await expect(sink.write(Buffer.alloc(100_000, 1), 200_000)).rejects.toMatchObject({ kind: 'cancelled' });
    await delivery.rollback();
    expect(things(server)).toEqual(nothing);
  });

  it('tells why the server ended it', async () => {
    const { server, delivery } = await begun();
    server.faults.cutAfter = 3 * MiB;
    await expect(send(delivery, 'a.raw', Buffer.alloc(7 * MiB, 1))).rejects.toMatchObject({
      kind: 'no-space',
      message: expect.stringMatching(/SR_BACKEND_FAILURE_44/),
    });
    await delivery.rollback();
    expect(things(server)).toEqual(nothing);
  });

  it('goes on when the session ended between', async () => {
    const { server, delivery } = await begun();
    await send(delivery, 'a.raw', sparseContent(7 * MiB));
    server.forget();
    await send(delivery, 'b.raw', sparseContent(4 * MiB));
    server.forget();
    expect(await delivery.commit()).toHaveLength(3);
  });

  it('refuses more bytes than the disk has', async () => {
    const { delivery } = await begun();
    const sink = await delivery.sink({ name: 'a.raw', size: 2 * MiB });
    await expect(sink.write(Buffer.alloc(3 * MiB), 0)).rejects.toMatchObject({ kind: 'conflict' });
    await delivery.rollback();
  });
});

describe('what is said beforehand', () => {
  const check = async (server: FakeXapi, more: Partial<DeliveryRequest> = {}, files = ['a.raw', 'b.raw']) => {
    const findings = await (await connected(server)).destination!.check(requestFor(more), files, 11 * MiB);
    return findings.map(({ rule, severity }) => `${severity} ${rule}`);
  };

  it('is the losses of a machine that fits', async () => {
    expect((await check(await startXapi())).sort()).toEqual([
      'note machine.parts-not-carried',
      'note xapi.size-rounded',
      'note xapi.sr-local',
      'warning network.changed',
    ]);
  });

  it('is a blocker for a name that is there, also when it is forced', async () => {
    const server = await startXapi();
    addMachine(server, machine.name, {}, 2 * MiB);
    expect(await check(server, { force: true })).toContain('blocker xapi.exists');
    await expect((await connected(server)).destination!.begin(requestFor())).rejects.toMatchObject({
      kind: 'conflict',
    });
  });

  it('is a blocker for places that are not there, and other formats', async () => {
    const server = await startXapi();
    expect(await check(server, { settings: { sr: 'no such' } })).toContain('blocker xapi.sr-not-found');
    expect(await check(server, { settings: { network: 'no such' } })).toContain(
      'blocker xapi.network-not-found',
    );
    expect(await check(server, {}, ['a.vhd'])).toContain('blocker xapi.no-raw');
    expect(await check(server, { name: 'a\u001b[31m' })).toContain('blocker xapi.name-impossible');
  });

  it("names another firmware's variables", async () => {
    expect(await check(await startXapi(), { nvram: Buffer.from('OVMF') })).toContain(
      'note xapi.nvram-foreign',
    );
  });

  it('offers the places of the pool', async () => {
    const session = await connected(await startXapi());
    const fields = await session.destination!.fields!(never);
    expect(fields.find(({ key }) => key === 'sr')!.choices).toEqual(['Local storage']);
    expect(await session.destination!.networks!(never)).toEqual(['Pool-wide network associated with eth0']);
  });
});

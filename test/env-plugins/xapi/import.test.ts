/** A machine delivered as one import. */
import { expect, it } from 'vitest';
import type { Delivery, DeliveryRequest } from '../../../src/env-plugins/plugin.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { type FakeXapi, startXapi } from '../../servers/xapi.ts';
import { connected, MiB, never, sparseContent } from './pool.ts';

const machine: Machine = {
  id: 'm',
  name: 'new "one" <&> \u00fc',
  state: 'off',
  memoryBytes: 3000 * MiB,
  firmware: { kind: 'uefi', secureBoot: true },
  disks: [
    { id: 'a', name: 'a', virtualSizeBytes: 4 * MiB, files: [] },
    { id: 'b', name: 'b', virtualSizeBytes: 2 * MiB + 512, files: [], readOnly: true },
  ],
  nics: [{ mac: '52:54:00:12:34:56', network: 'lan', model: 'virtio' }],
  devices: { cdroms: [{}] },
  findings: [],
};
const contents = machine.disks.map(({ virtualSizeBytes }) => sparseContent(virtualSizeBytes!));
const nvram = Buffer.from('VARS of before');

const requestFor = (more: Partial<DeliveryRequest> = {}): DeliveryRequest => ({
  name: machine.name,
  machine,
  settings: { transfer: 'xva' },
  force: false,
  sync: false,
  runId: '20260101-000000-abcd',
  nvram,
  signal: never,
  ...more,
});

async function begun(more: Partial<DeliveryRequest> = {}) {
  const server = await startXapi();
  const session = await connected(server);
  return { server, session, delivery: await session.destination!.begin(requestFor(more)) };
}

async function send(delivery: Delivery, index: number): Promise<void> {
  const content = contents[index]!;
  const sink = await delivery.sink({ name: `web-${index}.raw`, size: content.length });
  for (let at = 0; at < content.length; at += 65_536) {
    const bytes = content.subarray(at, at + 65_536);
    if (bytes.some((byte) => byte !== 0)) await sink.write(bytes, at);
  }
  await sink.finish(content.length);
}

/** VMs but those from the start, VDIs, VBDs, VIFs, tasks. */
const things = ({ database }: FakeXapi): number[] =>
  ['VM', 'VDI', 'VBD', 'VIF', 'task'].map((kind) => database.of(kind).size - (kind === 'VM' ? 2 : 0));
const nothing = [0, 0, 0, 0, 0];

it('is there under its name with its bytes, cards and variables', async () => {
  const { server, session, delivery } = await begun();
  for (const i of contents.keys()) await send(delivery, i);
  const { database } = server;
  const names = () => [...database.of('VM').values()].map(({ name_label }) => name_label);
  expect(names()).not.toContain(machine.name);
  expect(await delivery.commit()).toHaveLength(3);
  expect(names()).toContain(machine.name);
  const vm = [...database.of('VM').values()].find(({ name_label }) => name_label === machine.name)!;
  expect(vm).toMatchObject({
    memory_static_max: String(3000 * MiB),
    HVM_boot_params: { firmware: 'uefi' },
    platform: { secureboot: 'true' },
    NVRAM: { 'EFI-variables': nvram.toString('base64') },
  });
  const drives = vm.VBDs.map((ref: string) => database.get('VBD', ref));
  expect(
    drives.map(({ userdevice, mode, type }: Record<string, string>) => [userdevice, mode, type]),
  ).toEqual([
    ['0', 'RW', 'Disk'],
    ['1', 'RO', 'Disk'],
    ['3', 'RO', 'CD'],
  ]);
  for (const [i, content] of contents.entries()) {
    expect(database.get('VDI', drives[i].VDI).name_label).toBe(`${machine.name} ${i}`);
    expect(database.bytes.get(drives[i].VDI)!.subarray(0, content.length).equals(content)).toBe(true);
  }
  expect(vm.VIFs.map((ref: string) => database.get('VIF', ref))).toMatchObject([
    { MAC: '52:54:00:12:34:56', network: server.network },
  ]);
  expect(await delivery.start!(never)).toBe('running');
  await delivery.rollback();
  expect(things(server)).toEqual([1, 2, 3, 1, 0]);
  expect((await session.source!.inspect(machine.name, never)).disks).toHaveLength(2);
  expect(server.calls.filter((call) => call === '/import')).toHaveLength(1);
});

it('leaves nothing after a rollback in the middle of a disk, and twice', async () => {
  const { server, delivery } = await begun();
  await send(delivery, 0);
  const half = await delivery.sink({ name: 'b.raw', size: contents[1]!.length });
  await half.write(Buffer.alloc(100_000, 1), MiB);
  await delivery.rollback();
  await delivery.rollback();
  await expect.poll(() => things(server)).toEqual(nothing);
});

it.each(['VIF.create', 'VDI.set_name_label', 'VM.get_uuid', 'VBD.get_record'])(
  'leaves nothing when %s fails after it',
  async (method) => {
    const { server, delivery } = await begun();
    for (const i of contents.keys()) await send(delivery, i);
    server.answers.set(method, () => {
      throw new Error('x');
    });
    await expect(delivery.commit()).rejects.toMatchObject({ kind: 'io' });
    await delivery.rollback();
    expect(things(server)).toEqual(nothing);
  },
);

it('ends when it is cancelled, and leaves nothing', async () => {
  const controller = new AbortController();
  const { server, delivery } = await begun({ signal: controller.signal });
  const sink = await delivery.sink({ name: 'a.raw', size: 4 * MiB });
  await sink.write(Buffer.alloc(2 * MiB, 1), 0);
  controller.abort();
  await expect(sink.write(Buffer.alloc(MiB, 1), 3 * MiB)).rejects.toMatchObject({ kind: 'cancelled' });
  await delivery.rollback();
  await expect.poll(() => things(server)).toEqual(nothing);
});

it('tells why the server ended it', async () => {
  const { server, delivery } = await begun();
  server.faults.cutAfter = MiB;
  const sending = async () => {
    for (const i of contents.keys()) await send(delivery, i);
    await delivery.commit();
  };
  await expect(sending()).rejects.toMatchObject({
    kind: 'no-space',
    message: expect.stringMatching(/SR_BACKEND_FAILURE_44/),
  });
  await delivery.rollback();
  expect(things(server)).toEqual(nothing);
});

it('is offered as a choice, disk by disk being the default', async () => {
  const session = await connected(await startXapi());
  const fields = await session.destination!.fields!(never);
  expect(fields.find(({ key }) => key === 'transfer')).toMatchObject({
    default: 'disks',
    choices: ['disks', 'xva'],
  });
  const disks = machine.disks.map(({ virtualSizeBytes: _, ...disk }) => disk);
  const unknown = requestFor({ machine: { ...machine, disks } });
  const findings = await session.destination!.check(unknown, ['a.raw'], 11 * MiB);
  expect(findings).toContainEqual(
    expect.objectContaining({ rule: 'xapi.size-unknown', severity: 'blocker' }),
  );
});

import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import { rangesOf } from '../../../src/env-plugins/xapi/changed-ranges.ts';
import { connected, listed, MiB, never, poolWithMachine } from './pool.ts';

const unit = 65_536;
const options = { runId: '20260101-000000-abcd', signal: never, report: () => undefined };

async function tracked(turnOn = true, way = 'auto') {
  const { server, made } = await poolWithMachine({ power_state: 'Running' });
  const session = await connected(
    server,
    { confirm: async (question) => /certificate/.test(question) },
    { way },
  );
  const [machine] = await listed(session);
  const tracking = await session.source!.track!(machine!, { ...options, turnOn });
  return { server, made, session, machine: machine!, tracking };
}
const disk = { id: 'device-0', size: 8 * MiB };

describe('a machine that is copied in passes', () => {
  it('tells what changed since the pass before, to the last one, and is left as it was', async () => {
    const { server, made, session, machine, tracking } = await tracked();
    const { database } = server;
    const first = await tracking.pass(options);
    expect(first.final).toBe(false);
    expect(await first.changed(disk, undefined, never)).toMatchObject({ unknown: expect.any(String) });
    expect(Object.keys(first.marks)).toEqual(['device-0']);
    await first.verify!(never);
    expect(await first.release()).toEqual([]);
    expect([...database.of('VDI').values()].map(({ type }) => type)).toEqual(['user', 'cbt_metadata']);

    made.content.fill(3, 3 * unit + 5, 5 * unit);
    const second = await tracking.pass(options);
    const ranges = [{ offset: 3 * unit, length: 2 * unit }];
    expect(await second.changed(disk, first.marks, never)).toEqual({ ranges });
    const { source } = await session.source!.open(second.machine, 'device-0', never);
    const bytes = Buffer.alloc(2 * unit);
    await source.read(bytes, 3 * unit);
    await source.close();
    expect(bytes.equals(made.content.subarray(3 * unit, 5 * unit))).toBe(true);
    expect(await second.delta!(disk, first.marks, never)).toBeUndefined();
    await second.verify!(never);
    await second.release();

    made.content[8 * MiB - 1]! ^= 1;
    await tracking.shutDown(never);
    await expect.poll(() => tracking.state(never)).toBe('off');
    const last = await tracking.pass(options);
    expect(last.final).toBe(true);
    const end = [{ offset: 8 * MiB - unit, length: unit }];
    expect(await last.changed(disk, second.marks, never)).toEqual({ ranges: end });
    await last.verify!(never);
    await last.release();
    expect(await tracking.close()).toEqual([]);
    expect([...database.of('VDI').values()]).toMatchObject([{ type: 'user', cbt_enabled: false }]);
    expect([...database.of('VM').values()].filter(({ is_a_snapshot }) => is_a_snapshot)).toEqual([]);
    expect(machine.name).toBe('web');
  });

  it.each(['auto', 'vhd'])('is sent as differences where nothing is tracked (way %s)', async (way) => {
    const { server, made, tracking } = await tracked(false, way);
    const { database } = server;
    const snapshots = () => [...database.of('VDI').values()].filter((vdi) => vdi.is_a_snapshot);
    const first = await tracking.pass(options);
    await first.verify!(never);
    await first.release();
    expect(snapshots()).toMatchObject([{ name_label: `vmferry-${options.runId} changes`, type: 'user' }]);

    // A pass that fails leaves the one before to ask with.
    const failed = await tracking.pass(options);
    await failed.release();
    expect(snapshots()).toHaveLength(1);

    made.content.fill(3, 3 * MiB, 3 * MiB + 7);
    made.content.fill(4, 4 * MiB, 4 * MiB + 7);
    const second = await tracking.pass(options);
    server.calls.length = 0;
    const delta = await second.delta!(disk, first.marks, never);
    expect(delta!.ranges).toEqual([{ offset: 2 * MiB, length: 4 * MiB }]);
    const bytes = Buffer.alloc(4 * MiB);
    await delta!.source.read(bytes, 2 * MiB);
    await delta!.source.close();
    expect(bytes.equals(made.content.subarray(2 * MiB, 6 * MiB))).toBe(true);
    expect(server.calls.filter((call) => call === '/export_raw_vdi')).toHaveLength(1);
    await second.verify!(never);
    await second.release();
    expect(snapshots()).toHaveLength(1);

    await tracking.shutDown(never);
    await expect.poll(() => tracking.state(never)).toBe('off');
    const last = await tracking.pass(options);
    const nothing = await last.delta!(disk, second.marks, never);
    expect([last.final, nothing!.ranges]).toEqual([true, []]);
    await nothing!.source.close();
    // A base that is gone, and a disk of another size: it is read as a whole.
    expect(await last.delta!(disk, { 'device-0': 'OpaqueRef:gone' }, never)).toBeUndefined();
    expect(await last.delta!({ ...disk, size: 4 * MiB }, second.marks, never)).toBeUndefined();
    await last.release();
    expect(await tracking.close()).toEqual([]);
    expect(database.of('VDI').size).toBe(1);
    expect(database.of('task').size).toBe(0);
  });

  it('that has no tools to be shut down by says so', async () => {
    const { server, made, tracking } = await tracked();
    server.database.get('VM', made.vm).has_tools = false;
    await expect(tracking.shutDown(never)).rejects.toMatchObject({ kind: 'unsupported' });
    await tracking.close();
    expect(server.database.of('task').size).toBe(0);
  });

  it('has what a run that died has kept between its passes removed', async () => {
    const { server, made } = await poolWithMachine({ power_state: 'Running' });
    const { database } = server;
    const keep = (pid: number, more: object = {}) =>
      database.vdi(server.sr, 'vmferry-other changes', Buffer.alloc(MiB), {
        ...{ is_a_snapshot: true, snapshot_of: made.vdi },
        name_description: `made by vmferry on ${hostname()}, process ${pid}; it is removed when that ends`,
        ...more,
      });
    const dead = keep(2 ** 22 + 7);
    const others = [
      keep(process.ppid),
      keep(2 ** 22 + 7, { snapshot_of: 'x' }),
      keep(1, { is_a_snapshot: false }),
    ];
    const session = await connected(server);
    const [machine] = await listed(session);
    await (await session.source!.hold!(machine!, options)).release();
    expect([...database.of('VDI').keys()]).not.toContain(dead);
    expect([...database.of('VDI').keys()]).toEqual(expect.arrayContaining(others));
  });

  it('is compared as a whole where tracking is not to be turned on', async () => {
    const { server, tracking } = await tracked(false, 'nbd');
    expect(tracking.findings.map(({ rule }) => rule)).toEqual(['xapi.tracking-off']);
    const pass = await tracking.pass(options);
    expect(await pass.changed(disk, { 'device-0': 'x' }, never)).toMatchObject({
      unknown: expect.any(String),
    });
    await pass.release();
    expect(await tracking.close()).toEqual([]);
    expect(server.database.of('VDI').size).toBe(1);
  });

  it('is compared as a whole where a mark is gone', async () => {
    const { tracking } = await tracked();
    const pass = await tracking.pass(options);
    const since = { 'device-0': 'OpaqueRef:gone' };
    expect(await pass.changed(disk, since, never)).toMatchObject({
      unknown: expect.stringMatching(/HANDLE_INVALID/),
    });
    await pass.release();
    await tracking.close();
  });
});

describe('a bitmap of changes', () => {
  it('has the highest bit first, and ends with the disk', () => {
    expect(rangesOf(Buffer.from([0b1000_0001, 0b1100_0000]), 10 * unit - 512)).toEqual({
      ranges: [
        { offset: 0, length: unit },
        { offset: 7 * unit, length: 3 * unit - 512 },
      ],
    });
    expect(rangesOf(Buffer.from([0]), 8 * unit)).toEqual({ ranges: [] });
  });

  it('that is too short says nothing', () => {
    expect(rangesOf(Buffer.from([0]), 8 * unit + 1)).toMatchObject({ unknown: expect.any(String) });
  });
});

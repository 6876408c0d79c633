/** Disks out of the export of the whole machine. */
import { expect, it } from 'vitest';
import { readBytes } from '../../../src/io/byte-source.ts';
import type { FakeXapi } from '../../servers/xapi.ts';
import { connected, listed, MiB, never, poolWithMachine, sparseContent } from './pool.ts';

/** With a second disk. */
async function twoDisks(more: Record<string, unknown> = {}) {
  const { server, made } = await poolWithMachine(more);
  const content = sparseContent(6 * MiB + 512);
  const vdi = server.database.vdi(server.sr, 'web 1', content);
  const second = { VM: made.vm, VDI: vdi, userdevice: '1', type: 'Disk', mode: 'RW', empty: false };
  server.database.attach('VBD', second);
  return { server, made, contents: [made.content, content] };
}

const opened = async (server: FakeXapi) => {
  const session = await connected(server, {}, { way: 'xva' });
  const [machine] = await listed(session);
  return { session, machine: machine!, open: (id: string) => session.source!.open(machine!, id, never) };
};
const exportsOf = ({ calls }: FakeXapi) => calls.filter((call) => call === '/export').length;

it.each([false, true])('are read in one pass, one after the other (old checksums: %s)', async (old) => {
  const { server, contents } = await twoDisks();
  server.faults.old = old;
  const { open } = await opened(server);
  const disks = [await open('device-0'), await open('device-1')];
  for (const [i, { source, findings }] of disks.entries()) {
    expect(findings).toMatchObject([{ rule: 'xapi.way', message: expect.stringMatching(/XVA/) }]);
    expect((await readBytes(source, 0, 4096)).equals(contents[i]!.subarray(0, 4096))).toBe(true);
    expect((await readBytes(source, 0, source.size)).equals(contents[i]!)).toBe(true);
  }
  for (const { source } of disks) await source.close();
  expect(exportsOf(server)).toBe(1);
  expect(server.database.of('task').size).toBe(0);
});

it('are read beside each other and again from transfers of their own', async () => {
  const { server, contents } = await twoDisks();
  const { open } = await opened(server);
  const disks = [await open('device-1'), await open('device-0')];
  await readBytes(disks[0]!.source, 0, 4096);
  const both = await Promise.all(disks.map(({ source }) => readBytes(source, 0, source.size)));
  expect(both[0]!.equals(contents[1]!) && both[1]!.equals(contents[0]!)).toBe(true);
  expect(exportsOf(server)).toBe(2);
  for (const { source } of disks) await source.close();
  expect(server.database.of('task').size).toBe(0);
});

it('of a machine that runs are those of its snapshot', async () => {
  const { server, contents } = await twoDisks({ power_state: 'Running' });
  const { session, machine, open } = await opened(server);
  const hold = await session.source!.hold!(machine, { runId: 'r1', signal: never, report: () => undefined });
  const { source } = await open('device-0');
  expect((await readBytes(source, 0, source.size)).equals(contents[0]!)).toBe(true);
  await source.close();
  expect(await hold.release()).toEqual([]);
  expect([...server.database.of('VDI').values()].filter((vdi) => vdi.is_a_snapshot)).toEqual([]);
});

it('that end too early tell why', async () => {
  const { server } = await twoDisks();
  server.faults.cutAfter = 2 * MiB;
  const { open } = await opened(server);
  const { source } = await open('device-0');
  await expect(readBytes(source, 0, source.size)).rejects.toMatchObject({
    message: expect.stringMatching(/VDI_IO_ERROR|connection was cut/),
  });
  await source.close();
  expect(server.database.of('task').size).toBe(0);
});

it('that are given up are cancelled at the server', async () => {
  const { server } = await twoDisks();
  const session = await connected(server, {}, { way: 'xva' });
  const [machine] = await listed(session);
  const controller = new AbortController();
  const { source } = await session.source!.open(machine!, 'device-1', controller.signal);
  const reading = readBytes(source, 0, source.size).then(() => 'read');
  controller.abort();
  await expect(reading).rejects.toMatchObject({ kind: 'cancelled' });
  await source.close();
  expect(server.calls).toContain('task.cancel');
  expect(server.database.of('task').size).toBe(0);
});

it('of another size than the server tells of are refused', async () => {
  const { server, made } = await twoDisks();
  const { open } = await opened(server);
  const record = server.database.get('VDI', made.vdi);
  const records = Object.fromEntries(server.database.of('VDI'));
  server.answers.set('VDI.get_all_records', () => ({
    ...records,
    [made.vdi]: { ...record, virtual_size: '512' },
  }));
  await expect(open('device-0')).rejects.toMatchObject({ kind: 'corrupt' });
  expect(server.database.of('task').size).toBe(0);
});

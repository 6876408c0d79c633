import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import type { Session } from '../../../src/env-plugins/plugin.ts';
import { connected, listed, MiB, never, poolWithMachine } from './pool.ts';

const running = { power_state: 'Running' };
const options = { runId: '20260101-000000-abcd', signal: never, report: () => undefined };

const hold = async (session: Session, more = {}) =>
  session.source!.hold!((await listed(session))[0]!, { ...options, ...more });

describe('a machine that runs', () => {
  it('is read as it was at its snapshot, which is removed with its disks', async () => {
    const { server, made } = await poolWithMachine(running);
    const session = await connected(server);
    const held = await hold(session);
    expect(held.findings.map(({ rule }) => rule)).toEqual(['xapi.not-quiesced']);
    server.database.bytes.set(made.vdi, Buffer.alloc(8 * MiB, 9));
    const { source } = await session.source!.open(held.machine, 'device-0', never);
    const bytes = Buffer.alloc(source.size);
    await source.read(bytes, 0);
    await source.close();
    expect(bytes.equals(made.content)).toBe(true);
    await held.verify!(never);
    expect(await held.release()).toEqual([]);
    expect(server.database.of('VDI').size).toBe(1);
    expect([...server.database.of('VM').values()].filter(({ is_a_snapshot }) => is_a_snapshot)).toEqual([]);
  });

  it('says so when somebody took the snapshot away', async () => {
    const { server } = await poolWithMachine(running);
    const held = await hold(await connected(server));
    const [snapshot] = [...server.database.of('VM')].find(([, { is_a_snapshot }]) => is_a_snapshot)!;
    server.database.destroyVm(snapshot);
    await expect(held.verify!(never)).rejects.toMatchObject({ kind: 'conflict' });
    await held.release();
  });

  it('keeps nothing of a hold that was cancelled', async () => {
    const { server } = await poolWithMachine(running);
    const session = await connected(server);
    const [machine] = await listed(session);
    const controller = new AbortController();
    server.answers.set('VM.set_name_description', () => {
      controller.abort();
      return '';
    });
    await expect(
      session.source!.hold!(machine!, { ...options, signal: controller.signal }),
    ).rejects.toMatchObject({ kind: 'cancelled' });
    expect(server.database.of('VDI').size).toBe(1);
  });

  it('is freed of what a run that died left, not of what another computer made', async () => {
    const { server, made } = await poolWithMachine(running);
    const { database } = server;
    const left = (run: string, host: string) => {
      const ref = database.snapshot(made.vm, `vmferry-${run}`);
      database.get('VM', ref).name_description = `made by vmferry on ${host}, process 4194304; and so on`;
    };
    left('20250101-000000-dead', hostname());
    left('20250101-000000-far', 'elsewhere');
    database.snapshot(made.vm, 'of the user');
    const held = await hold(await connected(server));
    expect(held.findings.map(({ rule }) => rule).sort()).toEqual([
      'xapi.leftover-of-others',
      'xapi.leftover-removed',
      'xapi.not-quiesced',
    ]);
    await held.release();
    const names = [...database.of('VM').values()].filter((vm) => vm.is_a_snapshot).map((vm) => vm.name_label);
    expect(names).toEqual(['vmferry-20250101-000000-far', 'of the user']);
    expect(database.of('VDI').size).toBe(3);
  });

  it('is not held twice', async () => {
    const { server } = await poolWithMachine(running);
    const session = await connected(server);
    const held = await hold(session);
    await expect(hold(session, { runId: 'other' })).rejects.toMatchObject({ kind: 'conflict' });
    await expect(hold(await connected(server), { runId: 'other' })).rejects.toMatchObject({
      kind: 'conflict',
    });
    await held.release();
  });
});

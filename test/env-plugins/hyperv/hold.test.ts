import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import type { HoldOptions } from '../../../src/env-plugins/plugin.ts';
import { bytesOf, hostWithMachine, never, sessionAt } from './host.ts';

const optionsFor = (runId = '20260101-000000-abcd'): HoldOptions => ({
  runId,
  signal: never,
  report: () => undefined,
});
/** As the name of a computer stands in a name. */
const here = hostname()
  .replace(/[^\w.-]/g, '_')
  .slice(0, 40);
const leftBy = (computer: string, process: number) => ({
  id: 'aaaaaaaa-0000-4000-8000-000000000000',
  name: `vmferry-20250101-000000-dead (${computer}, process ${process})`,
  created: '2025-01-01T00:00:00.0000000Z',
  state: 'Off',
  disks: [],
});

describe('a machine that runs', () => {
  it('is read below a checkpoint, which is removed', async () => {
    const { host, vm, expected } = await hostWithMachine('Running');
    const path = vm.disks[0]!.path;
    const { source } = await sessionAt(host);
    const machine = await source!.inspect('web', never);
    const hold = await source!.hold!(machine, optionsFor());
    expect(vm.disks[0]!.path).not.toBe(path);
    expect(hold.machine.disks[0]!.id).toBe('scsi0:0');
    expect(hold.findings).toMatchObject([{ rule: 'hyperv.quiesced' }]);
    const disk = await source!.open(machine, 'scsi0:0', never);
    expect((await bytesOf(disk)).equals(expected)).toBe(true);
    await expect(source!.hold!(machine, optionsFor('other'))).rejects.toMatchObject({ kind: 'conflict' });
    await hold.verify!(never);
    expect(await hold.release()).toEqual([]);
    expect(await hold.release()).toEqual([]);
    expect(vm).toMatchObject({ checkpoints: [], disks: [{ path }] });
    await expect(source!.open(machine, 'scsi0:0', never)).rejects.toMatchObject({ kind: 'conflict' });
  });

  it('is told when somebody removed the checkpoint, or the machine writes to what is read', async () => {
    const { host, vm } = await hostWithMachine('Running');
    const path = vm.disks[0]!.path;
    const { source } = await sessionAt(host);
    const hold = await source!.hold!(await source!.inspect('web', never), optionsFor());
    const above = vm.disks[0]!.path;
    vm.disks[0]!.path = path;
    await expect(hold.verify!(never)).rejects.toMatchObject({ kind: 'conflict' });
    vm.disks[0]!.path = above;
    await hold.verify!(never);
    // A merge that ended below it: the chain is another one.
    const told = host.vhds.get(path)!;
    host.vhds.set(path, { ...told, parent: undefined });
    await expect(hold.verify!(never)).rejects.toMatchObject({ kind: 'conflict' });
    host.vhds.set(path, told);
    await hold.verify!(never);
    vm.checkpoints.length = 0;
    await expect(hold.verify!(never)).rejects.toMatchObject({ kind: 'conflict' });
    expect(await hold.release()).toEqual([]);
  });

  it('is left alone where checkpoints are turned off, and when it is cancelled', async () => {
    const { host, vm } = await hostWithMachine('Running', { checkpointType: 'Disabled' });
    const { source } = await sessionAt(host);
    const machine = await source!.inspect('web', never);
    await expect(source!.hold!(machine, optionsFor())).rejects.toMatchObject({ kind: 'unsupported' });
    vm.more.checkpointType = 'Production';
    const cancel = new AbortController();
    host.instead.set('checkpoint', () => void cancel.abort());
    await expect(source!.hold!(machine, { ...optionsFor(), signal: cancel.signal })).rejects.toMatchObject({
      name: 'AbortError',
    });
    expect(host.ran.slice(-2)).toEqual(['checkpoint', 'remove-checkpoint']);
    expect(vm.checkpoints).toEqual([]);
  });

  it('needs no checkpoint where it does not run', async () => {
    const { host } = await hostWithMachine('Saved');
    const { source } = await sessionAt(host);
    const hold = await source!.hold!(await source!.inspect('web', never), optionsFor());
    await hold.release();
    expect(host.ran).not.toContain('checkpoint');
  });

  it('loses what a run that died left, and keeps what is somebody else’s', async () => {
    const { host, vm } = await hostWithMachine('Running');
    // A process that has ended: above every number that Linux gives.
    const dead = leftBy(here, 2 ** 31 - 5);
    const foreign = { ...leftBy('elsewhere', 1), id: 'bbbbbbbb-0000-4000-8000-000000000000' };
    const own = { ...dead, id: 'cccccccc-0000-4000-8000-000000000000', name: 'before the update' };
    vm.checkpoints.push(dead, foreign, own);
    const { source } = await sessionAt(host);
    const machine = await source!.inspect('web', never);
    expect(machine.findings.filter(({ rule }) => rule === 'hyperv.checkpoint-left')).toHaveLength(2);
    const hold = await source!.hold!(machine, optionsFor());
    expect(hold.findings.map(({ rule }) => rule)).toEqual([
      'hyperv.leftover-removed',
      'hyperv.leftover-of-others',
      'hyperv.quiesced',
    ]);
    await hold.release();
    expect(vm.checkpoints.map(({ name }) => name)).toEqual([foreign.name, own.name]);
    vm.checkpoints.push(leftBy(here, process.ppid));
    await expect(source!.hold!(machine, optionsFor())).rejects.toMatchObject({ kind: 'conflict' });
  });
});

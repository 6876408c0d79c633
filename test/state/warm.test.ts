import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { EnvironmentPlugin } from '../../src/env-plugins/plugin.ts';
import { MiB } from '../../src/model/units.ts';
import { WarmMachine } from '../convert/warm-source.ts';
import { tempFolder } from '../temp.ts';
import { between } from './between.ts';
import { memory, memoryMachine } from './memory-plugin.ts';

const warm = { shutDown: false, turnOn: false };

async function drafted() {
  const machine = new WarmMachine();
  machine.disks.set('d1', Buffer.alloc(2 * MiB, 7));
  const made = await between(memory(), memory());
  (made.services.plugins as EnvironmentPlugin[]).push(machine.plugin());
  const { dispatcher } = made;
  const folder = await tempFolder();
  await dispatcher.perform({ type: 'draft', change: { product: 'files', format: 'raw', folder, warm } });
  await dispatcher.perform({ type: 'connect', environment: 'warm' });
  await dispatcher.perform({ type: 'add-machine', id: 'm1', select: true });
  return { ...made, machine, folder };
}

describe('a machine that is copied while it runs', () => {
  it('is planned so, takes the word for its end, and its passes are told and kept', async () => {
    const { dispatcher, services, state, machine, folder, run, log } = await drafted();
    expect(state().planned.text).toContainEqual(expect.stringMatching(/^copied while it runs.*waited for$/));
    dispatcher.watch((event) => {
      if (event.type === 'run-item' && event.change.step?.startsWith('waiting until the machine is off: '))
        void dispatcher.perform({ type: 'shut-down' });
    });
    await run();
    expect(machine.shutDowns).toBe(1);
    const [item] = state().run!.items;
    expect(item).toMatchObject({ status: 'done', goesDown: true, bytes: 2 * MiB });
    expect(item!.passes?.map(({ number, last, bytesRead }) => [number, last, bytesRead])).toEqual([
      [1, false, 2 * MiB],
      [2, false, 0],
      [3, true, 0],
    ]);
    expect((await readFile(join(folder, 'web.raw'))).equals(machine.disks.get('d1')!)).toBe(true);
    expect(log()).toContainEqual(expect.stringMatching(/^info: pass 1: 2 MiB copied, 2 MiB read in/));
    const [entry] = await services.history.list();
    expect(entry).toMatchObject({ outcome: 'done', bytes: 2 * MiB });
  });

  it('has nothing to be shut down for when none is', async () => {
    const { dispatcher } = await drafted();
    await expect(dispatcher.perform({ type: 'shut-down' })).rejects.toMatchObject({ kind: 'conflict' });
  });

  it('is blocked where nothing tells what changed', async () => {
    const from = memory([memoryMachine({ state: 'running' })]);
    const { dispatcher, choose, rules } = await between(from, memory());
    await dispatcher.perform({ type: 'draft', change: { folder: await tempFolder(), warm } });
    await choose();
    expect(rules()).toContain('blocker warm.untold');
    await dispatcher.perform({ type: 'draft', change: { warm: undefined } });
    expect(rules()).not.toContain('blocker warm.untold');
  });
});

/** Copies of a machine that is copied while it runs: as it was when it was off. */
import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makePlan } from '../../src/convert/make-plan.ts';
import { runPlans } from '../../src/convert/run-plan.ts';
import { KiB, MiB } from '../../src/model/units.ts';
import { tempFolder } from '../temp.ts';
import { WarmMachine } from './warm-source.ts';

const run = '20260301-120000-abcd';

it('keeps what it was when it was off, and reads its changes once', async () => {
  const machine = new WarmMachine();
  const disk = Buffer.alloc(3 * MiB);
  randomBytes(MiB + 100).copy(disk, 4096);
  machine.disks.set('d1', disk);
  machine.onHeld = (pass) => {
    if (pass === 1) machine.write('d1', 4096, Buffer.alloc(200 * KiB, 7));
  };
  const folder = await tempFolder();
  const kept = join(folder, 'kept');
  const plan = makePlan({
    source: { environment: 'warm', settings: {}, machine: 'm1', follow: false },
    ...{
      machine: machine.machine(),
      product: 'files',
      folder: join(folder, 'out'),
      options: {},
      format: 'raw',
    },
    ...{ force: false, sync: false, warm: { shutDown: true, turnOn: false } },
    keep: { stages: ['extracted', 'changed', 'converted'], format: 'raw', place: { folder: kept } },
  });
  const passes: number[] = [];
  const [end] = await runPlans([
    {
      plan,
      context: {
        ...{ connect: machine.connect(), runId: run, signal: new AbortController().signal },
        gate: async () => undefined,
        emit: (event) => {
          if (event.type === 'pass') passes.push(event.pass.bytesRead);
        },
        lookMilliseconds: 5,
      },
    },
  ]);
  expect(end).not.toHaveProperty('error');
  expect(passes).toEqual([3 * MiB, 200 * KiB, 0]);
  expect(machine).toMatchObject({ held: 0, closed: 1, shutDowns: 1 });
  const now = machine.disks.get('d1')!;
  expect((await readFile(join(folder, 'out', 'web.raw'))).equals(now)).toBe(true);
  expect(await readdir(join(folder, 'out'))).toEqual(['web.raw']);
  for (const stage of ['extracted', 'changed', 'converted'])
    expect((await readFile(join(kept, `${run}-${stage}`, 'web.raw'))).equals(now)).toBe(true);
});

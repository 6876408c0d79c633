/** A machine as it was at one of its snapshots, chosen in the plan. */
import { expect, it } from 'vitest';
import { between } from './between.ts';
import { memory, memoryMachine } from './memory-plugin.ts';

it('is read by its own id, also while the machine runs now', async () => {
  const snapshots = [{ name: 'before', machine: 'id-web@1' }, { name: 'only listed' }];
  const now = memoryMachine({ state: 'running', snapshots });
  const from = { ...memory([now, memoryMachine({ id: 'id-web@1', name: 'then', snapshots })]), holds: false };
  const { dispatcher, state, choose, deliver, run } = await between(from, memory());
  await choose();
  await deliver();
  expect(state().planned.findings.some(({ severity }) => severity === 'blocker')).toBe(true);
  const edit = (snapshot: string) =>
    dispatcher.perform({ type: 'edit-machine', id: 'id-web', change: { snapshot } });
  await edit('before');
  const [plan] = state().planned.plans;
  expect([plan!.source.machine, plan!.source.snapshot]).toEqual(['id-web@1', undefined]);
  await run();
  expect(state().run).toMatchObject({ status: 'done' });
  await edit('only listed');
  expect(state().planned.failure).toMatchObject({
    kind: 'not-found',
    hint: expect.stringContaining('before'),
  });
});

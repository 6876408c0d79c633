/** What a run leaves in the history, from its own journal alone. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { between } from './between.ts';
import { memory, memoryMachine } from './memory-plugin.ts';

const secret = 'hunter2-secret';

it('tells what was found, carried and left, and by what name, without a secret', async () => {
  const leftovers = [{ what: 'a half disk', command: "rm -f '/x'" }];
  const [from, to] = [memory([memoryMachine({ state: 'running' })]), memory()];
  const { dispatcher, services, profiles, state, choose, deliver, run } = await between(from, to, {
    password: secret,
  });
  const lab = await profiles.save({
    ...{ name: `lab of ${secret}`, environment: 'b', settings: { host: 'there' }, secretFields: [] },
  });
  await choose();
  await deliver();
  await dispatcher.perform({ type: 'draft', change: { format: 'raw' } });
  await run();
  to.failWrite = true;
  to.leftovers = leftovers;
  services.redactor.add(secret);
  // As a plan that was saved is run: nobody has loaded the profiles.
  const [plan] = state().planned.plans;
  const again = { ...plan!, destination: { ...plan!.destination, profile: lab.id } };
  await dispatcher.perform({ type: 'run', plans: [again] }).catch(() => undefined);

  await dispatcher.perform({ type: 'history', filter: { destination: 'lab of *' } });
  const [failed, ...others] = state().history;
  expect(others).toEqual([]);
  expect(failed).toMatchObject({
    outcome: 'failed',
    about: {
      machine: 'web',
      source: { environment: 'a', name: 'Memory a' },
      destination: { name: 'lab of ••••' },
    },
  });
  await dispatcher.perform({ type: 'history-open', id: failed!.id });
  expect(state().historyEntry).toMatchObject({
    leftovers,
    failure: { message: expect.any(String) },
    disks: [{ name: 'web.raw', whole: false }],
  });

  await dispatcher.perform({ type: 'history', filter: { outcomes: ['done'] } });
  await dispatcher.perform({ type: 'history-open', id: state().history[0]!.id });
  const done = state().historyEntry!;
  expect(done).toMatchObject({
    bytesWritten: expect.any(Number),
    user: expect.any(String),
    journal: { damagedLines: 0 },
  });
  expect(done.findings.length).toBeGreaterThan(0);
  expect(done.digests).toHaveLength(1);
  expect(done.disks).toMatchObject([{ name: 'web.raw', sizeBytes: expect.any(Number), whole: true }]);
  expect(done.other).toEqual([]);

  const path = join(services.history.folder, 'report.json');
  const of = { filter: {} };
  await dispatcher.perform({ type: 'history-export', of, format: 'json', to: { path, force: false } });
  const text = await readFile(path, 'utf8');
  expect(JSON.parse(text).runs).toMatchObject([{ outcome: 'failed' }, { outcome: 'done' }]);
  expect(text).not.toContain(secret);
  const removed = dispatcher.perform({ type: 'history-remove', ids: [failed!.id, 'nonsense', done.id] });
  await expect(removed).rejects.toMatchObject({ kind: 'not-found' });
  expect(state().history).toEqual([]);
});

/** What changes in a pool while somebody looks at its list. */
import { expect, it, onTestFinished } from 'vitest';
import type { Machine } from '../../../src/model/machine.ts';
import { addMachine, connected, listed, poolWithMachine } from './pool.ts';

async function watched() {
  const { server, made } = await poolWithMachine();
  const session = await connected(server);
  await listed(session);
  const controller = new AbortController();
  const said: (Machine | string)[] = [];
  const begin = () => {
    const watching = session.source!.watch!({
      signal: controller.signal,
      found: (machine) => said.push(machine),
      gone: (id) => said.push(id),
    });
    watching.catch(() => undefined);
    onTestFinished(() => controller.abort());
    return watching;
  };
  const words = () => said.map((one) => (typeof one === 'string' ? 'gone' : `${one.name} ${one.state}`));
  return { server, made, begin, words, said, controller };
}

it('is told, and nothing else: not what a list does not show, nor snapshots and templates', async () => {
  const { server, made, begin, words, said, controller } = await watched();
  const { database } = server;
  // Between the list and the watch.
  database.get('VM', made.vm).power_state = 'Running';
  const watching = begin();
  await expect.poll(words).toEqual(['web running']);
  database.get('VM', made.vm).current_operations = { x: 'y' };
  database.createVm({ ...database.get('VM', made.vm), name_label: 'template', is_a_template: true });
  addMachine(server, 'new');
  await expect.poll(words).toEqual(['web running', 'new off']);
  const id = database.get('VM', made.vm).uuid;
  database.get('VM', made.vm).power_state = 'Halted';
  database.destroyVm(made.vm);
  await expect.poll(words).toEqual(['web running', 'new off', 'gone']);
  expect(said.at(-1)).toBe(id);
  controller.abort();
  await watching;
});

it('is told after events were lost, and after the session has ended', async () => {
  const { server, made, begin, words } = await watched();
  begin();
  await expect.poll(() => server.calls.filter((call) => call === 'event.from').length).toBeGreaterThan(1);
  server.events.lose();
  server.forget();
  server.database.get('VM', made.vm).name_label = 'a';
  await expect.poll(words).toEqual(['a off']);
  server.database.get('VM', made.vm).name_label = 'b';
  await expect.poll(words, { timeout: 5000 }).toEqual(['a off', 'b off']);
});

it.each([
  [null, 'corrupt'],
  [{ events: [], token: 7 }, 'corrupt'],
  [{ events: {}, token: 'x' }, 'corrupt'],
  [{ events: [], token: 'x'.repeat(20_000) }, 'corrupt'],
])('ends with an error of ours when the server answers %j', async (answer, kind) => {
  const { server, begin } = await watched();
  server.answers.set('event.from', () => answer);
  await expect(begin()).rejects.toMatchObject({ kind });
});

it('leaves out events that are none', async () => {
  const { server, begin, words } = await watched();
  const events = [null, 7, {}, { ref: 7 }, { ref: 'x', operation: 'del' }, { ref: 'y', snapshot: [] }];
  server.answers.set('event.from', () => ({ events, token: 'x' }));
  begin();
  await expect.poll(() => server.calls.filter((call) => call === 'event.from').length).toBeGreaterThan(1);
  // The one that was listed is not in the first answer, which has all.
  expect(words()).toEqual(['gone']);
});

import { expect, test } from 'vitest';
import { drawApp, keys } from '../draw.tsx';
import { states } from '../states.ts';
import { liveRuns, liveState, runState } from '../states-run.ts';

const away = { ...runState, run: { ...runState.run!, away: 'run-1' } };

test('runs that go on by themselves are listed, and entered', async () => {
  const { shows, press, port } = drawApp(liveState);
  const frame = await shows('Runs that go on by themselves');
  expect(frame).toMatch(/❯ database +running +25% +300 MiB\/s/);
  expect(frame).toMatch(/web-frontend, mail +1 run comes before it/);
  expect(frame).toMatch(/archive +ASKS/);
  expect(frame).toContain('3 runs go on');
  await press(keys.enter);
  await press(keys.down, keys.enter);
  expect(port.sent.filter(({ type }) => type === 'attach')).toEqual([
    { type: 'attach', id: liveRuns[0]!.id },
    { type: 'attach', id: liveRuns[1]!.id },
  ]);
});

test('d leaves a run of a process of its own; one inside of the program can not be left', async () => {
  const inside = drawApp(runState);
  await inside.press('d');
  await inside.shows('Not now: it runs inside of this program');
  const { press, port } = drawApp(away);
  await press('d');
  expect(port.sent).toEqual([{ type: 'detach' }]);
});

test('the end leaves it, stops it, or does not come', async () => {
  const { shows, press, port } = drawApp(away);
  await press('q');
  await shows('vmferry attach run-1');
  await press('n');
  await shows('d leave');
  expect(port.sent).toEqual([]);
  await press('q', 'y');
  expect(port.sent).toEqual([{ type: 'terminate' }]);
  const other = drawApp(away);
  await other.press(keys.ctrlC, 's');
  expect(other.port.sent).toEqual([{ type: 'terminate', stop: true }]);
});

test('its rate is limited by a number that is understood, and by none no more', async () => {
  const { shows, press, port } = drawApp(away);
  await press('r');
  await shows('There is no limit now.');
  await press(...'fast', keys.enter);
  await shows('"fast" is not a size');
  await press(...'20M', keys.enter);
  await shows('d leave');
  port.emit({ type: 'run-limit', bytesPerSecond: 20 * 2 ** 20 });
  await shows('at most 20 MiB/s');
  await press('r');
  await shows('At most 20 MiB/s now.');
  await press(keys.enter);
  expect(port.sent).toEqual([{ type: 'rate', bytesPerSecond: 20 * 2 ** 20 }, { type: 'rate' }]);
});

test('one that runs is entered from the history', async () => {
  const [entry, ...others] = states.history!.history;
  const running = { ...states.history!, history: [{ ...entry!, outcome: 'running' as const }, ...others] };
  const { shows, press, port } = drawApp(running);
  await shows('a enter');
  await press('a');
  expect(port.sent).toContainEqual({ type: 'attach', id: entry!.id });
  expect(port.getState().screen).toBe('run');
});

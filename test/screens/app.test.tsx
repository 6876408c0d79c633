import { describe, expect, it } from 'vitest';
import { bodyRows, noticeLines, stepBack } from '../../src/screens/app-view.ts';
import { toAscii } from '../../src/screens/screen-writer.ts';
import { headerFacts, headerSteps, isReached } from '../../src/screens/widgets/header-view.ts';
import { drawApp, keys, plain, unicode } from './draw.tsx';
import { base, states } from './states.ts';

const names = Object.keys(states);

it.each(names.filter((name) => name !== 'odd'))(
  '%s is ASCII where the terminal knows no more',
  async (name) => {
    const app = drawApp(states[name]!, { can: plain });
    expect(await app.shows(/\S/)).toMatch(/^[\x0a\x20-\x7e]*$/);
  },
);

it('keeps odd names in their rows', async () => {
  const app = drawApp(states.odd!);
  const frame = await app.shows('evil [2J name gpj');
  expect(frame).toContain('漢字');
  expect(frame).not.toMatch(/[\u001b\u202e]/);
  expect(toAscii(frame)).toMatch(/^[\x0a\x20-\x7e]*$/);
});

it('leads from step to step, and only to those that are reached', async () => {
  const app = drawApp({ ...base, screen: 'credentials' });
  await app.shows('[1 Credentials]');
  await app.press('2');
  await app.shows('[2 Environment]');
  await app.press('3');
  await app.shows('Not now: choose an environment first (2)');
  await app.press('h');
  await app.shows('nothing has been converted yet');
  await app.press(keys.esc);
  await app.shows('[2 Environment]');
  await app.press(keys.esc);
  await app.shows('[1 Credentials]');
  await app.press(keys.esc);
  await app.shows('Not now: this is the first step');
});

it('shows all keys of a screen, those that do nothing now with the reason', async () => {
  const app = drawApp(states.credentials!);
  await app.press('?');
  const help = await app.shows('Keys');
  expect(help).toMatch(/a +add a profile/);
  expect(help).toContain('choose a profile with the arrow keys first');
  await app.press('a');
  await app.shows('Keys');
  await app.press(keys.esc);
  await app.shows('Secrets are kept in');
});

describe('the end', () => {
  it.each([['q'], [keys.ctrlC]])('comes at once when nothing runs: %j', async (key) => {
    const app = drawApp(states.environment!);
    await app.press(key);
    expect(app.port.sent).toEqual([{ type: 'terminate' }]);
    await app.shows('Ending');
    expect(app.ended.value).toBe(true);
  });

  it('is asked for once while a conversion runs', async () => {
    const app = drawApp({ ...states.run!, screen: 'environment' });
    await app.press(keys.ctrlC);
    await app.shows('A conversion is running. Stop it and quit?');
    await app.press('x', 'n');
    await app.shows('[2 Environment]');
    expect(app.port.sent).toEqual([]);
    await app.press(keys.ctrlC, 'y');
    expect(app.port.sent).toEqual([{ type: 'terminate' }]);
  });

  it('comes with the second Ctrl+C', async () => {
    const app = drawApp({ ...states.run!, screen: 'environment' });
    await app.press(keys.ctrlC, keys.ctrlC);
    expect(app.port.sent).toEqual([{ type: 'terminate' }]);
  });

  it('is possible from within a form', async () => {
    const app = drawApp(states.credentials!);
    await app.press('a');
    await app.shows('Add a profile');
    await app.press(keys.ctrlC);
    expect(app.port.sent).toEqual([{ type: 'terminate' }]);
  });
});

it('asks the question of an environment over any screen', async () => {
  const app = drawApp({ ...states.question!, screen: 'history' });
  await app.shows('Trust it?');
  await app.press(keys.enter);
  expect(app.port.sent.filter((c) => c.type === 'answer')).toEqual([]);
  await app.press('n');
  expect(app.port.sent.at(-1)).toEqual({ type: 'answer', id: 7, yes: false });
  await app.shows('nothing has been converted yet');
});

it('says what it needs when the terminal is too small', async () => {
  const app = drawApp(states.image!, { columns: 39, rows: 12 });
  await app.shows('needs 40x10, has 39x12');
});

it('draws what an answer brings whatever screen is shown', async () => {
  const app = drawApp(states.environment!);
  app.port.emit({ type: 'notice', notice: { level: 'error', text: 'the host went away' } });
  await app.shows('Error: the host went away');
  app.port.emit({ type: 'run-started', id: 'x', at: 0, items: [] });
  await app.shows('running 100%');
});

describe('views of the frame', () => {
  it.each([
    ['run', 'configuration', 'configuration'],
    ['credentials', 'run', undefined],
    ['history', 'run', 'run'],
    ['history', 'history', 'credentials'],
  ] as const)('back from %s, opened from %s: %s', (screen, before, expected) => {
    expect(stepBack(screen, before)).toBe(expected);
  });

  it('gives a long notice up to three lines, taken from the screen', () => {
    const notice = { level: 'warning', text: 'word '.repeat(60) } as const;
    const lines = noticeLines({ ...base, notice }, { bindings: [], exclusive: false }, 80);
    expect(lines).toHaveLength(3);
    expect(lines[0]?.text).toMatch(/^Warning: word/);
    expect(bodyRows(24, 3)).toBe(18);
    expect(bodyRows(24, 0)).toBe(20);
  });

  it('knows which steps are reached and what is connected', () => {
    expect(headerSteps(states.configuration!, 80).map((s) => s.reached)).toEqual([
      true,
      true,
      true,
      true,
      false,
    ]);
    expect(isReached(base, 'image')).toBe(false);
    expect(headerFacts(states.run!)).toEqual(['This computer', '1 machine chosen', 'running 27%']);
    expect(headerFacts(states.connecting!)).toEqual(['VMware vSphere (connecting)']);
  });
});

it('has colours only where they are wanted', async () => {
  const app = drawApp(states.run!, { can: unicode });
  expect(await app.shows('database')).not.toContain('\u001b');
});

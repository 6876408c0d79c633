import { describe, expect, it } from 'vitest';
import { widthOf } from '../../src/screens/widgets/fit-text.ts';
import { drawApp, keys } from './draw.tsx';
import { states } from './states.ts';

const names = Object.keys(states);

describe.each([
  [80, 24],
  [40, 10],
  [132, 43],
])('at %ix%i', (columns, rows) => {
  it.each(names)('%s fills the terminal exactly, row by row', async (name) => {
    const app = drawApp(states[name]!, { columns, rows });
    const lines = (await app.shows(/\S/)).split('\n');
    expect(lines.length).toBeLessThanOrEqual(rows);
    expect(Math.max(...lines.map(widthOf))).toBeLessThanOrEqual(columns);
    // The keys stand in the last line whatever the screen needs.
    expect(lines[rows - 1]).toMatch(/\S/);
  });
});

it.each([
  [80, 24],
  [40, 10],
])('a form and a dialog fit %ix%i', async (columns, rows) => {
  const app = drawApp(states.credentials!, { columns, rows });
  const fits = (frame: string) => {
    const lines = frame.split('\n');
    expect(lines.length).toBeLessThanOrEqual(rows);
    expect(Math.max(...lines.map(widthOf))).toBeLessThanOrEqual(columns);
  };
  await app.press(keys.down, 'e');
  fits(await app.shows('Edit: lab vCenter'));
  await app.press(keys.tab, keys.tab, keys.tab);
  fits(await app.shows(/User.*operator/));
  await app.press(keys.esc, 'd');
  fits(await app.shows('[y] delete'));
  await app.press('n', '?');
  fits(await app.shows('Keys'));
});

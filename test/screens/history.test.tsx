import { describe, expect, it } from 'vitest';
import { entryLines, planTexts } from '../../src/screens/history/entry-lines.ts';
import { dateText, newestFirst, timeText } from '../../src/screens/history/history-view.ts';
import { rich } from '../state/history/entries.ts';
import { drawApp, keys } from './draw.tsx';
import { catalog, history, historyEntry, machine, noon, noRecord, plan, states } from './states.ts';

describe('views', () => {
  it('put the newest first', () => {
    expect(newestFirst([...history].reverse()).map((e) => e.id)).toEqual(['h2', 'h1']);
  });

  it('write dates in the time of this computer', () => {
    expect(dateText(new Date(2026, 0, 2, 3, 4).getTime())).toBe('2026-01-02 03:04');
  });

  it.each([
    [{}, /, 129 MiB\/s$/],
    [{ seconds: 0 }, / in 0:00$/],
    [{ bytes: 0 }, /, 0 B in \d+:\d\d$/],
  ])('tell the rate where there is one: %j', (change, expected) => {
    expect(entryLines({ ...history[0]!, ...noRecord, ...change }, catalog)[0]?.text).toMatch(expected);
  });

  it('tell the plan in words', () => {
    expect(planTexts(plan(machine(1)), catalog)).toEqual([
      'from This computer: /srv/images/machine-001.qcow2',
      'machine machine-001, 1 disk',
      'to This computer (folder /srv/out) for QEMU / KVM',
      'as qcow2: cluster size 64 KiB, compression none',
    ]);
  });

  it('tell what failed', () => {
    const texts = entryLines(historyEntry, catalog).map((line) => line.text);
    expect(texts).toContain('no space left (/srv/out); free some space, then run it again');
    expect(texts).toContain(`  ${timeText(noon)} error: no space left`);
  });
});

it('asks for the history, opens an entry, and closes it', async () => {
  const app = drawApp(states.history!);
  await app.shows('Result: /srv/out/web-frontend.qcow2');
  expect(app.port.sent).toEqual([{ type: 'history' }, { type: 'resumable' }]);
  await app.press(keys.down, keys.enter);
  expect(app.port.sent.at(-1)).toEqual({ type: 'history-open', id: 'h1' });
  app.port.emit({ type: 'history-entry', entry: historyEntry });
  await app.shows('as qcow2');
  await app.press(keys.esc);
  await app.shows('2 conversions');
});

it('shows what one has kept, and removes that', async () => {
  const kept = {
    ...{ folder: '/kept', bytes: 3072 },
    copies: [
      { id: 'h1-extracted', run: 'h1', stage: 'extracted', status: 'whole', bytes: 2048, keptAt: noon },
      { id: 'h1-changed', run: 'h1', stage: 'changed', status: 'half-made', bytes: 1024, keptAt: noon },
      { id: 'h2-changed', run: 'h2', stage: 'changed', status: 'whole', bytes: 1024, keptAt: noon },
    ],
  } as const;
  const app = drawApp(states.history!);
  await app.shows('Result: /srv/out/web-frontend.qcow2');
  await app.press(keys.down, keys.enter);
  expect(app.port.sent).toContainEqual({ type: 'kept' });
  app.port.emit({ type: 'history-entry', entry: historyEntry });
  await app.press('k');
  await app.shows('Not now: it has kept no copy');
  app.port.emit({ type: 'kept', kept });
  await app.shows('as it was read, 2 KiB: h1-extracted');
  await app.press('k');
  await app.shows('Remove its 2 kept copies, 3 KiB, for good?');
  await app.press('y');
  expect(app.port.sent.at(-1)).toEqual({ type: 'kept-remove', ids: ['h1-extracted', 'h1-changed'] });
});

it('runs one again, but not while one runs', async () => {
  const app = drawApp(states.history!);
  await app.press('r');
  expect(app.port.sent.at(-1)).toEqual({ type: 'history-rerun', id: 'h2' });
  const busy = drawApp({ ...states.run!, screen: 'history', history });
  await busy.press('r');
  await busy.shows('Not now: a conversion is running');
});

it('removes one after a yes', async () => {
  const app = drawApp(states.history!);
  await app.press('d');
  await app.shows('What it made stays where it is');
  await app.press('y');
  await app.shows('1 conversion');
  expect(app.port.sent.at(-1)).toEqual({ type: 'history-remove', ids: ['h2'], force: false });
});

it('shows those of one outcome, the next one at each press', async () => {
  const app = drawApp(states.history!);
  await app.press('o');
  await app.shows('1 done conversion');
  await app.press('o');
  expect(await app.shows('1 failed conversion')).toContain('win2019 to OVA');
  await app.press('o');
  await app.shows('no conversion is cancelled');
  await app.press('o', 'o');
  await app.shows('2 conversions');
});

it('removes those that are marked', async () => {
  const app = drawApp(states.history!);
  await app.press(' ', keys.down, ' ', 'd');
  await app.shows('these 2 conversions');
  await app.press('y');
  await app.shows('nothing has been converted yet');
  expect(app.port.sent.at(-1)).toEqual({ type: 'history-remove', ids: ['h2', 'h1'], force: false });
});

it('says what goes with one that could be gone on with', async () => {
  const left = { id: 'h1', title: 'win2019 to OVA', startedAt: noon, bytes: 5, disks: [] };
  const app = drawApp({ ...states.history!, resumable: [left] });
  await app.press(keys.down, 'd');
  await app.shows('It could be gone on with');
  await app.press('y');
  expect(app.port.sent.at(-1)).toEqual({ type: 'history-remove', ids: ['h1'], force: true });
});

it('exports the row under the cursor, those marked, or the one that is open', async () => {
  const app = drawApp(states.history!);
  await app.press('e');
  await app.shows('./vmferry-h2.md');
  await app.press(keys.backspace, keys.backspace, 't', 'x', 't', keys.enter);
  await app.shows('let the name end with .md or .json');
  await app.press(keys.backspace, keys.backspace, keys.backspace, ...'json', keys.enter);
  const of = { ids: ['h2'] };
  const sent = {
    type: 'history-export',
    of,
    format: 'json',
    to: { path: './vmferry-h2.json', force: false },
  };
  await app.shows('2 conversions');
  expect(app.port.sent.at(-1)).toEqual(sent);
  await app.press(' ', keys.down, ' ', 'e', keys.enter);
  await app.shows('2 conversions');
  expect(app.port.sent.at(-1)).toMatchObject({ of: { ids: ['h2', 'h1'] }, format: 'markdown' });
});

it('shows what a run recorded', () => {
  const texts = entryLines(rich, catalog).map((line) => line.text);
  for (const text of [
    'by op on jump, with vmferry 0.1.0',
    'it can not be run again: it names a format that is gone',
    '  left there: the volume web01-1; to remove it: virsh vol-delete web01-1 default',
    '  system, 8 GiB, 1 GiB read in 1:30, read back in 0:30: the same',
    `  system: sha256 ${'ab'.repeat(32)}`,
    'WARNING: nvme is not offered',
  ])
    expect(texts).toContain(text);
});

it('filters', async () => {
  const app = drawApp(states.history!);
  await app.press('/', 'w', 'i', 'n');
  await app.shows('1 of 2 conversions');
  await app.press(keys.enter);
  await app.shows(/^\/win /m);
  await app.press(keys.esc);
  await app.shows('2 conversions');
});

it('what was cut is gone on with, or given up after a question', async () => {
  const [first] = history;
  const left = {
    ...{ id: first!.id, title: first!.title, startedAt: 1, bytes: 3 * 2 ** 20 },
    disks: [{ name: 'a', sizeBytes: 8 * 2 ** 20, doneBelow: 4 * 2 ** 20 }],
  };
  const app = drawApp({ ...states.history!, resumable: [left] });
  await app.shows('Can be gone on with: 3 MiB are there, 4 MiB of its disks to look through');
  await app.press('g');
  expect(app.port.sent.at(-1)).toEqual({ type: 'resume-run', id: first!.id });
  await app.press('x');
  await app.shows('has left at its');
  await app.press('y');
  expect(app.port.sent.at(-1)).toEqual({ type: 'discard-run', id: first!.id });
});

import { describe, expect, test } from 'vitest';
import {
  chosenMachine,
  configFields,
  confirmText,
  firstRow,
  formRows,
  machineTitle,
  planLines,
  planStatus,
  shortStatus,
  startReason,
} from '../../../src/screens/configuration/configuration-view.ts';
import type { Planned, State } from '../../../src/state/state.ts';
import { machines, plan, run } from '../states.ts';
import { blockedState, configState, severalState } from '../states-run.ts';

const planned = (change: Partial<Planned>): State => ({
  ...configState,
  planned: { ...configState.planned, ...change },
});
const failed = planned({
  status: 'failed',
  failure: { kind: 'usage', message: 'option x: "y" is not possible', hint: 'it takes z' },
});

describe('why it can not start', () => {
  test.each([
    ['ready', configState, undefined],
    ['nothing chosen', { ...configState, selected: [] }, /press 3/],
    ['a run under way', { ...configState, run }, /press 5/],
    ['a run that ended', { ...configState, run: { ...run, status: 'done' as const } }, undefined],
    ['busy', planned({ status: 'busy' }), /being worked out/],
    ['idle', planned({ status: 'idle' }), /being worked out/],
    ['failed', failed, /no plan: option x/],
    ['empty', planned({ plans: [] }), /empty/],
    ['one blocker', blockedState, /^blocked: web-frontend.qcow2 exists already$/],
  ])('%s', (_, state, expected) => {
    const reason = startReason(state);
    if (expected === undefined) expect(reason).toBeUndefined();
    else expect(reason).toMatch(expected);
  });
});

describe('status', () => {
  test.each([
    [configState, { text: 'Ready to start: 1 warning, 1 note', tone: 'ok', busy: false }],
    [planned({ findings: [] }), { text: 'Ready to start', tone: 'ok', busy: false }],
    [blockedState, { text: 'BLOCKED: 1 blocker, 1 warning, 2 notes', tone: 'error', busy: false }],
    [planned({ status: 'busy' }), { text: 'Working out the plan', tone: 'dim', busy: true }],
    [failed, { text: 'NO PLAN: option x: "y" is not possible', tone: 'error', busy: false }],
    [
      { ...configState, selected: [] },
      { text: 'No machine is chosen: press 3 and choose one', tone: 'warn', busy: false },
    ],
  ])('%#', (state, expected) => {
    expect(planStatus(state)).toEqual(expected);
  });
  test('in one line the blocker itself is said', () => {
    expect(shortStatus(blockedState).text).toBe('BLOCKED: web-frontend.qcow2 exists already');
    expect(shortStatus(configState).text).toBe('Ready to start: 1 warning, 1 note');
  });
});

const textOf = (lines: ReturnType<typeof planLines>) =>
  lines.map((l) => (typeof l === 'string' ? l : l.text));

describe('findings and plan', () => {
  test('the worst first, with evidence and remedy, then the plan', () => {
    expect(textOf(planLines(blockedState))).toEqual([
      'BLOCKER: web-frontend.qcow2 exists already',
      '  seen in /srv/out/web-frontend.qcow2',
      '  what to do: choose another name, or replace it',
      'WARNING: VHD rounds the size up by 512 bytes',
      '  seen in machine-001.qcow2',
      '  what to do: choose VHDX or raw',
      'NOTE: a plain disk says nothing of the machine',
      'NOTE: the adapter becomes virtio',
      '',
      'The plan',
      'Machine web-frontend, from /srv/images/web-frontend.qcow2',
      'into /srv/out',
      '1.5 GiB to read',
    ]);
  });
  test('a plan that failed shows why, and nothing of the one before', () => {
    expect(textOf(planLines(failed))).toEqual(['NO PLAN: option x: "y" is not possible; it takes z']);
  });
});

describe('before the start', () => {
  test('one machine: its whole plan', () => {
    expect(confirmText({ ...configState, draft: { ...configState.draft, force: true } }).split('\n')).toEqual(
      [
        'Convert web-frontend: 1 disk, 1.5 GiB to read',
        'Files of the same name are REPLACED.',
        'WARNING: VHD rounds the size up by 512 bytes',
        '',
        ...configState.planned.text,
      ],
    );
  });
  test('several: how many, and their names as far as they can be read', () => {
    const plans = Array.from({ length: 11 }, () => plan(machines[0]!));
    const text = confirmText(planned({ plans })).split('\n');
    expect(text[0]).toBe('Convert 11 machines: 11 disks, 1.5 GiB to read');
    expect(text.at(-1)).toBe('  and 3 more');
    expect(text).toHaveLength(4 + 9);
  });
});

describe('rows', () => {
  const rows = formRows(configFields(configState, machines[0]!.id), 'Machine web-frontend');
  test('each group has its heading once', () => {
    expect(rows.flatMap((row) => ('heading' in row ? [row.heading] : []))).toEqual([
      'Destination',
      'Machine web-frontend',
      'Inside the guest',
      'Writing',
    ]);
  });
  test.each([
    ['product', 10, 0],
    ['start', 10, rows.length - 10],
    ['name', 100, 0],
    ['gone', 10, 0],
  ])('%s is seen in %i lines', (focus, room, expected) => {
    expect(firstRow(rows, focus, room)).toBe(expected);
  });
});

test.each([
  [0, 'Machine 1 of 3: web-frontend  ([ and ] for the others)'],
  [1, 'Machine 2 of 3: database  ([ and ] for the others)'],
  [-1, 'Machine 3 of 3: win2019  ([ and ] for the others)'],
  [4, 'Machine 2 of 3: database  ([ and ] for the others)'],
])('place %i', (place, expected) => {
  expect(machineTitle(severalState, place)).toBe(expected);
});
test('with nothing chosen there is no machine', () => {
  expect(chosenMachine({ ...configState, selected: [] }, 3)).toBeUndefined();
  expect(machineTitle(configState, 5)).toBe('Machine web-frontend');
});

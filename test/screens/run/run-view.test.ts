import { describe, expect, test } from 'vitest';
import { GiB } from '../../../src/model/units.ts';
import {
  elapsedSeconds,
  firstRunRow,
  headline,
  logLines,
  resultLines,
  runAreas,
  runReasons,
  runRows,
  secondsLeft,
  totalText,
} from '../../../src/screens/run/run-view.ts';
import type { Run, RunStatus } from '../../../src/state/state.ts';
import { noon, run, states } from '../states.ts';
import { failedRun, longRun } from '../states-run.ts';

const as = (status: RunStatus, change: Partial<Run> = {}): Run => ({ ...run, status, ...change });
const done = states['run-done']!.run!;

describe('headline', () => {
  test.each([
    [run, 'Running'],
    [longRun, 'Running, machine 13 of 20, 12 done'],
    [as('paused'), 'PAUSED: p goes on'],
    [as('cancelling'), 'CANCELLING: what was begun is being taken back'],
    [done, 'DONE'],
    [failedRun, 'FAILED, 1 done, 1 FAILED'],
    [as('cancelled'), 'CANCELLED: nothing was left behind'],
    [
      { ...failedRun, status: 'cancelled' as const },
      'CANCELLED, 1 done; of the others nothing was left behind',
    ],
  ])('%#', (of, expected) => {
    expect(headline(of).text).toBe(expected);
  });
});

describe('in numbers', () => {
  test.each([
    [run, '11.5 GiB of 41.5 GiB, 300 MiB/s, 1:42 left, 0:10 so far'],
    [as('paused'), '11.5 GiB of 41.5 GiB, 0:10 so far'],
    [as('running', { rate: 0 }), '11.5 GiB of 41.5 GiB, 1:42 left, 0:10 so far'],
    [done, '41.5 GiB of 41.5 GiB, in 2:20, 304 MiB/s'],
    [as('cancelled', { endedAt: noon, bytesDone: 0 }), '0 B of 41.5 GiB, in 0:00'],
  ])('%#', (of, expected) => {
    expect(totalText(of, noon + 10_000)).toBe(expected);
  });
  test('the time left is that of all machines', () => {
    expect(secondsLeft(run)).toBe(102);
    expect(secondsLeft({ ...longRun, bytesDone: 10, bytesTotal: 110, rate: 20 })).toBe(5);
    expect(secondsLeft({ ...longRun, rate: 0 })).toBeUndefined();
  });
  test('time stands still at the end, and never runs backwards', () => {
    expect(elapsedSeconds(done, noon + 999_000)).toBe(140);
    expect(elapsedSeconds(run, noon - 5000)).toBe(0);
  });
});

describe('rows', () => {
  test('a machine and its disks', () => {
    expect(runRows(run)).toMatchObject([
      { kind: 'item', title: 'database', state: 'copying the disks', live: true },
      { kind: 'disk', name: 'database.qcow2', share: 1, size: '1.5 GiB of 1.5 GiB', live: false },
      { kind: 'disk', name: 'database-data.qcow2', share: 0.25, size: '10 GiB of 40 GiB', live: true },
    ]);
  });
  test('a pause is said at the machine too', () => {
    expect(runRows(as('paused'))[0]).toMatchObject({ state: 'paused: copying the disks' });
  });
  test.each([
    ['waiting', 0],
    ['running', 0],
    ['done', 1],
  ] as const)('a disk without data, %s, is whole only after its turn', (status, share) => {
    const [item] = run.items;
    const disks = [{ id: 'd', name: 'd', bytesDone: 0, bytesTotal: 0, status }];
    expect(runRows(as('running', { items: [{ ...item!, disks }] }))[1]).toMatchObject({ share });
  });
  test('failed and cancelled are words', () => {
    expect(runRows(failedRun).flatMap((row) => (row.kind === 'item' ? [row.state] : []))).toEqual([
      'done',
      'FAILED: no space left',
      'cancelled',
    ]);
  });
  test.each([5, 8, 12, 30])('what runs is seen in %i lines, with its machine', (room) => {
    const rows = runRows(longRun);
    const from = firstRunRow(rows, room);
    const seen = rows.slice(from, from + room);
    expect(seen.some((row) => row.kind === 'disk' && row.live)).toBe(true);
    expect(seen.some((row) => row.kind === 'item' && row.live)).toBe(true);
    expect(seen).toHaveLength(room);
  });
  test('all is drawn where there is room', () => {
    expect(firstRunRow(runRows(longRun), 60)).toBe(0);
    expect(firstRunRow([], 5)).toBe(0);
  });
});

describe('result', () => {
  test('places, size, time, rate', () => {
    expect(resultLines(done, noon).map((line) => line.text)).toEqual([
      'DONE database',
      '  /srv/out/database.qcow2',
      '  /srv/out/database-data.qcow2',
      '  41.5 GiB in 2:20, 304 MiB/s',
    ]);
  });
  test('the passes of a machine that was copied while it ran', () => {
    const pass = { number: 1, last: false, bytesRead: 5 * GiB, bytesChanged: 4 * GiB, seconds: 60 };
    const passes = [pass, { ...pass, number: 2, last: true, bytesRead: 1024, bytesChanged: 512, seconds: 1 }];
    const warm = { ...done, items: done.items.map((item) => ({ ...item, passes })) };
    expect(resultLines(warm, noon).map((line) => line.text)).toEqual([
      'DONE database',
      '  /srv/out/database.qcow2',
      '  /srv/out/database-data.qcow2',
      '  pass 1: 4 GiB copied, 5 GiB read in 1:00',
      '  pass 2, when it was off: 512 B changed, 1 KiB read in 0:01',
      '  41.5 GiB in 2:20, 304 MiB/s',
    ]);
  });
  test('each machine its own, with where and hint', () => {
    expect(resultLines(failedRun, noon).map((line) => line.text)).toEqual([
      'DONE machine-001 to qcow2',
      '  /srv/out/machine-001.qcow2',
      'FAILED machine-002 to qcow2',
      '  no space left',
      '  where: /srv/out',
      '  what to do: free some space, then run it again',
      'CANCELLED machine-003 to qcow2',
    ]);
  });
});

test('the log counts from the start and says what is bad', () => {
  expect(logLines(run).map((line) => line.text)).toEqual([
    ' 0:00 the plan was checked: no blocker',
    ' 0:01 database.qcow2 is being read',
    ' 0:06 WARNING: the image has 3 leaked clusters',
  ]);
});

describe('keys', () => {
  test.each([
    [
      undefined,
      {
        ...{ pause: 'nothing runs', cancel: 'nothing runs', leave: 'nothing runs' },
        another: expect.stringContaining('press 2'),
      },
    ],
    [run, { another: expect.stringContaining('still runs'), leave: expect.stringContaining('inside') }],
    [
      as('paused'),
      { another: expect.stringContaining('still runs'), leave: expect.stringContaining('inside') },
    ],
    [{ ...run, away: 'run-1' }, { another: expect.stringContaining('leave it to itself with d') }],
    [
      { ...as('waiting'), away: 'run-1' },
      { pause: 'it has not begun', another: expect.stringContaining('leave it') },
    ],
    [
      as('cancelling'),
      {
        pause: 'it is being cancelled',
        cancel: 'it is being cancelled',
        another: expect.stringContaining('wait'),
      },
    ],
    [done, { pause: 'it has ended', cancel: 'it has ended', leave: 'it has ended' }],
  ])('%#', (of, expected) => {
    expect(runReasons(of)).toEqual(expected);
  });
});

test.each([
  [16, 3, { itemRows: 3, logRows: 13 }],
  [16, 60, { itemRows: 11, logRows: 5 }],
  [3, 60, { itemRows: 2, logRows: 1 }],
])('%i lines for %i', (rows, wanted, expected) => {
  expect(runAreas(rows, wanted)).toEqual(expected);
});

test('sizes are of the allocated bytes', () => {
  expect(run.bytesTotal).toBe(41.5 * GiB);
});

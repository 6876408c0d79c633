import { describe, expect, test } from 'vitest';
import { GiB } from '../../../src/model/units.ts';
import {
  allocatedSizeOf,
  areas,
  chooseReason,
  chosenIds,
  continueReason,
  emptyText,
  isSearching,
  machineRows,
  nextSort,
  sizeText,
  statusText,
  virtualSizeOf,
} from '../../../src/screens/image/image-view.ts';
import { item, machine, machines } from '../states.ts';
import { broken, busy, imageState, surveyed } from '../states-run.ts';

const rowsOf = (...items: Parameters<typeof machineRows>[0]) => machineRows(items, 'name');

describe('rows', () => {
  test('a surveyed machine says its system shortly, sizes and format with the kind', () => {
    expect(rowsOf(surveyed)[0]).toEqual({
      id: '/srv/images/web-frontend.qcow2',
      name: 'web-frontend',
      system: 'Debian 12',
      disks: '1',
      virtualSize: '20 GiB',
      allocatedSize: '1.5 GiB',
      format: 'qcow2 (v3, zlib)',
      survey: 'done',
    });
  });

  test.each([
    [busy, { system: 'looking inside', virtualSize: '?', format: 'raw' }],
    [{ ...busy, survey: 'waiting' as const }, { system: '' }],
    [{ ...busy, survey: 'done' as const }, { system: 'not recognised' }],
    [item(machines[1]!), { disks: '2', virtualSize: '120 GiB', allocatedSize: '41.5 GiB', format: 'qcow2' }],
    [
      item(machine(1, { disks: [{ id: 'd', name: 'd', files: [], packed: ['gzip'], format: 'qcow2' }] })),
      { format: 'gzip › qcow2' },
    ],
    [item(machines[2]!), { system: 'Windows Server 2019', format: 'OVA: qcow2' }],
  ])('%#', (of, expected) => {
    expect(rowsOf(of)[0]).toMatchObject(expected);
  });

  test('a failed one says so in its row and why it can not be marked', () => {
    const [row] = rowsOf(broken);
    expect(row?.system).toMatch(/^can't be read: the grain directory/);
    expect(row?.reason).toMatch(/^old-backup can't be read/);
    expect(chooseReason(item(machine(1, { disks: [] })))).toBe('machine-001 has no disk to carry');
  });

  test.each([
    ['name', ['machine-2', 'machine-10', 'machine-11']],
    ['size', ['machine-11', 'machine-2', 'machine-10']],
    ['system', ['machine-10', 'machine-11', 'machine-2']],
  ] as const)('by %s', (sort, expected) => {
    const of = (name: string, bytes: number | undefined, system: string | undefined) => {
      const { system: _, ...made } = machine(1, { name });
      const disk = { id: 'd', name, files: [], ...(bytes === undefined ? {} : { virtualSizeBytes: bytes }) };
      return item({
        ...made,
        disks: [disk],
        ...(system === undefined ? {} : { system: { name: system, family: 'linux' } }),
      });
    };
    const items = [
      of('machine-10', undefined, 'Alpine'),
      of('machine-2', 1, undefined),
      of('machine-11', 2, 'Debian'),
    ];
    expect(machineRows(items, sort).map((row) => row.name)).toEqual(expected);
  });

  test('sorting goes round', () => {
    expect(['name', 'system', 'size'].map((key) => nextSort(key as 'name'))).toEqual([
      'system',
      'size',
      'name',
    ]);
  });
});

describe('sizes', () => {
  const disk = (bytes?: number) => ({
    id: `${bytes}`,
    name: 'd',
    files: [],
    ...(bytes === undefined ? {} : { virtualSizeBytes: bytes }),
  });
  test.each([
    [[disk(GiB), disk(2 * GiB)], '3 GiB'],
    [[disk(GiB), disk()], '1 GiB+'],
    [[disk()], '?'],
    [[], '?'],
  ])('%#', (disks, expected) => {
    expect(sizeText(virtualSizeOf(item(machine(1, { disks }))))).toBe(expected);
  });
  test('allocated bytes are unknown until told', () => {
    expect(allocatedSizeOf(item(machine(1, { disks: [disk(5)] })))).toBeUndefined();
  });
});

describe('words', () => {
  test.each([
    [{ status: 'done', items: [item(machines[0]!)] }, 0, 'none marked: Enter takes this row'],
    [
      { status: 'listing', items: [item(machines[0]!), busy] },
      1,
      '1 marked, looking for machines: 2 so far, looking inside 1 more',
    ],
  ] as const)('%#', (list, chosen, expected) => {
    expect(statusText(list, chosen, 'name')).toBe(expected);
  });
  test.each([
    [{ status: 'idle', items: [] }, false, /press 2/],
    [{ status: 'idle', items: [] }, true, /r looks/],
    [{ status: 'listing', items: [] }, true, /yet/],
    [{ status: 'failed', items: [] }, true, /could not/],
    [{ status: 'done', items: [] }, true, /no machine/],
  ] as const)('empty %#', (list, connected, expected) => {
    expect(emptyText(list, connected)).toMatch(expected);
  });
  test('a spinner turns while anything is under way', () => {
    expect(isSearching(imageState.machines)).toBe(true);
    expect(isSearching({ status: 'done', items: [surveyed] })).toBe(false);
  });
});

describe('choosing', () => {
  test('what can not be carried is never marked', () => {
    const items = imageState.machines.items;
    expect(chosenIds([broken.machine.id, surveyed.machine.id, 'gone'], items)).toEqual([surveyed.machine.id]);
  });
  test.each([
    [['a'], undefined, undefined],
    [[], rowsOf(surveyed)[0], undefined],
    [[], rowsOf(broken)[0], /can't be read/],
    [[], undefined, /no machine was found/],
  ])('continue %#', (chosen, row, expected) => {
    const reason = continueReason(chosen, row);
    if (expected === undefined) expect(reason).toBeUndefined();
    else expect(reason).toMatch(expected);
  });
});

test.each([
  [80, 20, { beside: false, listRows: 11, paneRows: 9 }],
  [80, 12, { beside: false, listRows: 12, paneRows: 0 }],
  [120, 36, { beside: true, listColumns: 74, paneColumns: 45 }],
  [200, 46, { beside: true, listColumns: 123, paneColumns: 76 }],
])('areas of %i x %i', (columns, rows, expected) => {
  expect(areas(columns, rows)).toMatchObject(expected);
});

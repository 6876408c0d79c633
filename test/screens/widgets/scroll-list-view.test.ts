import { describe, expect, it } from 'vitest';
import {
  countText,
  cursorIndex,
  filterRows,
  layOut,
  listFoot,
  moved,
  scrollBar,
  scrolled,
} from '../../../src/screens/widgets/scroll-list-view.ts';

describe('moved', () => {
  it.each([
    [0, 10, 4, 'up', 0],
    [0, 10, 4, 'down', 1],
    [9, 10, 4, 'down', 9],
    [8, 10, 4, 'pagedown', 9],
    [2, 10, 4, 'pageup', 0],
    [5, 10, 4, 'home', 0],
    [5, 10, 4, 'end', 9],
    [0, 0, 4, 'down', 0],
  ] as const)('from %i of %i, a page of %i, %s: %i', (index, count, page, move, expected) => {
    expect(moved(index, count, page, move)).toBe(expected);
  });
});

describe('scrolled', () => {
  it.each([
    [0, 0, 10, 4, 0],
    [0, 4, 10, 4, 1],
    [6, 2, 10, 4, 2],
    [9, 9, 10, 4, 6],
    [5, 0, 2, 4, 0],
    [0, -1, 0, 4, 0],
  ])('top %i, cursor %i of %i, a page of %i: %i', (top, index, count, page, expected) => {
    expect(scrolled(top, index, count, page)).toBe(expected);
  });
});

describe('filterRows', () => {
  const rows = ['Debian web', 'debian db', 'windows'];
  it.each([
    ['', 3],
    ['DEB', 2],
    ['web debian', 1],
    ['nothing', 0],
  ])('%j leaves %i', (filter, count) => {
    expect(filterRows(rows, filter, (row) => row)).toHaveLength(count);
  });
});

it('keeps the cursor on its row when rows arrive before it', () => {
  expect(cursorIndex(['a', 'b'], 'b')).toBe(1);
  expect(cursorIndex(['0', 'a', 'b'], 'b')).toBe(2);
  expect(cursorIndex(['a'], 'gone')).toBe(0);
  expect(cursorIndex([], 'a')).toBe(-1);
});

describe('layOut', () => {
  const cell = () => '';
  const columns = [
    { width: { grow: 2, min: 20 }, cell },
    { width: 10, cell, from: 60 },
    { width: { grow: 1, min: 5 }, cell },
  ];
  it.each([
    [80, [45, 10, 22]],
    [40, [26, 13]],
    [26, [20, 5]],
    [10, [10]],
  ])('in %i cells: %j', (available, expected) => {
    const widths = layOut(columns, available).map((l) => l.width);
    expect(widths).toEqual(expected);
    expect(widths.reduce((sum, w) => sum + w + 1, -1)).toBeLessThanOrEqual(available);
  });
});

it('says how many of how many', () => {
  expect(countText(1, 1, 'machine')).toBe('1 machine');
  expect(countText(3, 2000, 'machine')).toBe('3 of 2000 machines');
  expect(listFoot({ top: 0, filter: 'web', filtering: true }, 3, 9, 'machine', 24)).toBe(
    '/web_    3 of 9 machines',
  );
});

describe('scrollBar', () => {
  it.each([
    [0, 10, 5, undefined],
    [0, 10, 100, { from: 0, to: 1 }],
    [90, 10, 100, { from: 9, to: 10 }],
    [5, 10, 20, { from: 3, to: 8 }],
  ])('top %i, page %i, count %i', (top, page, count, expected) => {
    expect(scrollBar(top, page, count)).toEqual(expected);
  });
});

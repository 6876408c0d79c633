import { expect, it } from 'vitest';
import { describeEntry } from '../../src/headless/history-entry.ts';
import { filterOf, type HistoryOptions, reportFormat } from '../../src/headless/history-options.ts';
import { rich } from '../state/history/entries.ts';

const now = Date.UTC(2026, 10, 20, 12);
const at = (text: string): number => Date.parse(text);

it.each<[HistoryOptions, ReturnType<typeof filterOf>]>([
  [{}, undefined],
  [{ since: '2026-11-01' }, { since: at('2026-11-01T00:00:00Z') }],
  [{ since: '7d' }, { since: at('2026-11-13T12:00:00Z') }],
  [{ since: '90m' }, { since: at('2026-11-20T10:30:00Z') }],
  [{ since: '2026-11-01T12:30+01:00' }, { since: at('2026-11-01T11:30:00Z') }],
  [{ until: '2026-11-01' }, { before: at('2026-11-02T00:00:00Z') }],
  [{ until: '2026-11-01 12:30' }, { before: at('2026-11-01T12:31:00Z') }],
  [{ until: '2w' }, { before: at('2026-11-06T12:00:00Z') }],
  [{ before: '2026-11-01' }, { before: at('2026-11-01T00:00:00Z') }],
  [{ before: '2026-11-01', until: '2026-10-01' }, { before: at('2026-10-02T00:00:00Z') }],
  [
    { outcome: ['failed'], machine: 'web*', limit: '3' },
    { outcomes: ['failed'], machine: 'web*', limit: 3 },
  ],
  [
    { environment: 'esx', destination: 'lab', text: ' slow ' },
    { source: 'esx', destination: 'lab', text: 'slow' },
  ],
])('%j', (options, filter) => {
  expect(filterOf(options, now)).toEqual(filter);
});

it.each<HistoryOptions>([
  { since: 'yesterday' },
  { since: '2026-02-30' },
  { since: '2026-13-01' },
  { until: '2026-11-01T25:00' },
  { before: '7' },
  { limit: '0' },
  { limit: 'all' },
])('refuses %j', (options) => {
  expect(() => filterOf(options, now)).toThrow(/this is no time|whole number/);
});

it.each<[HistoryOptions, string]>([
  [{ export: 'r.md' }, 'markdown'],
  [{ export: 'R.JSON' }, 'json'],
  [{ export: 'r.txt', exportFormat: 'json' }, 'json'],
  [{ export: '-' }, 'markdown'],
  [{ export: '-', json: true }, 'json'],
])('%j is written as %s', (options, format) => {
  expect(reportFormat(options)).toBe(format);
});

it('asks what a name without a known extension is', () => {
  expect(() => reportFormat({ export: 'report' })).toThrow(/does not say which report/);
});

it('tells one conversion in words', () => {
  const text = describeEntry(rich).join('\n');
  for (const part of [
    'from esx, to lab',
    'goes on with what 20261122-100000-0001 began',
    'by op on jump, with vmferry 0.1.0',
    'left there: the volume web01-1; to remove it: virsh vol-delete web01-1 default',
    'system, 8 GiB, 1 GiB read in 1:30, read back in 0:30: the same',
    `system: sha256 ${'ab'.repeat(32)}`,
    'warning: nvme is not offered (disk 1); say --disk-bus sata',
    'it can not be run again: it names a format that is gone',
    'lines of its journal that could not be read: 2',
  ])
    expect(text).toContain(part);
});

import { expect, it } from 'vitest';
import { filtered, type HistoryFilter } from '../../../src/state/history/filter.ts';
import type { HistorySummary } from '../../../src/state/state.ts';
import { rich } from './entries.ts';

const day = (n: number): number => Date.UTC(2026, 10, n);
const { about: _, ...old } = rich;
/** Newest first; the last one is of a version that did not say what it was about. */
const runs: HistorySummary[] = [
  { ...rich, id: 'c', startedAt: day(3), outcome: 'done' },
  { ...rich, id: 'b', startedAt: day(2) },
  { ...old, id: 'a', startedAt: day(1), title: 'old one' },
];

const plan = {
  machine: { name: 'db (prod)' },
  source: { environment: 'ssh', machine: '/srv/images/db.qcow2' },
  destination: { environment: 'local' },
};
const line = JSON.stringify({ type: 'log', text: 'the "Big" disk C:\\x was slow' });

async function ids(filter: HistoryFilter, list = runs): Promise<{ found: string; read: string }> {
  let read = '';
  const found = await filtered(list, filter, {
    async planOf(id) {
      read += id;
      return id === 'a' ? plan : undefined;
    },
    async textOf(id) {
      read += id;
      return id === 'a' ? line : JSON.stringify(rich);
    },
  });
  return { found: found.map(({ id }) => id).join(''), read };
}

it.each<[HistoryFilter, string, string]>([
  [{}, 'cba', ''],
  [{ outcomes: ['failed'] }, 'ba', ''],
  [{ outcomes: ['done', 'failed'], limit: 2 }, 'cb', ''],
  [{ since: day(2) }, 'cb', ''],
  [{ before: day(2) }, 'a', ''],
  // What the summary tells is not read; of an old one the plan is.
  [{ machine: 'WEB01' }, 'cb', 'a'],
  [{ machine: 'web' }, '', 'a'],
  [{ machine: 'w*1' }, 'cb', 'a'],
  [{ machine: 'vm-17' }, 'cb', 'a'],
  [{ machine: 'db (prod)' }, 'a', 'a'],
  [{ machine: 'db.qcow2' }, 'a', 'a'],
  [{ machine: '*' }, 'cba', 'a'],
  [{ source: 'vsphere' }, 'cb', 'a'],
  [{ source: 'esx', outcomes: ['done'] }, 'c', ''],
  [{ source: 'ssh' }, 'a', 'a'],
  [{ destination: 'lab' }, 'cb', 'a'],
  [{ destination: 'local' }, 'a', 'a'],
  [{ text: 'big DISK' }, 'a', 'cba'],
  [{ text: '"big" c:\\x' }, 'a', 'cba'],
  [{ text: 'cut link' }, 'cb', 'cba'],
  [{ text: 'cut link', machine: 'web01' }, 'cb', 'cba'],
  [{ text: 'cut link', limit: 1 }, 'c', 'c'],
  [{ text: 'nothing of this' }, '', 'cba'],
])('%j leaves %s, reading %s', async (filter, found, read) => {
  expect(await ids(filter)).toEqual({ found, read });
});

it('does not stumble over a plan that is no plan', async () => {
  const list = [{ ...old, id: 'x' }];
  expect(await ids({ machine: '*' }, list)).toEqual({ found: '', read: 'x' });
});

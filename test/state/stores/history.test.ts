import { appendFile, mkdir, open, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { AppError } from '../../../src/model/errors.ts';
import { History } from '../../../src/state/stores/history.ts';
import { Journal } from '../../../src/state/stores/journal.ts';
import { tempFolder } from '../../temp.ts';

async function fresh(limit = 500) {
  const folder = join(await tempFolder(), 'runs');
  const failures: AppError[] = [];
  const onFailure = (error: AppError) => failures.push(error);
  return { folder, failures, history: new History(folder, { onFailure, redact: (text) => text, limit }) };
}

/** A journal of a process that is gone. */
async function killed(folder: string, id: string, at: string, rest = ''): Promise<void> {
  await mkdir(folder, { recursive: true });
  const start = { type: 'start', version: 1, id, at, title: 't', pid: 2 ** 30, host: hostname() };
  await writeFile(join(folder, `${id}.jsonl`), `${JSON.stringify(start)}\n${rest}`);
}

it('writes a run and reads it back', async () => {
  const { history, folder, failures } = await fresh();
  const run = await history.open('a → b', { machine: 'a' });
  expect(run.id).toMatch(/^\d{8}-\d{6}-[0-9a-f]{4}$/);
  run.append({ step: 1 });
  run.append({ step: 2 });
  expect((await history.list())[0]).toMatchObject({ id: run.id, outcome: 'running', title: 'a → b' });
  await expect(history.remove(run.id)).rejects.toMatchObject({ kind: 'conflict' });
  await run.close({ outcome: 'done', bytes: 5, places: ['/out/b'] });
  await run.close({ outcome: 'failed' });
  run.append({ step: 3 });
  const [summary] = await history.list();
  expect(summary).toMatchObject({ outcome: 'done', bytes: 5, places: ['/out/b'], title: 'a → b' });
  expect(summary!.endedAt! >= summary!.startedAt).toBe(true);
  const whole = await history.get(run.id);
  expect(whole).toMatchObject({ summary, plan: { machine: 'a' }, truncated: false, damagedLines: 0 });
  expect(whole.events.map(({ event }) => event)).toEqual([{ step: 1 }, { step: 2 }]);
  expect((await stat(join(folder, `${run.id}.jsonl`))).mode & 0o777).toBe(0o600);
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
  expect(failures).toEqual([]);
  await history.remove(run.id);
  expect(await history.list()).toEqual([]);
});

it('calls a run without an end interrupted, whatever its last line is', async () => {
  const { history, folder } = await fresh();
  const line = JSON.stringify({ type: 'event', at: '2026-01-02T03:04:15.000Z', event: 1 });
  const id = '20260102-030405-0001';
  await killed(folder, id, '2026-01-02T03:04:05.000Z', `${line}\n{"type":"event","at":"2026`);
  expect(await history.list()).toMatchObject([{ id, outcome: 'interrupted', seconds: 10, bytes: 0 }]);
  expect(await history.get(id)).toMatchObject({ damagedLines: 1, events: [{ event: 1 }] });
});

it('lists newest first, what is damaged as far as it can be read, and leaves out what is no journal', async () => {
  const { history, folder } = await fresh();
  await killed(folder, '20260102-030405-0001', '2026-01-02T03:04:05.000Z');
  await killed(folder, '20260102-030405-0000', '2026-01-02T03:04:05.900Z');
  await killed(folder, '20250102-030405-0001', '2025-01-02T03:04:05.000Z');
  await writeFile(join(folder, 'notes.jsonl'), '');
  await writeFile(join(folder, '20260102-030406-0000.jsonl'), 'nonsense\n');
  const ids = (await history.list()).map((run) => run.id);
  const [broken, ...whole] = ids;
  expect(whole).toEqual(['20260102-030405-0000', '20260102-030405-0001', '20250102-030405-0001']);
  expect(await history.get(broken!)).toMatchObject({
    summary: { id: '20260102-030406-0000', outcome: 'interrupted', startedAt: '2026-01-02T03:04:06.000Z' },
    damagedLines: 1,
  });
});

it('reads head and tail only: a journal of a terabyte is listed', async () => {
  const { history, folder } = await fresh();
  const id = '20260102-030405-0001';
  await killed(folder, id, '2026-01-02T03:04:05.000Z');
  const path = join(folder, `${id}.jsonl`);
  await truncate(path, 2 ** 40);
  const places = Array.from({ length: 2000 }, (_, n) => `/a/long/place/for/a/machine/${n}`);
  const end = { type: 'end', at: '2026-01-02T03:04:06.000Z', outcome: 'done', places };
  await appendFile(path, `\n${JSON.stringify(end)}\n`);
  expect((await history.list())[0]).toMatchObject({ outcome: 'done', seconds: 1, places });
  expect((await history.get(id)).truncated).toBe(true);
});

it('keeps the newest ones and those that run', async () => {
  const { history, folder } = await fresh(2);
  for (const n of [1, 2, 3]) await killed(folder, `2025010${n}-000000-0000`, `2025-01-0${n}T00:00:00.000Z`);
  const first = await history.open('first', null);
  expect(await readdir(folder)).toEqual(['20250103-000000-0000.jsonl', `${first.id}.jsonl`]);
  const others = [await history.open('second', null), await history.open('third', null)];
  expect((await readdir(folder)).sort()).toEqual([first, ...others].map(({ id }) => `${id}.jsonl`).sort());
  await Promise.all([first, ...others].map((run) => run.close({ outcome: 'cancelled' })));
});

it('forgets nothing that another run could go on with, unless that is said', async () => {
  const { history, folder } = await fresh(1);
  const at = '2026-01-02T03:04:06.000Z';
  const source = JSON.stringify({ type: 'source', at, disks: [] });
  const [left, back] = ['20260102-030405-0001', '20260102-030405-0002'];
  await killed(folder, left, '2026-01-02T03:04:05.000Z', `${source}\n`);
  await killed(folder, back, '2026-01-02T03:04:05.000Z', `${source}\n{"type":"taken-back","at":"${at}"}\n`);
  await expect(history.remove(left)).rejects.toMatchObject({ hint: expect.stringContaining('--discard') });
  const next = await history.open('next', null);
  await next.close({ outcome: 'done' });
  expect((await history.list()).map(({ id }) => id)).toEqual([next.id, left]);
  await history.claim(left, next.id);
  await history.remove(left);
  expect(await readdir(folder)).toEqual([`${next.id}.jsonl`]);
  await killed(folder, left, '2026-01-02T03:04:05.000Z', `${source}\n`);
  await history.remove(left, true);
  expect(await readdir(folder)).toEqual([`${next.id}.jsonl`]);
});

it('does not take a later process with the same number for the run', async () => {
  const { history, folder } = await fresh();
  const id = '20260102-030405-0001';
  const start = { type: 'start', version: 1, id, at: '2026-01-02T03:04:05.000Z', title: 't' };
  await mkdir(folder);
  const mark = { pid: process.pid, host: hostname(), born: '1' };
  await writeFile(join(folder, `${id}.jsonl`), `${JSON.stringify({ ...start, ...mark })}\n`);
  expect((await history.list())[0]!.outcome).toBe(process.platform === 'linux' ? 'interrupted' : 'running');
});

it('goes on without a journal when there is no place for one, and says so', async () => {
  const { history, folder, failures } = await fresh();
  await writeFile(folder, 'a file where the folder should be');
  const run = await history.open('t', {});
  run.append({ step: 1 });
  await run.close({ outcome: 'done' });
  expect(failures.length).toBeGreaterThan(0);
});

it.runIf(process.platform === 'linux')('survives a full disk and says so once', async () => {
  const failures: AppError[] = [];
  const options = { onFailure: (error: AppError) => failures.push(error), redact: (text: string) => text };
  // Every write to it fails with ENOSPC.
  const run = new Journal('id', options, await open('/dev/full', 'a'));
  for (let n = 0; n < 5; n++) run.append({ n });
  await run.close({ outcome: 'done' });
  expect(failures.map(({ kind }) => kind)).toEqual(['no-space']);
});

it('redacts every line and never leaves the folder', async () => {
  const folder = join(await tempFolder(), 'runs');
  const redact = (text: string) => text.replaceAll('hunter2', '••••');
  const history = new History(folder, { onFailure: () => undefined, redact });
  const run = await history.open('hunter2', { a: 'hunter2' });
  run.append({ b: 'hunter2' });
  await run.close({ outcome: 'failed', failure: { kind: 'auth', message: 'hunter2' } });
  expect(await readFile(join(folder, `${run.id}.jsonl`), 'utf8')).not.toContain('hunter2');
  await expect(history.get('../../etc/passwd')).rejects.toMatchObject({ kind: 'not-found' });
  await expect(history.remove('../x')).rejects.toMatchObject({ kind: 'not-found' });
});

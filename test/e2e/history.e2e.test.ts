/** What became of conversions, told afterwards: filtered, as reports, forgotten. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { describeWith } from '../oracles/requires.ts';
import { oddDisk, type Place, place, program, values } from './program.ts';
import { openTerminal } from './tmux.ts';

const secret = 'correct horse battery';

/** One that was done, one that failed, and one that the first version of vmferry has done. */
async function withThree(): Promise<Place & { done: string }> {
  const here = await place();
  await writeFile(here.path('web 01|*.raw'), oddDisk(2 ** 21));
  await here.run(
    ['convert', 'web 01|*.raw', '--to', 'web01.qcow2.age', '-q', '--secret', 'new-passphrase=env:PASS'],
    {
      env: { PASS: secret },
    },
  );
  const made = await here.run(['convert', 'web 01|*.raw', '--to', 'web01.qcow2', '-q', '--name', 'web 01|*']);
  expect(made).toMatchObject({ code: 0 });
  const planned = (await here.run(['plan', 'web 01|*.raw', '--to', 'other.vmdk'])).stdout;
  const lost = planned.replaceAll('web 01|*.raw', 'gone.raw');
  expect(await here.run(['run', '-', '-q'], { input: lost })).toMatchObject({ code: 1 });
  const runs = join(here.home, 'state', 'runs');
  await mkdir(runs, { recursive: true });
  const old = resolve('test/state/stores/fixtures/first.jsonl');
  const journal = (await readFile(old, 'utf8')).replaceAll('2026-11-23', '2020-01-02');
  await writeFile(join(runs, '20200102-030405-0001.jsonl'), journal);
  const [{ id }] = values((await here.run(['history', '--json', '--outcome', 'done'])).stdout) as [
    { id: string },
  ];
  return { ...here, done: id };
}

const ids = (stdout: string): number => stdout.split('\n').filter((line) => /^\d{8}-/.test(line)).length;

it('filters, writes reports of one and of all without a secret, and forgets what the filters leave', async () => {
  const { run, path, done, journals, home } = await withThree();
  const listed = async (...args: string[]) => ids((await run(['history', ...args])).stdout);
  expect(await listed()).toBeGreaterThanOrEqual(3);
  expect(await listed('--outcome', 'failed', '--text', 'gone.raw')).toBe(1);
  expect(await listed('--machine', 'WEB01', '--outcome', 'done')).toBe(1);
  expect(await run(['history', '--outcome', 'odd'])).toMatchObject({ code: 2 });

  const page = (await run(['history', done, '--export', '-'])).stdout;
  expect(page).toContain('| Machine | web 01&#124;\\* |');
  expect(page).toMatch(/\| Digest/);
  expect(await run(['history', done, '--export', 'r.md'])).toMatchObject({
    code: 0,
    stderr: 'written: r.md\n',
  });
  expect(await readFile(path('r.md'), 'utf8')).toBe(page);
  expect(await run(['history', done, '--export', 'r.md'])).toMatchObject({ code: 1 });
  expect(await run(['history', done, '--export', 'r.md', '--force'])).toMatchObject({ code: 0 });
  const report = JSON.parse((await run(['history', done, '--export', '-', '--json'])).stdout);
  expect(report).toMatchObject({
    format: 'vmferry.run-report',
    version: 1,
    outcome: 'done',
    disks: [{ sizeBytes: 2 ** 21, whole: true, digests: [{}] }],
    findings: [expect.objectContaining({ rule: 'machine.hardware-apart' })],
    places: [path('web01.qcow2')],
    planProblem: null,
  });
  expect(report.bytesRead).toBe(report.disks[0].bytesRead);
  expect(report.bytesWritten).toBeGreaterThan(0);
  await run(['history', '--export', 'all.json', '--outcome', 'done']);
  const all = await readFile(path('all.json'), 'utf8');
  expect(JSON.parse(all).runs.map((r: { machine: string }) => r.machine)).toContain('s');
  expect((await journals()) + all + page).not.toContain(secret);

  const kept = async () =>
    (await readdir(join(home, 'state', 'runs'))).filter((name) => name.endsWith('.jsonl'));
  const before = await kept();
  const unasked = await run(['history', '--remove', '--before', '30d']);
  expect(unasked).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') });
  expect(await kept()).toEqual(before);
  const removed = await run(['history', '--remove', '--before', '30d', '--yes']);
  expect(removed).toMatchObject({ code: 0, stderr: 'removed: 1 conversion\n' });
  const rest = before.filter((name) => !name.startsWith('2020'));
  expect(await kept()).toEqual(rest);
  const names = rest.map((name) => name.replace('.jsonl', ''));
  expect(await run(['history', '--remove', ...names])).toMatchObject({ code: 0 });
  expect(await kept()).toEqual([]);
});

describeWith(['tmux'], 'on a terminal', () => {
  it('asks before it forgets several, and exports from the screen', async () => {
    const { folder, home, path, run } = await withThree();
    const env = { VMFERRY_HOME: home, DBUS_SESSION_BUS_ADDRESS: 'disabled:' };
    const options = { columns: 100, rows: 30, cwd: folder, env };
    const shell = await openTerminal('sh', options);
    await shell.type(`${process.execPath} ${program} history --remove --outcome failed`);
    await shell.send('Enter');
    await shell.until('What was made stays where it is. [y/N]');
    await shell.send('n', 'Enter');
    await shell.until('nothing was removed');
    expect(ids((await run(['history', '--outcome', 'failed'])).stdout)).toBeGreaterThan(0);

    const screens = await openTerminal(`${process.execPath} ${program}`, options);
    await screens.until('Continue without credentials');
    await screens.send('h');
    await screens.until(/[1-9] conversions/);
    await screens.send('o');
    await screens.until(/[1-9] done conversion/);
    await screens.send('e');
    await screens.until('./vmferry-');
    await screens.send('C-u');
    await screens.type('report.json');
    await screens.send('Enter');
    await screens.until('written: ');
    expect(JSON.parse(await readFile(path('report.json'), 'utf8'))).toMatchObject({ outcome: 'done' });
  });
});

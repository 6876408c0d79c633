/** Runs that were left to themselves, by the command line: found, followed, steered, one after the other. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { expect, it } from 'vitest';
import { compareImages } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { awayPlace } from './away-place.ts';
import { values } from './program.ts';

/** The first block comes at once; for the next one this takes an hour. */
const hardly = ['--limit-rate', '300'];

describeWith(['qemu-img'], 'a run that is left to itself', () => {
  it('is found again, goes faster when it may, and ends well; no secret is where others see it', async () => {
    const here = await awayPlace();
    const image = await here.image('web.qcow2', 24);
    const secret = 'a-secret-for-nobody';
    const begun = await here.run(
      ['convert', image, '--to', 'out.raw', ...hardly, '--detach', '--secret', 'password=env:DOOR'],
      { env: { DOOR: secret } },
    );
    const id = begun.stdout.trim();
    expect(id).toMatch(/^\d{8}-\d{6}-[0-9a-f]{4}$/);
    expect(begun.stderr).toContain(`vmferry attach ${id}`);
    const [run] = await here.untilRuns(([first]) => first?.status === 'running' && first.bytesDone > 0);
    expect(run).toMatchObject({ id, limit: 300 });

    const [mark] = await here.marks();
    expect(mark!.socket).toBe(join(here.runs, `${id}.sock`));
    expect((await stat(here.runs)).mode & 0o777).toBe(0o700);
    expect((await stat(mark!.socket)).mode & 0o777).toBe(0o600);
    for (const part of ['cmdline', 'environ']) {
      const text = await readFile(`/proc/${mark!.pid}/${part}`, 'utf8');
      expect(text).not.toContain(secret);
    }
    // A session of its own: pid, name, state, parent, group, session.
    expect((await readFile(`/proc/${mark!.pid}/stat`, 'utf8')).split(' ')[5]).toBe(String(mark!.pid));

    const watching = here.start(['attach', '--json']);
    const entered = await watching.line((event) => event.type === 'run-entered');
    expect(entered).toMatchObject({ run: { id, limit: 300, items: [{ historyId: id }] } });
    expect((await here.run(['runs', '--limit', `${id}=none`])).code).toBe(0);
    const { code, stdout, stderr } = await watching.ended;
    expect(code, stderr).toBe(0);
    expect(values(stdout).at(-1)).toMatchObject({ type: 'place', place: here.path('out.raw') });
    expect(await here.ended(id)).toMatchObject({ outcome: 'done' });
    await compareImages(image, 'qcow2', here.path('out.raw'), 'raw');
    expect(await here.leftovers()).toEqual([]);
    expect(await here.journals()).not.toContain(secret);
    const late = await here.run(['attach', id]);
    expect(late).toMatchObject({ code: 1, stderr: expect.stringContaining('no run of this id lives') });
  });

  it('waits for those before it, and takes its turn in order', async () => {
    const here = await awayPlace();
    const image = await here.image('web.qcow2', 4);
    const begin = (name: string, ...more: string[]) =>
      here.detach('convert', image, '--to', `${name}.raw`, '--at-once', '1', ...more);
    const first = await begin('first', ...hardly);
    await here.untilRuns((runs) => runs.some(({ id, status }) => id === first && status === 'running'));
    const second = await begin('second', ...hardly);
    const third = await begin('third');
    const later = await here.detach('convert', image, '--to', 'later.raw', '--in', '2h');
    const waiting = await here.untilRuns(
      (runs) => runs.length === 4 && runs.slice(1).every((run) => run.waiting),
    );
    expect(waiting.map((run) => [run.id, run.waiting?.before])).toEqual([
      [first, undefined],
      [second, 1],
      [third, 2],
      [later, undefined],
    ]);
    expect(waiting[3]!.waiting!.until).toBeGreaterThan(Date.now() + 7_000_000);
    expect((await here.run(['attach'])).stderr).toContain('4 runs live');

    await here.run(['runs', '--cancel', first]);
    expect(await here.ended(first)).toMatchObject({ outcome: 'cancelled' });
    await here.untilRuns(([run]) => run?.id === second && run.status === 'running');
    // A turn is not held by one that was killed.
    process.kill((await here.marks()).find(({ id }) => id === second)!.pid, 'SIGKILL');
    expect(await here.ended(third)).toMatchObject({ outcome: 'done' });
    expect(await here.ended(second)).toMatchObject({ outcome: 'interrupted' });
    await here.run(['runs', '--cancel', later]);
    expect(await here.ended(later)).toMatchObject({ outcome: 'cancelled', title: 'later to raw' });
    // One that was killed while it waited is not forgotten.
    const lost = await here.detach('convert', image, '--to', 'lost.raw', '--in', '2h');
    await here.untilRuns(([run]) => run?.waiting !== undefined);
    process.kill((await here.marks())[0]!.pid, 'SIGKILL');
    expect(await here.ended(lost)).toMatchObject({ outcome: 'interrupted', title: 'lost to raw' });
    await here.untilRuns((runs) => runs.length === 0);
    const made = (await readdir(here.folder)).filter((name) => !name.startsWith('.'));
    expect(made.sort()).toEqual([basename(image), 'third.raw'].sort());
    expect(await here.leftovers()).toEqual([]);
  });

  it('does not end with its terminal; cancelled, it takes back what it has written', async () => {
    const here = await awayPlace();
    const id = await here.detach('convert', await here.image('web.qcow2', 4), '--to', 'out.raw', ...hardly);
    await here.untilRuns(([run]) => (run?.bytesDone ?? 0) > 0);
    const [mark] = await here.marks();
    process.kill(mark!.pid, 'SIGHUP');
    await here.run(['runs', '--pause', id]);
    await here.untilRuns(([run]) => run?.status === 'paused');
    await here.run(['runs', '--continue', id]);
    await here.untilRuns(([run]) => run?.status === 'running');
    await here.run(['runs', '--cancel', id]);
    expect(await here.ended(id)).toMatchObject({ outcome: 'cancelled' });
    expect(await readdir(here.folder)).toEqual(['web.qcow2']);
  });
});

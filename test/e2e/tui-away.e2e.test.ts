/** Runs that were left to themselves, on the screens: left, entered again, and what a lost terminal or a kill does. */
import { execFile } from 'node:child_process';
import { readFile, readlink } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { compareImages } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { type AwayPlace, awayPlace, type Mark } from './away-place.ts';
import { program } from './program.ts';
import { pickMachine, startRun, toFolder } from './steps.ts';
import { openTerminal, type Terminal } from './tmux.ts';

const run = promisify(execFile);

const open = (here: AwayPlace): Promise<Terminal> =>
  openTerminal(`${process.execPath} ${program}; echo "ended with $?"; sleep 600`, {
    ...{ columns: 100, rows: 30, cwd: here.folder },
    env: { VMFERRY_HOME: here.home, HOME: here.folder },
  });

/** Begun on the screens, and told to go slowly before its turn comes: another run goes before it until `go`. */
async function begun(here: AwayPlace) {
  const image = await here.image('web.qcow2', 24);
  const first = await here.detach('convert', image, '--to', 'first.raw', '--limit-rate', '300');
  await here.untilRuns(([run]) => run?.status === 'running');
  await here.setPreferences({ runsAtOnce: 1 });
  const terminal = await open(here);
  await toFolder(terminal);
  await pickMachine(terminal, 'web');
  await terminal.send('Down', 'Down', 'Enter', 'C-u');
  await terminal.type(here.path('out'));
  await terminal.send('Enter');
  await startRun(terminal);
  await terminal.until('1 run comes before it');
  await terminal.send('r');
  await terminal.until('There is no limit now.');
  await terminal.type('300');
  await terminal.send('Enter');
  await terminal.until('at most 300 B/s');
  const go = async () => {
    await here.run(['runs', '--cancel', first]);
    await here.untilRuns((runs) => runs.length === 1 && runs[0]!.bytesDone > 0);
  };
  return { terminal, image, go, result: here.path('out/web.qcow2') };
}

/** A new session that looks at the only run. */
async function enter(here: AwayPlace, name: string): Promise<Terminal> {
  const terminal = await open(here);
  await terminal.until('1 run goes on');
  await terminal.send('5');
  await terminal.until(new RegExp(`❯ ${name} .*running`));
  await terminal.send('Enter');
  await terminal.until('at most 300 B/s');
  return terminal;
}

/** The screens that were opened there; the process of a run has more arguments. */
async function programIn(folder: string): Promise<number> {
  const { stdout } = await run('pgrep', ['-f', `^${process.execPath} ${program}$`]);
  for (const pid of stdout.trim().split('\n'))
    if ((await readlink(`/proc/${pid}/cwd`).catch(() => '')) === folder) return Number(pid);
  throw new Error(`the program does not run in ${folder}`);
}

const alive = async (pid: number) =>
  readFile(`/proc/${pid}/comm`, 'utf8').then(
    () => true,
    () => false,
  );

describeWith(['tmux', 'qemu-img'], 'a run on the screens', () => {
  it('is left by d, outlives the program, and is entered again', async () => {
    const here = await awayPlace();
    const { terminal, image, go, result } = await begun(here);
    await terminal.send('d');
    await terminal.until('Runs that go on by themselves');
    await terminal.until(/web .*1 run comes before it/);
    await terminal.send('q');
    await terminal.until('ended with 0');
    await go();
    const [{ pid, id }] = (await here.marks()) as [Mark];
    expect(await alive(pid)).toBe(true);

    const again = await enter(here, 'web');
    await again.send('C-c');
    await again.until('[s] stop it and quit');
    await again.send('n');
    await again.until('r rate');
    await again.send('r');
    await again.until('At most 300 B/s now.');
    await again.send('Enter');
    await again.until('DONE');
    await compareImages(image, 'qcow2', result, 'qcow2');
    await again.send('h');
    await again.until(/done +web to qcow2/);
    await again.send('q');
    await again.until('ended with 0');
    expect(await here.ended(id)).toMatchObject({ outcome: 'done' });
  });

  it('outlives a killed program and a lost terminal; killed itself, it is said so on the screen and in the history', async () => {
    const here = await awayPlace();
    const { terminal, image, go, result } = await begun(here);
    await go();
    const [{ id, pid }] = (await here.marks()) as [Mark];
    await terminal.until(/Running/);
    process.kill(await programIn(here.folder), 'SIGKILL');
    await terminal.until('ended with 137');
    const second = await enter(here, 'web');
    await second.lose();
    await here.run(['runs', '--limit', `${id}=none`]);
    expect(await here.ended(id)).toMatchObject({ outcome: 'done' });
    await compareImages(image, 'qcow2', result, 'qcow2');
    await expect.poll(() => alive(pid), { timeout: 20_000 }).toBe(false);

    const other = await here.detach('convert', image, '--to', 'other.raw', '--limit-rate', '300');
    await here.untilRuns(([run]) => (run?.bytesDone ?? 0) > 0);
    const again = await enter(here, 'other');
    process.kill((await here.marks())[0]!.pid, 'SIGKILL');
    await again.until('has ended without a word');
    await again.until('FAILED');
    expect(await here.ended(other)).toMatchObject({ outcome: 'interrupted' });
    await again.send('q');
    await again.until('ended with 0');
  });
});

/** On the screens: a run that was killed is gone on with from the history; one run to two destinations. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { compareImages } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { type AwayPlace, awayPlace } from './away-place.ts';
import { turn } from './configure.ts';
import { program } from './program.ts';
import { pickMachine, startRun, toFolder } from './steps.ts';
import { openTerminal, type Terminal } from './tmux.ts';

const open = (here: AwayPlace): Promise<Terminal> =>
  openTerminal(`${process.execPath} ${program}; echo "ended with $?"; sleep 600`, {
    ...{ columns: 100, rows: 30, cwd: here.folder },
    env: { VMFERRY_HOME: here.home, HOME: here.folder },
  });

describeWith(['tmux', 'qemu-img'], 'on the screens', () => {
  it('a run that was killed goes on from the history', async () => {
    const here = await awayPlace();
    const image = await here.image('web.qcow2', 48);
    const id = await here.detach('convert', image, '--to', 'out/web.vmdk', '--limit-rate', '8M');
    const journal = join(here.runs, `${id}.jsonl`);
    await expect
      .poll(() => readFile(journal, 'utf8').catch(() => ''), { timeout: 30_000, interval: 50 })
      .toContain('"type":"acked"');
    process.kill((await here.marks())[0]!.pid, 'SIGKILL');
    const terminal = await open(here);
    await terminal.until('Continue without credentials');
    await terminal.send('h');
    await terminal.until(/interrupted +web to vmdk/);
    await terminal.until(/Can be gone on with: .* are there/);
    await terminal.send('g');
    await terminal.until('DONE');
    await compareImages(image, 'qcow2', here.path('out/web.vmdk'), 'vmdk');
    await terminal.send('q');
    await terminal.until('ended with 0');
  });

  it('a second destination is chosen for the same run', async () => {
    const here = await awayPlace();
    const image = await here.image('web.qcow2', 8);
    const terminal = await open(here);
    await toFolder(terminal);
    await pickMachine(terminal, 'web');
    await turn(terminal, 'Disk format', 'Raw');
    await terminal.until('Ready to start');
    await terminal.send('+');
    await terminal.until(/Also: web as raw into/);
    await turn(terminal, 'Disk format', 'VMware');
    expect(await startRun(terminal)).toContain('ALSO: web as raw');
    await terminal.until('DONE');
    await compareImages(image, 'qcow2', here.path('web.raw'), 'raw');
    await compareImages(image, 'qcow2', here.path('web.vmdk'), 'vmdk');
    await terminal.send('q');
    await terminal.until('ended with 0');
  });
});

/** VirtualBox of this computer on the screens, through the fake VBoxManage: into it, and out of it while the machine runs. */
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { fakeManage } from '../env-plugins/virtualbox/machine-folder.ts';
import { compareImages } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { tempFolder } from '../temp.ts';
import { choose, turn, type } from './configure.ts';
import { noKeychain, place } from './credentials-place.ts';
import { pickMachine, startRun, toFolder } from './steps.ts';

describeWith(['tmux', 'script', 'qemu-img'], 'VirtualBox in the terminal', () => {
  it('takes a machine under another name, and gives it back while it runs', async () => {
    const fake = await tempFolder();
    const here = await place();
    const disk = join(here.folder, 'disk.raw');
    await writeFile(disk, Buffer.concat([randomBytes(900_000), Buffer.alloc((4 << 20) - 900_000)]));
    await writeFile(join(fake, 'vms'), '"disk" {d15c0000-0000-4000-8000-000000000001}\n');
    const env = { FAKE_VBOX: fake, PATH: `${fakeManage}:${dirname(process.execPath)}:/usr/bin:/bin` };
    const terminal = await here.open({ ...noKeychain, ...env }, { columns: 80, rows: 24 });
    await toFolder(terminal);
    await pickMachine(terminal, 'disk');
    await choose(terminal, 'Destination', 'VirtualBox');
    await terminal.until(/Network +nat/);
    await terminal.until('BLOCKED: there is a machine "disk" already');
    await type(terminal, 'Name', 'moved');
    await turn(terminal, 'Start afterwards', 'yes');
    expect(await startRun(terminal)).toContain('VirtualBox');
    await terminal.until('DONE');
    await terminal.until('started: running');
    const folder = join(here.folder, 'VirtualBox VMs', 'moved');
    await compareImages(disk, 'raw', join(folder, 'moved.vdi'), 'vdi');

    await terminal.send('2');
    await terminal.keyTo('Down', '❯ VirtualBox');
    await terminal.send('Enter');
    await terminal.until(/moved +running/);
    await pickMachine(terminal, 'moved');
    await choose(terminal, 'Destination', 'A folder here');
    await startRun(terminal);
    await terminal.until('DONE');
    await compareImages(disk, 'raw', join(here.folder, 'moved.qcow2'), 'qcow2');
    const said = await readFile(join(fake, 'said'), 'utf8');
    expect(said.match(/^snapshot \S+ (take|delete)/gm)).toHaveLength(2);
    await terminal.send('q');
    await terminal.until('ended with 0');
  });
});

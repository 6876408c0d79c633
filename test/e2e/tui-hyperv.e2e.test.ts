/** A Hyper-V host on the screens: its key and its password asked for, into it, and out of it while the machine runs. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { compareImages } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { startHyperV } from '../servers/hyperv.ts';
import { tempFolder } from '../temp.ts';
import { choose, turn, type } from './configure.ts';
import { filesWith, holds, noKeychain, place } from './credentials-place.ts';
import { addProfile, giveLine, keepInMemory, pickMachine, startRun, toFolder, toProfile } from './steps.ts';

const [wrong, right] = ['not the password 1', 'secret'];
const password = 'Password of Administrator on 127.0.0.1';

describeWith(['tmux', 'script', 'qemu-img'], 'a Hyper-V host in the terminal', () => {
  it('asks who it is and who comes, takes a machine under another name, and gives it back while it runs', async () => {
    const host = await startHyperV(await tempFolder());
    host.vms.push({ id: 'a', name: 'Disk', state: 'Saved', disks: [], checkpoints: [], more: {} });
    const here = await place();
    const disk = join(here.folder, 'disk.raw');
    const size = 4 << 20;
    await writeFile(disk, Buffer.concat([randomBytes(900_000), Buffer.alloc(size - 900_000)]));
    const terminal = await here.open({ ...noKeychain, SSH_AUTH_SOCK: '' }, { columns: 80, rows: 24 });
    await keepInMemory(terminal);
    await addProfile(terminal, 'Hyper-V', 'hv', {
      Host: '127.0.0.1',
      Port: String(host.port),
      User: 'Administrator',
    });
    await toFolder(terminal);
    await pickMachine(terminal, 'disk');
    await choose(terminal, 'Destination', 'hv');
    await terminal.until('[y] yes');
    await terminal.send('n');
    await terminal.until('NOT CONNECTED');
    await terminal.send('r');
    await terminal.until('[y] yes');
    await terminal.send('y');
    await giveLine(terminal, password, wrong);
    await terminal.until('NOT CONNECTED');
    await terminal.send('r');
    await giveLine(terminal, password, right);
    await terminal.until(/Virtual switch +LAN/);
    await terminal.until('BLOCKED: there is a machine "disk" already');
    expect(host.ran).not.toContain('folder');
    await type(terminal, 'Name', 'moved');
    await turn(terminal, 'Start afterwards', 'yes');
    expect(await startRun(terminal)).toContain('into hv');
    await giveLine(terminal, password, right);
    await terminal.until('DONE');
    await terminal.until('started: running');
    const made = host.vms.find(({ name }) => name === 'moved')!;
    const [drive] = made.disks;
    await compareImages(disk, 'raw', host.local(drive!.path), 'vhdx');

    host.vhds.set(drive!.path, { ...host.vhds.get(drive!.path), size });
    await toProfile(terminal, 'hv');
    await giveLine(terminal, password, right);
    await terminal.until(/moved +running/);
    await pickMachine(terminal, 'moved');
    await choose(terminal, 'Destination', 'A folder here');
    await startRun(terminal);
    await giveLine(terminal, password, right);
    await terminal.until('DONE');
    await compareImages(disk, 'raw', join(here.folder, 'moved.qcow2'), 'qcow2');
    expect(host.ran).toContain('checkpoint');
    expect(made).toMatchObject({ checkpoints: [], disks: [{ path: drive!.path }] });
    await terminal.send('q');
    await terminal.until('ended with 0');
    expect(holds(await here.printed(), [wrong])).toBe(false);
    expect(await filesWith(here.home, [wrong])).toEqual([]);
  });
});

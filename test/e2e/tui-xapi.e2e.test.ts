/** A pool of XenServer on the screens: into it, out of it, and what goes wrong on the way. */
import { randomBytes } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { fingerprintOf } from '../env-plugins/vsphere/fingerprint.ts';
import { addMachine } from '../env-plugins/xapi/pool.ts';
import { compareImages } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { type FakeXapi, startXapi } from '../servers/xapi.ts';
import { choose, turn, type } from './configure.ts';
import { filesWith, holds, noKeychain, place } from './credentials-place.ts';
import {
  acceptFingerprint,
  addProfile,
  connectWith,
  fill,
  giveLine,
  keepInMemory,
  pickMachine,
  startRun,
  toFolder,
  toProfile,
} from './steps.ts';
import type { Terminal } from './tmux.ts';

const wrong = 'not the password 1';
const settingsOf = ({ port, user }: FakeXapi) => ({ Host: '127.0.0.1', Port: String(port), User: user });

const machineOf = ({ database }: FakeXapi, name: string) =>
  [...database.of('VM').values()].find(({ name_label }) => name_label === name);

/** A disk of whole steps of the pool: it rounds others up. */
async function putImage(folder: string): Promise<string> {
  const file = join(folder, 'disk.raw');
  await writeFile(
    file,
    Buffer.concat([randomBytes(900_000), Buffer.alloc(2 ** 22 - 1_200_000), randomBytes(300_000)]),
  );
  return file;
}

async function quit(terminal: Terminal): Promise<void> {
  await terminal.send('q');
  await terminal.until('ended with 0');
}

describeWith(['tmux', 'script', 'qemu-img'], 'a pool of XenServer in the terminal', () => {
  it('is tried with a wrong password, takes a machine under another name, and gives it back', async () => {
    const server = await startXapi();
    addMachine(server, 'disk', { power_state: 'Running' });
    const here = await place();
    const disk = await putImage(here.folder);
    const terminal = await here.open(noKeychain, { columns: 80, rows: 24 });
    await keepInMemory(terminal);
    await addProfile(terminal, 'XenServer', 'lab', { ...settingsOf(server), Password: wrong });
    await terminal.send('t');
    await acceptFingerprint(terminal, await fingerprintOf(server.port));
    await terminal.until('test failed: login: the server does not accept this user and password');
    await terminal.send('e');
    await terminal.until('Edit: lab');
    await fill(terminal, { Password: server.password });
    await terminal.send('Enter');
    await terminal.until('lab is saved');
    await terminal.send('t');
    await terminal.until('test passed');

    await toFolder(terminal);
    await pickMachine(terminal, 'disk');
    await choose(terminal, 'Destination', 'lab');
    await terminal.until(/Storage repository +Local storage/);
    await terminal.until('BLOCKED: there is a machine "disk" already');
    await terminal.send('Tab');
    await terminal.until(/choose another name; a machine that is there is never/);
    await terminal.send('Tab');
    expect(server.calls).not.toContain('VDI.create');
    await type(terminal, 'Name', 'moved');
    await turn(terminal, 'Start afterwards', 'yes');
    server.faults.stallAfter = 400_000;
    expect(await startRun(terminal)).toContain('into lab');
    await terminal.until('writing moved.raw');
    await terminal.send('c');
    await terminal.until('Cancel the conversion?');
    await terminal.send('y');
    await terminal.until('CANCELLED: nothing was left behind');
    expect(server.database.of('VDI').size).toBe(1);
    delete server.faults.stallAfter;
    await terminal.send('4');
    await startRun(terminal);
    await terminal.until('DONE');
    await terminal.until('started: running');
    const made = machineOf(server, 'moved');
    expect(made).toMatchObject({ power_state: 'Running' });

    await toProfile(terminal, 'lab');
    await terminal.until(/moved +running/);
    await pickMachine(terminal, 'moved');
    await choose(terminal, 'Destination', 'A folder here');
    await startRun(terminal);
    await terminal.until('DONE');
    await compareImages(disk, 'raw', join(here.folder, 'moved.qcow2'), 'qcow2');
    expect(made!.snapshots).toEqual([]);
    await quit(terminal);
    const secrets = [wrong, server.password];
    expect(holds(await here.printed(), secrets)).toBe(false);
    expect(await filesWith(here.home, secrets)).toEqual([]);
  });

  it('has no snapshot left of a machine whose conversion was stopped by Ctrl+C', async () => {
    const server = await startXapi();
    const { vm } = addMachine(server, 'web', { power_state: 'Running' });
    const here = await place();
    const terminal = await here.open(noKeychain, { columns: 200, rows: 50 });
    await connectWith(terminal, 'XenServer', settingsOf(server));
    await acceptFingerprint(terminal, await fingerprintOf(server.port));
    const question = 'Password of root on 127.0.0.1';
    await giveLine(terminal, question, wrong);
    await terminal.until('does not accept this user and password');
    await terminal.send('Enter');
    await giveLine(terminal, question, server.password);
    await terminal.until(/web +running/);
    // What changes there shows by itself, once the list is whole.
    await terminal.until('none marked: Enter takes this row');
    const second = addMachine(server, 'second');
    await terminal.until(/ {2}\[ \] second +Debian/);
    server.database.get('VM', second.vm).power_state = 'Suspended';
    await terminal.until(/second +suspended/);
    await terminal.until(/❯ \[ \] web/);
    await pickMachine(terminal, 'web');
    await terminal.until('Ready to start');
    server.faults.stallAfter = 400_000;
    await startRun(terminal);
    await giveLine(terminal, question, server.password);
    await terminal.until('taking a snapshot');
    await terminal.until('writing web.qcow2');
    expect(server.database.get('VM', vm).snapshots).toHaveLength(1);
    await terminal.send('C-c');
    await terminal.until('[s] stop it and quit');
    await terminal.send('s');
    await terminal.until('ended with');
    expect(server.database.get('VM', vm).snapshots).toEqual([]);
    expect(await readdir(here.folder)).toEqual([]);
    expect(holds(await here.printed(), [wrong, server.password])).toBe(false);
  });
});

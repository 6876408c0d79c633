/** Machines of vcsim on the screens: what is asked, what is refused, and one carried while it runs. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { administrator } from '../env-plugins/vsphere/administrator.ts';
import { connected, never } from '../env-plugins/vsphere/connected.ts';
import { fingerprintOf } from '../env-plugins/vsphere/fingerprint.ts';
import { machineName, putDisk, someDisk } from '../env-plugins/vsphere/warm-machine.ts';
import { compareImages } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { startVcsim, type Vcsim, vcsimTools } from '../servers/vcsim.ts';
import { turn } from './configure.ts';
import { filesWith, holds, place } from './credentials-place.ts';
import type { Terminal } from './tmux.ts';

/** Short enough for one line of a question, and to be typed. */
const wrong = 'not the password 1';

async function connectTo(terminal: Terminal, server: Vcsim): Promise<void> {
  await terminal.until('Continue without credentials');
  await terminal.send('Enter');
  await terminal.until('This computer');
  await terminal.send('/');
  await terminal.type('ESXi');
  await terminal.send('Enter');
  await terminal.until('1 of ');
  await terminal.send('e');
  await terminal.until('Settings:');
  for (const text of ['127.0.0.1', String(server.port), server.user]) {
    await terminal.type(text);
    await terminal.send('Tab');
  }
  await terminal.send('Enter');
}

/** Its whole fingerprint is on the screen, which breaks lines. */
async function acceptCertificate(terminal: Terminal, server: Vcsim): Promise<void> {
  const asked = await terminal.until('[y] yes');
  expect(asked.replace(/[\s│|]/g, '')).toContain(await fingerprintOf(server.port));
  await terminal.send('y');
}

async function giveLine(terminal: Terminal, question: string, text: string): Promise<void> {
  await terminal.until(question);
  await terminal.type(text);
  await terminal.send('Enter');
}

const passwordAsked = 'Password of operator on 127.0.0.1';

describeWith([...vcsimTools, 'qemu-img', 'tmux', 'script'], 'vSphere in the terminal', () => {
  it('carries a machine while it runs, after a wrong password and with its session ended in the middle', async () => {
    const server = await startVcsim({ machines: 1, running: true });
    const disk = someDisk(randomBytes);
    await putDisk(server, disk);
    const admin = await administrator(server);
    const here = await place();
    const terminal = await here.open();
    await connectTo(terminal, server);
    await acceptCertificate(terminal, server);
    await giveLine(terminal, passwordAsked, wrong);
    await terminal.until('the user name or the password is wrong');
    await terminal.send('Enter');
    await giveLine(terminal, passwordAsked, server.password);
    await terminal.until(new RegExp(`${machineName} +running`));
    await terminal.send('/');
    await terminal.type('H0_');
    await terminal.send('Enter');
    await terminal.until('1 of 2');
    await terminal.send('Enter');
    await terminal.until('Ready to start');
    await turn(terminal, 'While it runs', 'yes, and wait');
    await terminal.until('Ready to start');
    await terminal.send('g');
    await terminal.until('[y] start');
    await terminal.send('y');
    await giveLine(terminal, passwordAsked, server.password);
    await terminal.until('racking');
    await terminal.send('y');
    await terminal.until('s shut down');
    await terminal.until('waiting');

    expect(await admin.endOthers()).toBeGreaterThan(0);
    // vcsim tells properties without a session: the first that fails is the call that shuts it down.
    await terminal.send('s');
    await terminal.until('[y]');
    await terminal.send('y');
    // The session is opened again: by whom is asked at that moment.
    await giveLine(terminal, passwordAsked, server.password);
    await terminal.until('DONE', 60);
    const file = join(here.folder, 'disk.raw');
    await writeFile(file, disk);
    await compareImages(file, 'raw', join(here.folder, `${machineName}.qcow2`), 'qcow2');
    const session = await connected(server);
    const after = await session.source!.inspect(machineName, never);
    expect(after).toMatchObject({ state: 'off' });
    expect(after.snapshots).toBeUndefined();
    await terminal.send('q');
    await terminal.until('ended with 0');
    const secrets = [wrong, server.password];
    expect(holds(await here.printed(), secrets)).toBe(false);
    expect(await filesWith(here.home, secrets)).toEqual([]);
  });

  it('refuses an encrypted disk in words', async () => {
    const server = await startVcsim({ machines: 1 });
    await (await administrator(server)).addEncryptedDisk(machineName);
    const here = await place();
    const terminal = await here.open();
    await connectTo(terminal, server);
    await acceptCertificate(terminal, server);
    await giveLine(terminal, passwordAsked, server.password);
    await terminal.until(machineName);
    await terminal.send('/');
    await terminal.type('H0_');
    await terminal.send('Enter');
    await terminal.until('1 of 2');
    await terminal.send('Enter');
    await terminal.until('[4 Configuration]');
    await terminal.until('BLOCKER');
    await terminal.send('g');
    const screen = await terminal.until('the disk is encrypted');
    expect(screen).not.toContain('Ready to start');
    expect(screen).not.toContain('[y] start');
  });
});

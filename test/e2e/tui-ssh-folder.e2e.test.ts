/** A folder behind SSH takes what a folder here takes: chosen on the screen, and by a command. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { storePaths } from '../../src/state/stores/paths.ts';
import { ProfileStore } from '../../src/state/stores/profiles.ts';
import { qemuImg, qemuIo } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { sshdTools, startSshd } from '../servers/sshd.ts';
import { tempFolder } from '../temp.ts';
import { openTerminal } from './tmux.ts';

const program = `${process.execPath} ${resolve('dist/cli.js')}`;

async function place() {
  const server = await startSshd();
  onTestFinished(() => server.stop());
  const folder = await tempFolder();
  const far = await tempFolder();
  await mkdir(join(folder, '.ssh'));
  await writeFile(join(folder, '.ssh', 'known_hosts'), `[127.0.0.1]:${server.port} ${server.hostKey()}\n`);
  const env = { VMFERRY_HOME: await tempFolder(), HOME: folder, SSH_AUTH_SOCK: '' };
  await new ProfileStore(storePaths({ env }).profiles).save({
    name: 'far',
    environment: 'ssh',
    settings: { host: '127.0.0.1', port: String(server.port), user: server.user, keyFile: server.key },
    secretFields: [],
  });
  await qemuImg('create', '-q', '-f', 'qcow2', join(folder, 'web.qcow2'), '64M');
  await qemuIo('qcow2', join(folder, 'web.qcow2'), 'write -P 7 10M 4M');
  const open = (command: string) =>
    openTerminal(`${command}; echo "ended with $?"; sleep 600`, { columns: 80, rows: 24, cwd: folder, env });
  return { folder, far, open };
}

describeWith(['tmux', 'qemu-img', ...sshdTools], 'a folder behind SSH', () => {
  it('gets an OVA for VMware, chosen on the screen', async () => {
    const { far, open } = await place();
    const terminal = await open(program);
    await terminal.until('Continue without credentials');
    await terminal.send('End', 'Enter');
    await terminal.until('This computer');
    await terminal.send('Home', 'Enter');
    await terminal.until(/web .*qcow2/);
    await terminal.send('Enter');
    await terminal.until('A folder here');
    await terminal.send('Enter');
    await terminal.until('files on this computer');
    await terminal.send('Down');
    await terminal.until('127.0.0.1');
    await terminal.send('Enter');
    // Its own form has come.
    await terminal.until(/Folder +~/);
    await terminal.send('Down', 'Right');
    await terminal.until('OVA, one file with all in it');
    await terminal.send('Down', 'Enter', 'C-u');
    await terminal.type(far);
    await terminal.send('Enter');
    await terminal.until(far);
    while (!(await terminal.until(/Ready to start|\[y\] start/)).includes('[y] start')) {
      await terminal.send('g');
    }
    const asked = (await terminal.screen()).replace(/[\s│|]+/g, '');
    expect(asked).toContain('asweb.ova');
    expect(asked).not.toContain('sudono');
    await terminal.send('y');
    await terminal.until('DONE');
    expect(await readdir(far)).toEqual(['web.ova']);
    await terminal.send('q');
    await terminal.until('ended with 0');
  });

  it('gets an OVA for VMware by a command', async () => {
    const { far, open } = await place();
    const to = `--to-profile far --to-set folder=${far} --for vmware --package ova`;
    const terminal = await open(`${program} convert web.qcow2 ${to}`);
    await terminal.until('ended with 0');
    expect(await readdir(far)).toEqual(['web.ova']);
  });
});

/** What a host asks when it lets in: on the screen while connecting and when a run connects, on a terminal by commands. */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { compareImages, qemuImg, qemuIo } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { sftpServer, startAskingSshd } from '../servers/asking-sshd.ts';
import { tempFolder } from '../temp.ts';
import { openTerminal, type Terminal } from './tmux.ts';

const program = `${process.execPath} ${resolve('dist/cli.js')}`;
const [password, code] = ['door-password', 'code-314159'];

async function place() {
  const folder = await tempFolder();
  const images = join(folder, 'images');
  await mkdir(images);
  await qemuImg('create', '-q', '-f', 'qcow2', join(images, 'web.qcow2'), '64M');
  await qemuIo('qcow2', join(images, 'web.qcow2'), 'write -P 7 10M 4M');
  const server = await startAskingSshd(password, code);
  const home = await tempFolder();
  const open = (command: string) =>
    openTerminal(`${command}; echo "ended with $?"; sleep 600`, {
      ...{ columns: 80, rows: 24, cwd: folder },
      env: { VMFERRY_HOME: home, HOME: folder, SSH_AUTH_SOCK: '' },
    });
  return { folder, images, home, server, open };
}

/** Each file below the folder as text. */
async function allTextIn(folder: string): Promise<string> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return (await Promise.all(files.map((file) => readFile(file, 'utf8')))).join('\n');
}

async function answer(terminal: Terminal, question: string | RegExp, text: string): Promise<void> {
  await terminal.until(question);
  await terminal.type(text);
  await terminal.send('Enter');
}

describeWith(['tmux', 'qemu-img', sftpServer], 'a host that asks', () => {
  it('is answered on the screen, while connecting and when the run connects', async () => {
    const { folder, images, home, server, open } = await place();
    const terminal = await open(program);
    await terminal.until('Continue without credentials');
    await terminal.send('Enter');
    await terminal.until('This computer');
    await terminal.send('/');
    await terminal.type('Disk files over SSH');
    await terminal.send('Enter');
    await terminal.until('1 of ');
    await terminal.send('e');
    await terminal.until('Settings:');
    await terminal.type('127.0.0.1');
    await terminal.send('Tab');
    await terminal.type(String(server.port));
    await terminal.send('Tab');
    await terminal.type('me');
    await terminal.tabTo('in which to look');
    await terminal.send('C-u');
    await terminal.type(images);
    await terminal.send('Enter');
    await terminal.until('[y] yes');
    await terminal.send('y');
    await answer(terminal, 'Password of me on 127.0.0.1', password);
    await terminal.until('Verification code:');
    await terminal.type(code);
    const asked = await terminal.screen();
    expect(asked).toContain('Disk files over SSH, 127.0.0.1');
    expect(asked).not.toContain('314159');
    await terminal.send('Enter');
    await terminal.until(/web .*qcow2/);
    await terminal.send('Enter');
    await terminal.until('Ready to start');
    await terminal.send('g');
    await terminal.until('[y] start');
    await terminal.send('y');
    await answer(terminal, 'Password of me on 127.0.0.1', password);
    await answer(terminal, 'Verification code:', code);
    await terminal.until('DONE');
    await compareImages(join(images, 'web.qcow2'), 'qcow2', join(folder, 'web.qcow2'), 'qcow2');
    expect(server.codes).toEqual([code, code]);
    await terminal.send('q');
    await terminal.until('ended with 0');
    const kept = await allTextIn(home);
    expect(kept).toContain('web to qcow2');
    for (const secret of [password, code]) expect(kept).not.toContain(secret);
  });

  it('is answered on the terminal by a command, and not at all where there is none', async () => {
    const { folder, images, server, open } = await place();
    const at = `--env ssh --setting host=127.0.0.1 --setting port=${server.port} --setting user=me`;
    // A command says no to a key that is not known.
    const known = `mkdir -p .ssh; ssh-keyscan -p ${server.port} 127.0.0.1 > .ssh/known_hosts 2>/dev/null`;
    const convert = `${program} convert ${join(images, 'web.qcow2')} ${at} --to out.raw`;
    const terminal = await open(`${known}; ${convert} --quiet; echo "quiet: $?"; ${convert}`);
    await terminal.until('quiet: 1');
    // It connects to look, and to run: what is asked stays on the screen.
    for (const times of [1, 2]) {
      await answer(terminal, nth('Password of me on 127\\.0\\.0\\.1 *$', times), password);
      await answer(terminal, nth('Verification code: *$', times), code);
    }
    const screen = await terminal.until('ended with 0');
    for (const secret of [password, '314159']) expect(screen).not.toContain(secret);
    await compareImages(join(images, 'web.qcow2'), 'qcow2', join(folder, 'out.raw'), 'raw');
    expect(server.codes).toEqual([code, code]);
  });

  it('is not answered by Esc: the command ends and says what was asked', async () => {
    const { images, server, open } = await place();
    const at = `--env ssh --setting host=127.0.0.1 --setting port=${server.port} --setting user=me`;
    const known = `mkdir -p .ssh; ssh-keyscan -p ${server.port} 127.0.0.1 > .ssh/known_hosts 2>/dev/null`;
    const terminal = await open(`${known}; ${program} inspect ${join(images, 'web.qcow2')} ${at}`);
    await answer(terminal, 'Password of me', password);
    await terminal.until('Verification code:');
    await terminal.send('Escape');
    const screen = await terminal.until(/ended with [1-9]/);
    expect(screen.replace(/\n/g, '')).toContain('no answer was given to');
  });
});

/** The pattern, this often, each at the end of a line. */
const nth = (pattern: string, times: number): RegExp => new RegExp(`(?:[^]*?${pattern}){${times}}`, 'm');

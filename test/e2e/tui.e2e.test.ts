/** The whole TUI in a real terminal, from the start to a finished conversion, and through what goes wrong. */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, truncate, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { compareImages, qemuImg, qemuIo } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { tempFolder } from '../temp.ts';
import { openTerminal, type Terminal, type TerminalOptions } from './tmux.ts';

const run = promisify(execFile);
const program = resolve('dist/cli.js');

interface Started {
  readonly terminal: Terminal;
  /** Where the program was started: its images are found first. */
  readonly folder: string;
  readonly home: string;
}

async function start(folder: string, options: Partial<TerminalOptions> = {}): Promise<Started> {
  const home = await tempFolder();
  const terminal = await openTerminal(`${process.execPath} ${program}; echo "ended with $?"; sleep 600`, {
    columns: 80,
    rows: 24,
    cwd: folder,
    ...options,
    env: { VMFERRY_HOME: home, HOME: folder, ...options.env },
  });
  return { terminal, folder, home };
}

/** A folder with one scrambled qcow2 of `mib` MiB. */
async function folderWithImage(mib = 8): Promise<string> {
  const folder = await tempFolder();
  const image = join(folder, 'web.qcow2');
  await qemuImg('create', '-q', '-f', 'qcow2', image, '256M');
  await qemuIo('qcow2', image, `write -P 7 100M ${mib}M`, `write -P 9 3M ${mib}M`);
  return folder;
}

/** Past credentials and environment, to the list of machines. */
async function toImages(terminal: Terminal): Promise<void> {
  await terminal.until('Continue without credentials');
  await terminal.send('Enter');
  await terminal.until('This computer');
  await terminal.send('Enter');
}

async function toConfiguration(terminal: Terminal, name: string, folder: string): Promise<void> {
  await toImages(terminal);
  await terminal.until(new RegExp(`${name} .*qcow2`));
  await terminal.send('Enter');
  await terminal.until('Destination');
  await terminal.send('Down');
  await terminal.send('Down');
  await terminal.send('Enter');
  await terminal.send('C-u');
  await terminal.type(folder);
  await terminal.send('Enter');
}

async function startRun(terminal: Terminal): Promise<void> {
  // While a changed plan is being worked out the key only says so; the question does not hear it.
  while (!(await terminal.until(/Ready to start|\[y\] start/)).includes('[y] start')) {
    await terminal.send('g');
  }
  await terminal.send('y');
}

const left = async (folder: string) => (existsSync(folder) ? (await readdir(folder)).sort() : []);

describeWith(['tmux', 'qemu-img'], 'the TUI in a terminal', () => {
  beforeAll(async () => {
    if (!existsSync(program)) await run('npm', ['run', '--silent', 'build']);
  });

  it('converts a real image, at 80x24, and leaves the terminal as it was', async () => {
    const folder = await folderWithImage();
    const out = join(folder, 'out');
    const { terminal } = await start(folder);
    await toConfiguration(terminal, 'web', out);
    await startRun(terminal);
    await terminal.until('DONE');
    await compareImages(join(folder, 'web.qcow2'), 'qcow2', join(out, 'web.qcow2'), 'qcow2');
    expect(await left(out)).toEqual(['web.qcow2']);
    await terminal.send('h');
    await terminal.until(/done +web to qcow2/);
    await terminal.send('q');
    const after = await terminal.until('ended with 0');
    expect(after).not.toContain('Credentials');
  });

  it('converts the sample machine', async () => {
    const folder = await tempFolder();
    const { terminal } = await start(folder);
    await terminal.until('Continue without credentials');
    await terminal.send('Enter');
    await terminal.until('This computer');
    await terminal.send('End');
    await terminal.until('The sample machine');
    await terminal.send('Enter');
    await terminal.until(/vmferry-sample .*vmdk/);
    await terminal.send('Enter');
    await startRun(terminal);
    await terminal.until('DONE');
    const [made] = (await readdir(folder)).filter((name) => name.endsWith('.qcow2'));
    await qemuImg('check', '-f', 'qcow2', join(folder, made!));
    await terminal.send('q');
    await terminal.until('ended with 0');
  });

  it('is redrawn when the terminal changes its size, on each screen', async () => {
    const folder = await folderWithImage();
    const { terminal } = await start(folder, { columns: 200, rows: 50 });
    await terminal.until('Continue without credentials');
    for (const [columns, rows] of [
      [80, 24],
      [133, 40],
      [60, 20],
    ] as const) {
      await terminal.resize(columns, rows);
      const screen = await terminal.until(/Continue without/);
      expect(screen.trimEnd().split('\n').length).toBeLessThanOrEqual(rows);
      expect(screen.match(/Continue without/g)).toHaveLength(1);
    }
    await terminal.send('Enter');
    await terminal.until('This computer');
    await terminal.resize(20, 5);
    await terminal.resize(100, 30);
    await terminal.until('This computer');
    await terminal.send('q');
    await terminal.until('ended with 0');
  });

  it('asks once on Ctrl+C while a conversion runs, and leaves nothing of it', async () => {
    const folder = await tempFolder();
    // Random bytes into a compressed format: slow enough to be caught in the middle.
    const image = join(folder, 'slow.raw');
    await run('sh', ['-c', `head -c 600M /dev/urandom > '${image}'`]);
    await run('qemu-img', ['convert', '-O', 'qcow2', image, join(folder, 'slow.qcow2')]);
    const out = join(folder, 'out');
    const { terminal, home } = await start(folder);
    await toImages(terminal);
    await terminal.until(/slow .*qcow2/);
    await terminal.send('/');
    await terminal.type('qcow2');
    await terminal.send('Enter');
    await terminal.send('Enter');
    await terminal.until('Destination');
    await terminal.send('Down');
    await terminal.send('Right'); // VMware: an OVA, compressed
    await terminal.until('VMware');
    await terminal.send('Down', 'Enter', 'C-u');
    await terminal.type(out);
    await terminal.send('Enter');
    await startRun(terminal);
    await terminal.until(/[1-9]\d? ?%/);
    await terminal.resize(120, 40);
    await terminal.until('slow');
    await terminal.send('p');
    await terminal.until(/PAUSED/i);
    await terminal.send('p');
    await terminal.send('C-c');
    await terminal.until('[s] stop it and quit');
    await terminal.send('s');
    await terminal.until('ended with');
    expect(await left(out)).toEqual([]);
    const kept = await readdir(join(home, 'state', 'runs'));
    expect(kept.some((name) => name.endsWith('.jsonl'))).toBe(true);
    expect(kept.some((name) => /\.(sock|process)/.test(name))).toBe(false);
  });

  it('says what is wrong with a path typed by hand, and with a truncated image', async () => {
    const folder = await folderWithImage();
    await truncate(join(folder, 'web.qcow2'), 300 * 1024);
    await mkdir(join(folder, 'elsewhere'));
    const { terminal } = await start(folder);
    await toImages(terminal);
    await terminal.until('web');
    await terminal.send('p');
    await terminal.until('Add by path');
    await terminal.type('/no/such/image.qcow2');
    await terminal.send('Enter');
    // The form has closed itself: the list is behind it, and says what is wrong with the other one.
    await terminal.until('no such file');
    await terminal.until(/past the end|cut short/);
    await terminal.send('q');
    await terminal.until('ended with 0');
  });

  const canMount = process.getuid?.() === 0 && spawnSync('sh', ['-c', 'command -v mount']).status === 0;
  it.skipIf(!canMount)('says so before it starts when the folder can not be written to', async () => {
    const folder = await folderWithImage();
    const closed = join(folder, 'closed');
    await mkdir(closed);
    await run('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', closed]);
    onTestFinished(async () => {
      await run('umount', [closed]);
    });
    const { terminal } = await start(folder);
    await toConfiguration(terminal, 'web', join(closed, 'deeper'));
    await terminal.until(/BLOCKED/);
    await terminal.send('g');
    const screen = await terminal.screen();
    expect(screen).not.toContain('[y] start');
    await terminal.send('q');
    await terminal.until('ended with 0');
  });

  it.skipIf(!canMount)('fails clearly on a full disk and leaves nothing (left out unless root)', async () => {
    const folder = await folderWithImage(16);
    const small = join(folder, 'small');
    await mkdir(small);
    await run('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', small]);
    onTestFinished(async () => {
      await run('umount', [small]);
    });
    const { terminal } = await start(folder);
    await toConfiguration(terminal, 'web', small);
    await startRun(terminal);
    await terminal.until(/no space left/i);
    expect(await left(small)).toEqual([]);
    await terminal.send('q');
    await terminal.until('ended with 0');
  });

  it('draws plain ASCII on a dumb terminal without UTF-8', async () => {
    const folder = await folderWithImage();
    const { terminal } = await start(folder, { env: { LANG: 'C', LC_ALL: 'C', NO_COLOR: '1' } });
    await toImages(terminal);
    const screen = await terminal.until(/web .*qcow2/);
    expect([...screen].filter((char) => char.charCodeAt(0) > 126)).toEqual([]);
    await terminal.send('q');
    await terminal.until('ended with 0');
  });

  it('restores the terminal when it is killed', async () => {
    const folder = await tempFolder();
    await writeFile(join(folder, 'note'), '');
    const { terminal } = await start(folder);
    await terminal.until('Continue without credentials');
    const { stdout } = await run('pgrep', ['-f', `^${process.execPath} ${program}$`]);
    for (const pid of stdout.trim().split('\n')) {
      const cwd = await run('readlink', [`/proc/${pid}/cwd`]);
      if (cwd.stdout.trim() === folder) process.kill(Number(pid), 'SIGTERM');
    }
    const after = await terminal.until('ended with');
    expect(after).not.toContain('Continue without credentials');
  });
});

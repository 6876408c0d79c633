/** Every command of the built program: what it prints, and that a script can rely on it. */
import { spawnSync } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { qemuImg } from '../oracles/qemu-img.ts';
import { describeWith, hasTool } from '../oracles/requires.ts';
import { oddDisk, type Place, place, program, values } from './program.ts';
import { openTerminal } from './tmux.ts';

const size = 2 * 2 ** 20;

async function withDisk(): Promise<Place> {
  const here = await place();
  await writeFile(here.path('disk.raw'), oddDisk(size));
  return here;
}

describe('help', () => {
  it('of the program and of every command', async () => {
    const { run } = await place();
    const top = await run(['--help']);
    expect(top.code).toBe(0);
    expect(top.stdout).toMatch(/Exit codes: 0 done/);
    const commands = ['list', 'inspect', 'convert', 'plan', 'run', 'history', 'doctor', 'completion'];
    for (const command of commands) {
      expect(top.stdout).toMatch(new RegExp(`^  ${command}\\b`, 'm'));
      const { code, stdout, stderr } = await run([command, '--help']);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(new RegExp(`Usage: vmferry ${command}`));
    }
    expect((await run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('completion', () => {
  it.each(['bash', 'zsh', 'fish'])('%s', async (shell) => {
    const { run, path } = await place();
    const { code, stdout } = await run(['completion', shell]);
    expect(code).toBe(0);
    expect(stdout).toContain('convert');
    if (!hasTool(shell)) return;
    await writeFile(path('script'), stdout);
    expect(spawnSync(shell, ['-n', path('script')]).stderr.toString()).toBe('');
  });

  it('bash completes commands, options and files', async () => {
    const { run, path, folder } = await withDisk();
    await writeFile(path('script'), (await run(['completion', 'bash'])).stdout);
    const complete = (...words: string[]) =>
      spawnSync(
        'bash',
        [
          '-c',
          `source ./script; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _vmferry 2>/dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`,
          'x',
          ...words,
        ],
        { cwd: folder },
      ).stdout.toString();
    expect(complete('vmferry', 'conv')).toBe('convert\n');
    expect(complete('vmferry', 'convert', '--sam')).toBe('--sample\n');
    expect(complete('vmferry', 'convert', 'disk')).toBe('disk.raw\n');
    expect(complete('vmferry', 'plugins', 'dis')).toBe('distrust\n');
  });

  it.skipIf(!hasTool('fish'))('fish completes values of options, and actions', async () => {
    const { run, path, folder } = await withDisk();
    await writeFile(path('script'), (await run(['completion', 'fish'])).stdout);
    const own = `function vmferry; ${process.execPath} ${program} $argv; end`;
    const complete = (line: string) =>
      spawnSync('fish', ['-c', `${own}; source ./script; complete -C $argv[1]`, line], { cwd: folder })
        .stdout.toString()
        .split('\n')
        .map((found) => found.split('\t')[0]);
    expect(complete('vmferry plugins dis')).toEqual(['distrust', '']);
    expect(complete('vmferry plugins trust d')).toContain('disk.raw');
    expect(complete('vmferry convert --firmware u')).toEqual(['uefi', '']);
    expect(complete('vmferry list --env libv')).toEqual(['libvirt', '']);
    expect(complete('vmferry convert --to d')).toContain('disk.raw');
  });

  it.skipIf(!hasTool('zsh') || !hasTool('tmux'))('zsh completes values of options, and actions', async () => {
    const { run, path, folder } = await withDisk();
    await writeFile(path('script'), (await run(['completion', 'zsh'])).stdout);
    const terminal = await openTerminal('zsh -f', { columns: 100, rows: 24, cwd: folder });
    await terminal.type(`vmferry() { ${process.execPath} ${program} "$@" }`);
    await terminal.send('Enter');
    await terminal.type('PROMPT="ready> "; autoload -Uz compinit; compinit -D; source ./script; clear');
    await terminal.send('Enter');
    await terminal.until(/^ready>\s*$/m);
    for (const [typed, completed] of [
      ['vmferry plugins dist', 'plugins distrust'],
      ['vmferry convert --firmware ue', '--firmware uefi'],
      ['vmferry list --env libv', '--env libvirt'],
      ['vmferry convert --to di', '--to disk.raw'],
    ] as const) {
      await terminal.type(typed);
      await terminal.send('Tab');
      await terminal.until(completed);
      await terminal.send('C-u');
    }
  });
});

describe('plans', () => {
  it('--dry-run moves nothing and prints what would be done', async () => {
    const { run, folder } = await withDisk();
    const words = await run(['convert', 'disk.raw', '--to', 'new/out.vmdk', '--dry-run']);
    expect(words).toMatchObject({ code: 0, stdout: expect.stringMatching(/becomes out\.vmdk/) });
    const { stdout } = await run(['convert', 'disk.raw', '--to', 'out.vmdk', '--dry-run', '--json']);
    expect(values(stdout).map((v) => v.type)).toEqual(['findings', 'plan']);
    expect(await readdir(folder)).toEqual(['disk.raw']);
    expect((await run(['history'])).stdout).toBe('');
  });

  it('plan > file; run file; run -', async () => {
    const { run, path } = await withDisk();
    const { code, stdout } = await run(['plan', 'disk.raw', '--to', 'out.raw', '--cpus', '4']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ version: 1, machine: { processors: { count: 4 } } });
    await writeFile(path('plan.json'), stdout);
    expect(await run(['run', 'plan.json'])).toMatchObject({ code: 0, stdout: `${path('out.raw')}\n` });
    expect((await readFile(path('out.raw'))).equals(oddDisk(size))).toBe(true);
    expect(await run(['run', '-'], { input: stdout })).toMatchObject({ code: 3 });
    expect(await run(['run', '-', '--force'], { input: stdout })).toMatchObject({ code: 0 });
    const both = JSON.stringify([JSON.parse(stdout), JSON.parse(stdout.replace('out.raw', 'two.raw'))]);
    await rm(path('out.raw'));
    expect(await run(['run', '-'], { input: both })).toMatchObject({ code: 0 });
    expect((await readdir(path('.'))).sort()).toEqual(['disk.raw', 'out.raw', 'plan.json', 'two.raw']);
  });

  it.each([
    ['a field of the wrong kind', (p: string) => p.replace('"force": false', '"force": "no"'), 2],
    [
      'an unknown format',
      (p: string) => p.replace('"format": "raw",\n    "options"', '"format": "x",\n    "options"'),
      1,
    ],
    ['an unknown option', (p: string) => p.replace('"preallocation"', '"colour"'), 2],
    ['a file that leads out', (p: string) => p.replace('"file": "out.raw"', '"file": "../out.raw"'), 2],
    ['an unknown environment', (p: string) => p.replaceAll('"local"', '"moon"'), 2],
    [
      'a package of another format',
      (p: string) => p.replace('"container": "disks"', '"container": "ova"'),
      2,
    ],
  ])('a plan with %s is refused', async (_, change, code) => {
    const { run, folder } = await withDisk();
    const { stdout } = await run(['plan', 'disk.raw', '--to', 'out.raw']);
    expect(change(stdout)).not.toBe(stdout);
    const ended = await run(['run', '-'], { input: change(stdout) });
    expect(ended.stderr).toMatch(/^vmferry: /m);
    expect(ended.code, ended.stderr).toBe(code);
    expect(await readdir(folder)).toEqual(['disk.raw']);
  });
});

describe('history', () => {
  it('lists, shows, runs again, forgets', async () => {
    const { run, path } = await withDisk();
    expect(await run(['history'])).toMatchObject({ code: 0, stderr: 'no conversion yet\n' });
    await run(['convert', 'disk.raw', '--to', 'out.qcow2', '-q']);
    await run(['convert', 'disk.raw', '--to', 'out.qcow2', '-q']); // blocked
    const entries = values((await run(['history', '--json'])).stdout);
    expect(entries.map((e) => e.outcome)).toEqual(['done']);
    const id = String(entries[0]!.id);
    expect((await run(['history'])).stdout).toContain(id);
    expect((await run(['history', id])).stdout).toMatch(/out to qcow2[\s\S]*out\.qcow2[\s\S]*done:/);
    expect(values((await run(['history', id, '--json'])).stdout)[0]).toMatchObject({
      id,
      plan: { version: 1 },
    });
    expect(await run(['history', id, '--rerun'])).toMatchObject({ code: 3 });
    expect(await run(['history', id, '--rerun', '--force'])).toMatchObject({ code: 0 });
    await rm(path('out.qcow2'));
    expect(await run(['history', id, '--rerun'])).toMatchObject({
      code: 0,
      stdout: `${path('out.qcow2')}\n`,
    });
    expect(await run(['history', id, '--remove'])).toMatchObject({ code: 0 });
    expect(await run(['history', id])).toMatchObject({ code: 1 });
    const outcomes = values((await run(['history', '--json'])).stdout).map((e) => e.outcome);
    expect(outcomes.sort()).toEqual(['done', 'done', 'failed']);
  });
});

describeWith(['qemu-img'], 'list', () => {
  it('takes what belongs together for one machine', async () => {
    const { run, path } = await withDisk();
    const from = ['-f', 'raw', path('disk.raw')];
    await mkdir(path('vms'));
    const vmdk = (kind: string) => ['-O', 'vmdk', '-o', `subformat=${kind}`];
    await qemuImg('convert', '-q', ...vmdk('twoGbMaxExtentFlat'), ...from, path('vms/split.vmdk'));
    await qemuImg('convert', '-q', ...vmdk('monolithicFlat'), ...from, path('vms/flat.vmdk'));
    await qemuImg('convert', '-q', '-O', 'qcow2', ...from, path('vms/base.qcow2'));
    await qemuImg('create', '-q', '-f', 'qcow2', '-b', 'base.qcow2', '-F', 'qcow2', path('vms/top.qcow2'));
    expect(await run(['convert', 'disk.raw', '--to', 'vms/pack.ovf', '-q'])).toMatchObject({ code: 0 });
    expect(await run(['convert', 'disk.raw', '--to', 'vms/one.ova', '-q'])).toMatchObject({ code: 0 });
    await writeFile(path('vms/broken.ova'), 'no archive');
    await writeFile(path('vms/readme.txt'), 'no image');
    const { code, stdout } = await run(['list', 'vms', '--json']);
    expect(code).toBe(0);
    const items = values(stdout) as { machine: { id: string; findings: { rule: string }[] } }[];
    const names = items.map((item) => item.machine.id.split('/').at(-1)).sort();
    expect(names).toEqual(['broken.ova', 'flat.vmdk', 'one.ova', 'pack.ovf', 'split.vmdk', 'top.qcow2']);
    const broken = items.find((item) => item.machine.id.endsWith('broken.ova'));
    expect(broken?.machine.findings.map((f) => f.rule)).toContain('package.unreadable');
    expect((await run(['list', 'vms'])).stdout.trimEnd().split('\n')).toHaveLength(7);
  });

  it('environments; an empty folder; a folder that can not be read', async () => {
    const { run, path } = await place();
    expect((await run(['list'])).stdout).toMatch(/environment\s+local/);
    expect(values((await run(['list', '--json'])).stdout)).toContainEqual(
      expect.objectContaining({ id: 'local' }),
    );
    await mkdir(path('empty'));
    expect(await run(['list', 'empty'])).toMatchObject({
      code: 0,
      stdout: '',
      stderr: 'no machine was found\n',
    });
    await chmod(path('empty'), 0);
    expect(await run(['list', 'empty'])).toMatchObject({ code: 0 });
  });
});

describe('inspect', () => {
  it('the sample: its partitions and sizes, for people and for scripts', async () => {
    const { run, path } = await place();
    expect(await run(['convert', '--sample', '--to', 's.qcow2', '-q'])).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect((await run(['inspect', 's.qcow2'])).stdout).toMatch(/format +qcow2 \(.*\)/);
    const { stdout } = await run(['inspect', path('s.qcow2'), '--json']);
    const [found] = values(stdout) as [Record<string, Record<string, unknown>>];
    expect(Object.keys(found).sort()).toEqual(['images', 'machine', 'reports']);
    expect(found.machine).toMatchObject({
      id: path('s.qcow2'),
      name: 's',
      disks: [{ id: 'disk0', format: 'qcow2' }],
    });
    expect(found.images!.disk0).toMatchObject({
      format: 'qcow2',
      virtualSizeBytes: expect.any(Number),
      files: [path('s.qcow2')],
    });
    expect(found.reports!.disk0).toMatchObject({
      partitionTable: expect.anything(),
      partitions: expect.any(Array),
    });
  });
});

describe('doctor', () => {
  it('says what this computer has', async () => {
    const { run } = await place();
    expect((await run(['doctor'])).stdout).toMatch(/^ok +Node\.js/m);
    const [answer] = values((await run(['doctor', '--json'])).stdout) as [{ checks: { name: string }[] }];
    expect(answer.checks.map((c) => c.name)).toEqual(
      expect.arrayContaining(['Node.js', 'secrets', 'terminal']),
    );
  });
});

describe('output', () => {
  it('has no colours and no cursor movements where it is no terminal', async () => {
    const { run } = await withDisk();
    for (const args of [
      ['--help'],
      ['list'],
      ['doctor'],
      ['convert', 'disk.raw', '--to', 'o.raw'],
      ['history'],
    ]) {
      const { stdout, stderr } = await run(args, { env: { FORCE_COLOR: '3', NO_COLOR: undefined } });
      expect(stdout + stderr).not.toContain('\x1b');
      expect(stdout + stderr).not.toContain('\r');
    }
  });

  it('may be closed early', async () => {
    const { folder, home } = await withDisk();
    const shell = (line: string) =>
      spawnSync('bash', ['-o', 'pipefail', '-c', line, process.execPath, program], {
        cwd: folder,
        env: { ...process.env, VMFERRY_HOME: home },
        encoding: 'utf8',
      });
    for (const args of [
      '--help',
      'list . --json',
      'inspect disk.raw',
      'convert disk.raw --to o.raw --force --json',
    ]) {
      const { status, stderr } = shell(`"$0" "$1" ${args} | true`);
      expect({ args, status, trace: /^\s+at /m.test(stderr) }).toEqual({ args, status: 0, trace: false });
    }
  });

  it('to a full disk is a failure', async () => {
    const { folder, home } = await withDisk();
    const { status, stderr } = spawnSync(
      'bash',
      ['-c', '"$0" "$1" list . --json > /dev/full', process.execPath, program],
      {
        cwd: folder,
        env: { ...process.env, VMFERRY_HOME: home },
        encoding: 'utf8',
      },
    );
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(/no space left/) });
  });
});

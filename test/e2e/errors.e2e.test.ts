/** What goes wrong: the exit code, what is said, and that nothing is left behind. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { link, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { compareImages, qemuImg } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { oddDisk, type Place, place, values } from './program.ts';

const size = 3 * 2 ** 20;

async function withDisk(): Promise<Place> {
  const here = await place();
  await writeFile(here.path('disk.raw'), oddDisk(size));
  return here;
}

describe('what is asked for is impossible', () => {
  const cases: { args: string[]; code: number; says: RegExp }[] = [
    { args: ['convert', 'nowhere.raw', '--to', 'x.qcow2'], code: 1, says: /no such file.*nowhere\.raw/ },
    { args: ['convert', '.', '--to', 'x.qcow2'], code: 1, says: /a folder, not an image/ },
    { args: ['convert', 'disk.raw/x', '--to', 'x.qcow2'], code: 1, says: /a file, not a folder/ },
    { args: ['convert', 'empty.raw', '--to', 'x.qcow2'], code: 3, says: /no bytes/ },
    { args: ['convert', 'text.vmdk', '--to', 'x.qcow2'], code: 1, says: /no mark.*--from raw/ },
    { args: ['convert', 'pipe.raw', '--to', 'x.qcow2'], code: 1, says: /neither a file nor a block device/ },
    {
      args: ['convert', 'disk.raw', '--to', 'x.qcow2', '--format', 'floppy'],
      code: 2,
      says: /known are: .*qcow2/,
    },
    {
      args: ['convert', 'disk.raw', '--to', 'x.qcow2', '--from', 'floppy'],
      code: 2,
      says: /known are: .*qcow2/,
    },
    { args: ['convert', 'disk.raw', '--to', 'x.qcow2', '--set', 'colour=red'], code: 2, says: /clusterSize/ },
    {
      args: ['convert', 'disk.raw', '--to', 'x.qcow2', '--set', 'clusterSize=7K'],
      code: 2,
      says: /it takes/,
    },
    { args: ['convert', 'disk.raw', '--to', 'x.qcow2', '--set', 'nothing'], code: 2, says: /KEY=VALUE/ },
    { args: ['convert', 'disk.raw', '--to', 'x.qcow2', '--cpus', '0'], code: 2, says: /--cpus/ },
    { args: ['convert', 'disk.raw', '--to', 'x.qcow2', '--memory', '0'], code: 2, says: /--memory/ },
    { args: ['convert', 'disk.raw', '--to', 'x.qcow2', '--firmware', 'coreboot'], code: 2, says: /firmware/ },
    {
      args: ['convert', 'disk.raw', '--to', 'x.qcow2', '--for', 'amiga'],
      code: 2,
      says: /known are: .*vmware/,
    },
    { args: ['convert', 'disk.raw', '--to', 'x.qcow2', '--without', 'sdz'], code: 2, says: /no disk "sdz"/ },
    { args: ['convert', 'disk.raw', '--to', 'x.qcow2', '--secret', 'x'], code: 2, says: /FIELD=REFERENCE/ },
    { args: ['convert', 'disk.raw', '--to', 'x'], code: 2, says: /--format/ },
    {
      args: ['convert', 'disk.raw', '--to', 'x.ova', '--format', 'qcow2'],
      code: 2,
      says: /streamOptimized VMDK/,
    },
    {
      args: ['convert', 'disk.raw', '--to', 'x.vmdk', '--package', 'ova'],
      code: 2,
      says: /let it end with \.ova/,
    },
    { args: ['convert', 'disk.raw'], code: 2, says: /--to/ },
    { args: ['convert', 'disk.raw', '--sample', '--to', 'x.raw'], code: 2, says: /--sample/ },
    { args: ['convert', 'disk.raw', '--to', 'disk.raw/x.qcow2'], code: 3, says: /a file, not a folder/ },
    { args: ['list', 'no-such-place'], code: 2, says: /vmferry list/ },
    { args: ['history', '../../etc/passwd'], code: 1, says: /not the id of a run/ },
    { args: ['history', '--remove'], code: 2, says: /which one/ },
    { args: ['run', 'text.vmdk'], code: 2, says: /not a plan/ },
    { args: ['run', 'nowhere.json'], code: 1, says: /no such file/ },
    { args: ['completion', 'tcsh'], code: 2, says: /bash, zsh, fish/ },
    { args: ['nonsense'], code: 2, says: /unknown command/ },
    { args: ['convert', '--nonsense'], code: 2, says: /unknown option/ },
  ];
  it.each(cases)('$args', async ({ args, code, says }) => {
    const { run, path, folder } = await withDisk();
    await writeFile(path('empty.raw'), '');
    await writeFile(path('text.vmdk'), 'not a disk\n');
    spawnSync('mkfifo', [path('pipe.raw')]);
    const before = (await readdir(folder)).sort();
    const ended = await run(args);
    expect(ended.stderr).toMatch(says);
    expect(ended.stderr).not.toMatch(/^\s+at /m);
    expect(ended.code).toBe(code);
    expect((await readdir(folder)).sort()).toEqual(before);
  });

  it('the same with --json: one value a line, the last one the error', async () => {
    const { run } = await withDisk();
    const { code, stdout } = await run(['convert', 'nowhere.raw', '--to', 'x.qcow2', '--json']);
    expect(code).toBe(1);
    expect(values(stdout).at(-1)).toMatchObject({
      type: 'error',
      kind: 'not-found',
      message: expect.any(String),
    });
  });
});

describeWith(['qemu-img'], 'an image that is cut short', () => {
  it.each([
    ['qcow2', 'qcow2', 'compat=1.1'],
    ['vmdk', 'vmdk', 'subformat=monolithicSparse'],
    ['vmdk', 'vmdk', 'subformat=streamOptimized'],
    ['vpc', 'vhd', 'subformat=dynamic,force_size=on'],
    ['vpc', 'vhd', 'subformat=fixed,force_size=on'],
  ])('%s as .%s, %s', async (format, extension, options) => {
    const { run, path, folder } = await withDisk();
    const image = path(`cut.${extension}`);
    await qemuImg('convert', '-q', '-f', 'raw', '-O', format, '-o', options, path('disk.raw'), image);
    const { length } = await readFile(image);
    for (const part of [0.05, 0.5, 0.97]) {
      const bytes = await readFile(image);
      await writeFile(path(`short.${extension}`), bytes.subarray(0, Math.floor(length * part)));
      const before = (await readdir(folder)).sort();
      const { code, stderr } = await run(['convert', `short.${extension}`, '--to', 'new/out.raw', '-q']);
      if (code === 0) {
        // What was cut off was no data: tables or a footer that are in the file twice.
        expect((await readFile(path('new/out.raw'))).equals(await readFile(path('disk.raw')))).toBe(true);
        await rm(path('new'), { recursive: true });
        continue;
      }
      expect(stderr, `${part}`).toMatch(/vmferry: .+/);
      expect(stderr).not.toMatch(/^\s+at /m);
      expect(code).not.toBe(2);
      expect((await readdir(folder)).sort()).toEqual(before);
    }
  });

  it('an OVA', async () => {
    const { run, path, folder } = await withDisk();
    expect((await run(['convert', 'disk.raw', '--to', 'whole.ova', '-q'])).code).toBe(0);
    const { length } = await readFile(path('whole.ova'));
    for (const part of [0.02, 0.4, 0.8]) {
      await writeFile(
        path('cut.ova'),
        (await readFile(path('whole.ova'))).subarray(0, Math.floor(length * part)),
      );
      const before = (await readdir(folder)).sort();
      const { code, stderr } = await run(['convert', 'cut.ova', '--to', 'out.raw', '-q']);
      expect(code, stderr).toBe(1);
      expect((await readdir(folder)).sort()).toEqual(before);
    }
  });
});

describe('what is there already', () => {
  it('is kept without --force and replaced with it', async () => {
    const { run, path, folder } = await withDisk();
    await writeFile(path('out.qcow2'), 'mine');
    const refused = await run(['convert', 'disk.raw', '--to', 'out.qcow2']);
    expect(refused.code).toBe(3);
    expect(refused.stderr).toMatch(/exists already.*--force/);
    expect(await readFile(path('out.qcow2'), 'utf8')).toBe('mine');
    expect((await run(['convert', 'disk.raw', '--to', 'out.qcow2', '--force'])).code).toBe(0);
    expect((await readFile(path('out.qcow2'))).toString('latin1', 0, 3)).toBe('QFI');
    expect((await readdir(folder)).sort()).toEqual(['disk.raw', 'out.qcow2']);
  });

  it('is kept when the conversion that was to replace it fails', async () => {
    const { run, path, folder } = await withDisk();
    await run(['convert', 'disk.raw', '--to', 'whole.ova', '-q']);
    const bytes = await readFile(path('whole.ova'));
    bytes[bytes.length >> 1]! ^= 1; // in the disk's data: the manifest tells
    await writeFile(path('bad.ova'), bytes);
    await writeFile(path('out.raw'), 'mine');
    const before = (await readdir(folder)).sort();
    const { code, stderr } = await run(['convert', 'bad.ova', '--to', 'out.raw', '--force']);
    expect(code, stderr).toBe(1);
    expect(await readFile(path('out.raw'), 'utf8')).toBe('mine');
    expect((await readdir(folder)).sort()).toEqual(before);
  });

  it('an extent, a manifest in the way are seen before the start', async () => {
    const { run, path } = await withDisk();
    await writeFile(path('out-flat.vmdk'), 'mine');
    const flat = [
      'convert',
      'disk.raw',
      '--to',
      'out.vmdk',
      '--set',
      'subformat=monolithicFlat',
      '--dry-run',
    ];
    expect(await run(flat)).toMatchObject({ code: 3, stderr: expect.stringContaining('out-flat.vmdk') });
    await writeFile(path('m.mf'), 'mine');
    const ovf = ['convert', 'disk.raw', '--to', 'm.ovf', '--dry-run'];
    expect(await run(ovf)).toMatchObject({ code: 3, stderr: expect.stringContaining('m.mf') });
  });

  it('a folder is never replaced', async () => {
    const { run, path } = await withDisk();
    await mkdir(path('out/disk.qcow2'), { recursive: true });
    const { code, stderr } = await run([
      'convert',
      'disk.raw',
      '--to',
      'out/',
      '--format',
      'qcow2',
      '--force',
    ]);
    expect(code).toBe(3);
    expect(stderr).toMatch(/is a folder/);
    expect(await readdir(path('out'))).toEqual(['disk.qcow2']);
  });

  it('a link is replaced itself, not what it leads to; also one that leads nowhere is in the way', async () => {
    const { run, path } = await withDisk();
    await writeFile(path('precious'), 'mine');
    await symlink('precious', path('link.qcow2'));
    await symlink('nowhere', path('loose.qcow2'));
    expect((await run(['convert', 'disk.raw', '--to', 'loose.qcow2'])).code).toBe(3);
    expect((await run(['convert', 'disk.raw', '--to', 'link.qcow2', '--force'])).code).toBe(0);
    expect(await readFile(path('precious'), 'utf8')).toBe('mine');
    expect((await readFile(path('link.qcow2'))).toString('latin1', 0, 3)).toBe('QFI');
  });
});

describeWith(['qemu-img'], 'the source', () => {
  it('is never replaced: itself, by another name, a layer below, an extent', async () => {
    const { run, path, folder } = await withDisk();
    await link(path('disk.raw'), path('other-name.raw'));
    await qemuImg('create', '-q', '-f', 'qcow2', '-b', 'disk.raw', '-F', 'raw', path('top.qcow2'));
    const flat = ['-O', 'vmdk', '-o', 'subformat=monolithicFlat', path('disk.raw'), path('flat.vmdk')];
    await qemuImg('convert', '-q', '-f', 'raw', ...flat);
    const before = await Promise.all((await readdir(folder)).map((name) => readFile(path(name))));
    for (const [source, to] of [
      ['disk.raw', 'disk.raw'],
      ['disk.raw', './sub/../disk.raw'],
      ['disk.raw', 'other-name.raw'],
      ['top.qcow2', 'disk.raw'],
      ['flat.vmdk', 'flat-flat.vmdk'],
    ] as const) {
      const { code, stderr } = await run(['convert', source, '--to', to, '--force']);
      expect(code, `${source} to ${to}: ${stderr}`).toBe(3);
      expect(stderr).toMatch(/to be converted/);
    }
    const after = await Promise.all((await readdir(folder)).map((name) => readFile(path(name))));
    expect(after.every((bytes, i) => bytes.equals(before[i]!))).toBe(true);
  });
});

describeWith(['qemu-img'], 'names', () => {
  it.each([
    'with spaces and "quotes" and \'quotes\'.qcow2',
    'two\nlines.qcow2',
    '$(touch pwned) `touch pwned`.qcow2',
    '-leading-dash.qcow2',
    'unié 中文 🚢.qcow2',
    `${'long'.repeat(60)}.qcow2`,
    'a:b.qcow2',
  ])('%s', async (name) => {
    const { run, path, folder } = await withDisk();
    expect(await run(['convert', 'disk.raw', `--to=${name}`])).toMatchObject({ code: 0 });
    expect((await readdir(folder)).sort()).toEqual(['disk.raw', name].sort());
    await compareImages(path('disk.raw'), 'raw', `file:${path(name)}`, 'qcow2');
    const back = await run(['convert', '--to', 'sub/new/../back.ova', '--name', 'back', '--', name]);
    expect(back, back.stderr).toMatchObject({ code: 0 });
    expect(back.stdout + back.stderr).not.toMatch(/[\x00-\x09\x0b-\x1f]/);
    const list = await run(['list', '.']);
    expect(list.stdout.trimEnd().split('\n')).toHaveLength(4);
  });

  it('what would steer the terminal is shown as its code', async () => {
    const { run, path } = await withDisk();
    await writeFile(path('\x1b[2Jboo\u202e.raw'), oddDisk(size));
    const { stdout } = await run(['list', '.']);
    expect(stdout).toContain('\\u{1b}[2Jboo\\u{202e}.raw');
    expect(stdout).not.toContain('\x1b');
  });
});

/** A filesystem of the test's own, where the user may make one. */
function mounted(path: string, options: string): boolean {
  const made = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path]).status === 0;
  if (made) onTestFinished(() => void spawnSync('umount', [path]));
  return made;
}

describe('the destination', () => {
  it('is full: said with what to do, and nothing is left', async (context) => {
    const { run, path } = await withDisk();
    await mkdir(path('small'));
    if (!mounted(path('small'), 'size=1m')) return context.skip('needs the right to mount');
    await writeFile(path('big.raw'), randomBytes(4 * 2 ** 20));
    for (const file of ['out.qcow2', 'out.raw', 'out.vhd', 'out.ova', 'out.ovf', 'deep/er/out.raw']) {
      const { code, stderr } = await run(['convert', 'big.raw', '--to', `small/${file}`]);
      expect(code, `${file}: ${stderr}`).toBe(1);
      expect(stderr).toMatch(/no space left.*free some space/);
      expect(await readdir(path('small')), file).toEqual([]);
    }
    expect(await readdir(path('.'))).not.toContain('deep');
  });

  it('can not be written to', async (context) => {
    const { run, path } = await withDisk();
    await mkdir(path('locked'));
    if (!mounted(path('locked'), 'size=1m,ro')) return context.skip('needs the right to mount');
    const { code, stderr } = await run(['convert', 'disk.raw', '--to', 'locked/out.qcow2']);
    expect(code).toBe(3);
    expect(stderr).toMatch(/can't be written to.*choose another folder/);
  });

  it('is a folder that has to be made first; it is removed when the conversion fails', async () => {
    const { run, path, folder } = await withDisk();
    expect(await run(['convert', 'disk.raw', '--to', 'a/b/c.qcow2'])).toMatchObject({ code: 0 });
    expect(await readdir(path('a/b'))).toEqual(['c.qcow2']);
    await run(['convert', 'disk.raw', '--to', 'whole.ova', '-q']);
    const bytes = await readFile(path('whole.ova'));
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(path('bad.ova'), bytes);
    const before = (await readdir(folder)).sort();
    expect(await run(['convert', 'bad.ova', '--to', 'new/b/c.qcow2'])).toMatchObject({ code: 1 });
    expect((await readdir(folder)).sort()).toEqual(before);
  });

  it('is a folder: the names come from the machine', async () => {
    const { run, path } = await withDisk();
    await run(['convert', 'disk.raw', '--to', 'new/', '--format', 'vhd', '--name', 'web/../01']);
    expect(await readdir(path('new'))).toEqual(['web_.._01.vhd']);
  });

  it('a journal that can not be written is said, and the conversion goes on', async () => {
    const { run, path } = await withDisk();
    const { code, stderr } = await run(['convert', 'disk.raw', '--to', 'out.raw'], {
      env: { VMFERRY_HOME: path('disk.raw') },
    });
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/journal can't be written/);
  });
});

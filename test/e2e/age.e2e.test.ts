/** Images encrypted with age, through the command line: what the `age` tool encrypts is read, and the other way. */
import { execFile } from 'node:child_process';
import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { qemuImg } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { oddDisk, type Place, place } from './program.ts';

const run = promisify(execFile);
const disk = oddDisk(6 * 2 ** 20, 3);

async function withKeys(): Promise<Place & { recipient: string }> {
  const here = await place();
  await writeFile(here.path('disk.raw'), disk);
  await run('age-keygen', ['-o', here.path('key')]);
  const { stdout } = await run('age-keygen', ['-y', here.path('key')]);
  return { ...here, recipient: stdout.trim() };
}

describeWith(['age', 'age-keygen', 'qemu-img', 'zstd'], 'encrypted with age', () => {
  it('what age encrypts for a key is read, also compressed within', async () => {
    const { run: vmferry, path, recipient } = await withKeys();
    await qemuImg('convert', '-f', 'raw', '-O', 'qcow2', path('disk.raw'), path('d.qcow2'));
    await run('zstd', ['-q', path('d.qcow2')]);
    for (const name of ['d.qcow2', 'd.qcow2.zst', 'disk.raw']) {
      await run('age', ['-r', recipient, '-o', path(`${name}.age`), path(name)]);
      for (const how of [
        ['--identity', 'key'],
        ['--secret', 'identity=file:key'],
      ]) {
        const made = await vmferry(['convert', `${name}.age`, '--to', 'x.raw', '--force', '-q', ...how]);
        expect(made.code, made.stderr).toBe(0);
        expect((await readFile(path('x.raw'))).equals(disk), name).toBe(true);
      }
    }
    const inspected = await vmferry(['inspect', 'd.qcow2.age']);
    expect(inspected.stdout + inspected.stderr).toContain('encrypted with age');
    expect((await vmferry(['list', path('.')])).stdout).toContain('d.qcow2.zst.age');
    await rm(path('x.raw'));
    const none = await vmferry(['convert', 'd.qcow2.age', '--to', 'x.raw', '-q']);
    expect(none.code).toBe(1);
    expect(none.stderr).toContain('--secret identity=');
    await run('age-keygen', ['-o', path('other')]);
    const other = await vmferry(['convert', 'd.qcow2.age', '--to', 'x.raw', '-q', '--identity', 'other']);
    expect(other.stderr).toContain('the identity does not fit');
    expect((await readdir(path('.'))).filter((n) => n.startsWith('.') || n.startsWith('x'))).toEqual([]);
  });

  it('what is written for keys age reads', async () => {
    const { run: vmferry, path, recipient } = await withKeys();
    await run('age-keygen', ['-o', path('second')]);
    const second = (await run('age-keygen', ['-y', path('second')])).stdout.trim();
    const to = ['--recipient', recipient, '--recipient', second];
    const made = await vmferry(['convert', 'disk.raw', '--to', 'x.raw.age', '-q', ...to]);
    expect(made.code, made.stderr).toBe(0);
    for (const key of ['key', 'second']) {
      await run('age', ['-d', '-i', path(key), '-o', path('back'), path('x.raw.age')]);
      expect((await readFile(path('back'))).equals(disk)).toBe(true);
    }
    const stream = [
      'convert',
      'disk.raw',
      '--to',
      'x.vmdk.age',
      '-q',
      '-s',
      'subformat=streamOptimized',
      ...to,
    ];
    expect((await vmferry(stream)).code).toBe(0);
    await run('age', ['-d', '-i', path('key'), '-o', path('x.vmdk'), path('x.vmdk.age')]);
    await qemuImg('convert', '-f', 'vmdk', '-O', 'raw', path('x.vmdk'), path('back'));
    expect((await readFile(path('back'))).subarray(0, disk.length).equals(disk)).toBe(true);
    const planned = await vmferry(['convert', 'disk.raw', '--to', 'y.raw.age', '-n', ...to]);
    expect(planned.stdout).toContain(`encrypted with age, for ${recipient}, ${second}`);
  });

  it('a recipient means that it is encrypted, or nothing is done', async () => {
    const { run: vmferry, path, recipient } = await withKeys();
    const cases = [
      [['x.raw', '--recipient', recipient], /would not be encrypted/],
      [['x.raw.age'], /--recipient age1/],
      [['x.raw.age', '--recipient', 'age1nobody'], /no recipient/],
      [
        ['x.vmdk.age', '--set', 'subformat=twoGbMaxExtentFlat', '--recipient', recipient],
        /choose a layout of one file/,
      ],
      [['x.raw.lz4.age', '--recipient', recipient], /can be read but not written/],
    ] as const;
    for (const [to, message] of cases) {
      const found = await vmferry(['convert', 'disk.raw', '-q', '--to', ...to]);
      expect(found.code).not.toBe(0);
      expect(found.stderr).toMatch(message);
    }
    expect((await readdir(path('.'))).sort()).toEqual(['disk.raw', 'key']);
  });
});

describeWith(['age', 'script'], 'encrypted with a passphrase', () => {
  /** `age` asks a terminal. */
  const ageAsked = (path: (name: string) => string, command: string, answers: string) => {
    const tool = run('script', ['-qec', command, '/dev/null'], { cwd: path('.') });
    tool.child.stdin!.write(answers);
    return tool;
  };

  it('both ways', async () => {
    const { run: vmferry, path } = await place();
    await writeFile(path('disk.raw'), disk);
    await writeFile(path('pass'), 'tide and rope\n');
    await chmod(path('pass'), 0o600);
    await ageAsked(path, 'age -p -o a.img.age disk.raw', 'tide and rope\ntide and rope\n');
    const read = ['convert', 'a.img.age', '--to', 'x.raw', '-q', '--secret', 'passphrase=file:pass'];
    const found = await vmferry(read);
    expect(found.code, found.stderr).toBe(0);
    expect((await readFile(path('x.raw'))).equals(disk)).toBe(true);
    const wrong = await vmferry([...read.slice(0, -1), 'passphrase=env:WRONG', '--force'], {
      env: { WRONG: 'x' },
    });
    expect(wrong.stderr).toContain('the passphrase is wrong');
    const write = ['convert', 'disk.raw', '--to', 'y.raw.age', '-q', '--secret', 'new-passphrase=file:pass'];
    const made = await vmferry(write);
    expect(made.code, made.stderr).toBe(0);
    await ageAsked(path, 'age -d -o back y.raw.age', 'tide and rope\n');
    expect((await readFile(path('back'))).equals(disk)).toBe(true);
  });
});

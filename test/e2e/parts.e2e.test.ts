/** Disks cut into parts, and parts of disks: through the command line, judged by the tools that do the same. */
import { execFile } from 'node:child_process';
import { readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { qemuImg } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { oddDisk, place } from './program.ts';

const run = promisify(execFile);
const MiB = 2 ** 20;
const disk = Buffer.concat([oddDisk(6 * MiB, 3), Buffer.alloc(512, 9)]);

describeWith(['qemu-img', 'split'], 'a disk cut into parts', () => {
  it('is written as split would, with its holes', async () => {
    const { run: vmferry, path } = await place();
    await writeFile(path('disk.img'), disk);
    const made = await vmferry(['convert', 'disk.img', '--to', 'x.raw', '-q', '-s', 'splitSize=1M']);
    expect(made.code, made.stderr).toBe(0);
    await run('split', [
      '-b',
      '1M',
      '-d',
      '-a',
      '3',
      '--numeric-suffixes=1',
      path('disk.img'),
      path('y.raw.'),
    ]);
    const names = (await readdir(path('.'))).filter((name) => name.startsWith('y.raw.'));
    expect(names.length).toBeGreaterThan(6);
    expect((await readdir(path('.'))).filter((name) => name.startsWith('x.'))).toHaveLength(names.length);
    for (const name of names) {
      const mine = await readFile(path(name.replace('y.', 'x.')));
      expect(mine.equals(await readFile(path(name))), name).toBe(true);
    }
    await writeFile(path('empty.img'), '');
    await truncate(path('empty.img'), 9 * MiB);
    expect((await vmferry(['convert', 'empty.img', '--to', 'e.raw', '-q', '-s', 'splitSize=4M'])).code).toBe(
      0,
    );
    expect((await stat(path('e.raw.003'))).size).toBe(MiB);
    expect((await stat(path('e.raw.001'))).blocks).toBe(0);
  });

  it('is joined again, whatever its format, and is one machine', async () => {
    const { run: vmferry, path } = await place();
    await writeFile(path('disk.img'), disk);
    await qemuImg('convert', '-f', 'raw', '-O', 'qcow2', path('disk.img'), path('d.qcow2'));
    // A fixed VHD has its mark in the last part only.
    const fixed = ['convert', '-f', 'raw', '-O', 'vpc', '-o', 'subformat=fixed,force_size=on'];
    await qemuImg(...fixed, path('disk.img'), path('d.vhd'));
    for (const [name, size] of [
      ['disk.img', '1M'],
      ['d.qcow2', '700K'],
      ['d.vhd', '2M'],
    ] as const) {
      await run('split', ['-b', size, '-d', '-a', '3', '--numeric-suffixes=1', path(name), path(`${name}.`)]);
      await rm(path(name));
      const made = await vmferry(['convert', `${name}.001`, '--to', 'back.raw', '-q', '--force']);
      expect(made.code, made.stderr).toBe(0);
      expect((await readFile(path('back.raw'))).equals(disk), name).toBe(true);
      await rm(path('back.raw'));
    }
    const listed = await vmferry(['list', path('.')]);
    expect(listed.stdout.match(/d\.qcow2\.\d+/g)).toEqual(['d.qcow2.001']);
    const inspected = await vmferry(['inspect', 'disk.img.001', '--json']);
    const { machine, images } = JSON.parse(inspected.stdout);
    expect(machine.name).toBe('disk');
    expect(machine.disks[0].files).toHaveLength(images.disk0.files.length);
    expect(images.disk0.files.at(-1)).toMatch(/disk\.img\.007$/);
    expect((await vmferry(['check', 'd.qcow2.001'])).code).toBe(0);
    // What is read is never replaced.
    const over = await vmferry([
      'convert',
      'disk.img.001',
      '--to',
      'disk.img',
      '-f',
      'raw',
      '-s',
      'splitSize=1M',
      '--force',
    ]);
    expect(over.code).not.toBe(0);
    await rm(path('disk.img.003'));
    const gap = await vmferry(['convert', 'disk.img.001', '--to', 'back.raw', '-q']);
    expect(gap.code).not.toBe(0);
    expect(gap.stderr).toContain('a part is missing: disk.img.003');
  });
});

describeWith(['7zz'], 'a disk cut into parts, for 7-Zip', () => {
  it('is joined by it', async () => {
    const { run: vmferry, path } = await place();
    await writeFile(path('disk.img'), disk);
    const made = await vmferry(['convert', 'disk.img', '--to', 'x.raw', '-q', '-s', 'splitSize=1M']);
    expect(made.code, made.stderr).toBe(0);
    await run('7zz', ['x', '-tsplit', path('x.raw.001'), `-o${path('out')}`]);
    expect((await readFile(path('out/x.raw'))).equals(disk)).toBe(true);
  });
});

describeWith(['qemu-img', 'sfdisk'], 'a part of a disk', () => {
  it('a window of its bytes', async () => {
    const { run: vmferry, path } = await place();
    await writeFile(path('disk.img'), disk);
    await qemuImg('convert', '-f', 'raw', '-O', 'qcow2', path('disk.img'), path('d.qcow2'));
    const made = await vmferry(['convert', 'd.qcow2', '--window', '513+3M', '--to', 'w.raw', '-q']);
    expect(made.code, made.stderr).toBe(0);
    expect((await readFile(path('w.raw'))).equals(disk.subarray(513, 513 + 3 * MiB))).toBe(true);
    const inspected = await vmferry(['inspect', 'd.qcow2', '--window', '1M+2M']);
    expect(inspected.stdout).toContain('2097152 bytes');
    const plan = await vmferry(['convert', 'd.qcow2', '--window', '1M+2M', '--to', 'p.raw', '-n']);
    expect(plan.stdout).toContain('of it only 2097152 bytes from byte 1048576 on');
    const json = await vmferry(['plan', 'd.qcow2', '--window', '1M+2M', '--to', 'p.raw', '-q']);
    await writeFile(path('plan.json'), json.stdout);
    expect((await vmferry(['run', 'plan.json', '-q'])).code).toBe(0);
    expect((await readFile(path('p.raw'))).equals(disk.subarray(MiB, 3 * MiB))).toBe(true);
    for (const [window, message] of [
      ['6M+1G', /not inside the disk/],
      ['1M', /is not a window/],
      ['0+0', /no bytes/],
    ] as const) {
      const bad = await vmferry(['convert', 'd.qcow2', '--window', window, '--to', 'bad.raw', '-q']);
      expect(bad.code).not.toBe(0);
      expect(bad.stderr).toMatch(message);
    }
  });

  it('a partition, as sfdisk sees it', async () => {
    const { run: vmferry, path } = await place();
    for (const label of ['gpt', 'dos']) {
      await writeFile(path('disk.img'), oddDisk(16 * MiB, 5));
      await sfdisk(path('disk.img'), `label: ${label}\nstart=2048, size=4096\nsize=8192\n`);
      const { stdout } = await run('sfdisk', ['--json', path('disk.img')]);
      const { partitions } = JSON.parse(stdout).partitiontable;
      const whole = await readFile(path('disk.img'));
      for (const [i, { start, size }] of partitions.entries()) {
        const made = await vmferry([
          'convert',
          'disk.img',
          '--partition',
          `${i + 1}`,
          '--to',
          'p.qcow2',
          '-q',
          '--force',
        ]);
        expect(made.code, made.stderr).toBe(0);
        await qemuImg('convert', '-f', 'qcow2', '-O', 'raw', path('p.qcow2'), path('p.raw'));
        const expected = whole.subarray(start * 512, (start + size) * 512);
        expect((await readFile(path('p.raw'))).equals(expected), `${label} ${i + 1}`).toBe(true);
      }
      const none = await vmferry(['convert', 'disk.img', '--partition', '7', '--to', 'n.raw', '-q']);
      expect(none.code).not.toBe(0);
      expect(none.stderr).toMatch(/no partition 7[\s\S]*there are: 1, 2/);
      await rm(path('disk.img'));
    }
  });
});

function sfdisk(file: string, script: string): Promise<unknown> {
  const tool = run('sfdisk', ['--quiet', file]);
  tool.child.stdin!.end(script);
  return tool;
}

/** Images packed as a whole, through the command line: read whatever the name, written as the name says. */
import { execFile } from 'node:child_process';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { qemuImg } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { oddDisk, place } from './program.ts';

const run = promisify(execFile);
const disk = oddDisk(6 * 2 ** 20, 3);
const packers = [
  ['gzip', 'gz'],
  ['xz', 'xz'],
  ['zstd', 'zst'],
  ['bzip2', 'bz2'],
  ['lz4', 'lz4'],
] as const;

describeWith(['qemu-img', ...packers.map(([tool]) => tool)], 'packed images', () => {
  it('are read by their magic, leave nothing behind, and are offered in a list', async () => {
    const { run: vmferry, path } = await place();
    await writeFile(path('disk.raw'), disk);
    await qemuImg('convert', '-f', 'raw', '-O', 'qcow2', path('disk.raw'), path('d.qcow2'));
    for (const [tool, suffix] of packers) {
      const packed = `d.qcow2.${suffix}`;
      const extra = tool === 'lz4' ? [path(packed)] : [];
      await run(tool, ['-q', '-k', path('d.qcow2'), ...extra]);
      const found = await vmferry(['convert', packed, '--to', 'x.raw', '--force', '-q']);
      expect(found.code, `${tool}: ${found.stderr}`).toBe(0);
      expect((await readFile(path('x.raw'))).equals(disk), tool).toBe(true);
      await rename(path(packed), path('misnamed.img'));
      expect(await vmferry(['convert', 'misnamed.img', '--to', 'x.raw', '--force', '-q'])).toMatchObject({
        code: 0,
      });
      expect((await readFile(path('x.raw'))).equals(disk), tool).toBe(true);
      await rename(path('misnamed.img'), path(packed));
      const inspected = await vmferry(['inspect', packed]);
      expect(inspected.code).toBe(0);
      expect(inspected.stdout + inspected.stderr).toContain(`packed with ${tool}`);
    }
    const listed = await vmferry(['list', path('.')]);
    for (const [, suffix] of packers) expect(listed.stdout).toContain(`d.qcow2.${suffix}`);
    expect((await readdir(path('.'))).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('cut short: refused, nothing written', async () => {
    const { run: vmferry, path } = await place();
    await writeFile(path('disk.raw'), disk);
    await run('xz', ['-q', '-0', path('disk.raw')]);
    const bytes = await readFile(path('disk.raw.xz'));
    await writeFile(path('disk.raw.xz'), bytes.subarray(0, bytes.length - 100));
    const found = await vmferry(['convert', 'disk.raw.xz', '--to', 'x.qcow2', '-q']);
    expect(found.code).not.toBe(0);
    expect(found.stderr).toMatch(/cut short/);
    expect(await readdir(path('.'))).toEqual(['disk.raw.xz']);
  });

  it('are written for the tools to unpack', async () => {
    const { run: vmferry, path } = await place();
    await writeFile(path('disk.raw'), disk);
    for (const [tool, suffix] of packers.filter(([name]) => ['gzip', 'xz', 'zstd'].includes(name))) {
      const cases = [
        ['raw', []],
        ['vhd', ['--set', 'subformat=fixed']],
        ['vmdk', ['--set', 'subformat=streamOptimized']],
      ] as const;
      for (const [format, options] of cases) {
        const name = `out.${format}`;
        const made = await vmferry(['convert', 'disk.raw', '--to', `${name}.${suffix}`, '-q', ...options]);
        expect(made.code, `${tool} ${format}: ${made.stderr}`).toBe(0);
        await run(tool, ['-d', '-q', path(`${name}.${suffix}`)]);
        const driver = format === 'vhd' ? 'vpc' : format;
        await qemuImg('convert', '-f', driver, '-O', 'raw', path(name), path('back.raw'));
        const back = await readFile(path('back.raw'));
        expect(back.subarray(0, disk.length).equals(disk), `${tool} ${format}`).toBe(true);
        await rm(path(name), { force: true });
        await rm(path(`${name}.${suffix}`), { force: true });
      }
    }
  });

  it('what is written back to its beginning is refused, with a way out', async () => {
    const { run: vmferry, path } = await place();
    await writeFile(path('disk.raw'), disk);
    for (const name of ['x.qcow2.gz', 'x.vhdx.zst', 'x.raw.bz2']) {
      const found = await vmferry(['convert', 'disk.raw', '--to', name, '-q']);
      expect(found.code, found.stderr).not.toBe(0);
      expect(found.stderr).toMatch(/choose/);
    }
    expect(await readdir(path('.'))).toEqual(['disk.raw']);
  });
});

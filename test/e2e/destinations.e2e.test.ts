/** One conversion to several destinations by the built program: the source is read once, each ends for itself. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { expect, it, onTestFinished } from 'vitest';
import { compareImages } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { place } from './program.ts';

const MiB = 2 ** 20;

describeWith(['qemu-img', 'zstd'], 'several destinations', () => {
  it('get the same disk, read once; one that is full fails alone (left out unless root)', async (context) => {
    const here = await place();
    const bytes = Buffer.alloc(90 * MiB + 512);
    for (let at = 0; at < bytes.length; at += 2 * MiB) randomBytes(MiB + 512).copy(bytes, at);
    await writeFile(here.path('web.raw'), bytes);
    await mkdir(here.path('small'));
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=10m', 'tmpfs', here.path('small')]).status !== 0)
      return context.skip('needs the right to mount');
    onTestFinished(() => void spawnSync('umount', [here.path('small')]));
    const to = ['a.qcow2', 'b.vmdk', 'c.ova', 'small/d.raw', 'e.raw.zst'].flatMap((file) => ['--to', file]);
    const { code, stdout, stderr } = await here.run(['convert', 'web.raw', ...to]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/no space left/);
    expect(stdout.trim().split('\n')).toEqual(['a.qcow2', 'b.vmdk', 'c.ova', 'e.raw.zst'].map(here.path));
    expect(await readdir(here.path('small'))).toEqual([]);
    await compareImages(here.path('web.raw'), 'raw', here.path('a.qcow2'), 'qcow2');
    await compareImages(here.path('web.raw'), 'raw', here.path('b.vmdk'), 'vmdk');
    spawnSync('tar', ['-xf', here.path('c.ova'), '-C', here.folder]);
    const [disk] = (await readdir(here.folder)).filter(
      (name) => name.startsWith('c-') || name.endsWith('disk1.vmdk'),
    );
    await compareImages(here.path('web.raw'), 'raw', here.path(disk!), 'vmdk');
    const { stdout: plain } = spawnSync('zstd', ['-dc', here.path('e.raw.zst')], { maxBuffer: 200 * MiB });
    expect(plain.equals(bytes)).toBe(true);
  });

  it('are plans of a file as well', async () => {
    const here = await place();
    const bytes = Buffer.concat([randomBytes(40 * MiB), Buffer.alloc(512)]);
    await writeFile(here.path('web.raw'), bytes);
    for (const file of ['a.qcow2', 'b.raw']) {
      const { stdout } = await here.run(['plan', 'web.raw', '--to', file]);
      await writeFile(here.path(`${file}.json`), stdout);
    }
    const { code, stderr } = await here.run(['run', 'a.qcow2.json', 'b.raw.json', '--json']);
    expect(code, stderr).toBe(0);
    await compareImages(here.path('web.raw'), 'raw', here.path('a.qcow2'), 'qcow2');
    expect((await readFile(here.path('b.raw'))).equals(bytes)).toBe(true);
  });
});

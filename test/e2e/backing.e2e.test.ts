/** `convert --backing`: a disk written over an image that holds most of it already. */
import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { checkImage, compareImages, imageInfo, qemuImg } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { oddDisk, place } from './program.ts';

const MiB = 2 ** 20;
const size = 6 * MiB;

/** A base as raw and qcow2, and a disk that differs from it in a few places. */
async function pair() {
  const here = await place();
  const base = oddDisk(size, 3);
  const child = Buffer.from(base);
  child.fill(7, 2 * MiB + 100, 2 * MiB + 9000);
  child.fill(0, MiB - 4096, MiB + 128 * 1024);
  await writeFile(here.path('base.raw'), base);
  await writeFile(here.path('child.raw'), child);
  await qemuImg('convert', '-f', 'raw', '-O', 'qcow2', here.path('base.raw'), here.path('base.qcow2'));
  const convert = (...args: string[]) => here.run(['convert', 'child.raw', '-q', ...args]);
  return { ...here, convert, child };
}

describeWith(['qemu-img'], 'a disk over a backing image', () => {
  it.each([
    ['base.qcow2', 'qcow2', []],
    ['base.raw', 'raw', ['--set', 'compression=zstd']],
    ['./base.qcow2', 'qcow2', ['--set', 'extendedL2=yes']],
  ] as const)('%s', async (base, format, more) => {
    const { convert, run, path, child } = await pair();
    const before = await readFile(path(base));
    const made = await convert('--to', 'child.qcow2', '--backing', base, ...more);
    expect(made.code, made.stderr).toBe(0);
    await checkImage(path('child.qcow2'), 'qcow2');
    await compareImages(path('child.raw'), 'raw', path('child.qcow2'), 'qcow2');
    expect(await imageInfo(path('child.qcow2'), 'qcow2')).toMatchObject({
      'backing-filename': base.replace('./', ''),
      'backing-filename-format': format,
    });
    expect((await stat(path('child.qcow2'))).size).toBeLessThan(0.7 * MiB);
    expect((await readFile(path(base))).equals(before)).toBe(true);
    // And back, by ourselves.
    expect((await run(['convert', 'child.qcow2', '--to', 'back.raw', '-q'])).code).toBe(0);
    expect((await readFile(path('back.raw'))).equals(child)).toBe(true);
  });

  it('is named from the folder of the new image; a plan says all of it', async () => {
    const { run, path } = await pair();
    await mkdir(path('golden'));
    await qemuImg('convert', '-f', 'raw', '-O', 'qcow2', path('base.raw'), path('golden/b.qcow2'));
    const args = ['child.raw', '--to', 'new/layers/c.qcow2', '--backing', 'golden/b.qcow2'];
    expect((await run(['convert', ...args, '--dry-run'])).stdout).toContain('only what differs from');
    const plan = await run(['plan', ...args, '-q']);
    expect(plan.code, plan.stderr).toBe(0);
    expect((await run(['run', '-', '-q'], { input: plan.stdout })).code).toBe(0);
    expect(await imageInfo(path('new/layers/c.qcow2'), 'qcow2')).toMatchObject({
      'backing-filename': '../../golden/b.qcow2',
    });
    await compareImages(path('child.raw'), 'raw', path('new/layers/c.qcow2'), 'qcow2');
    // Through a link the folder is another one than its name says.
    await symlink(path('new/layers'), path('link'));
    const linked = ['child.raw', '--to', 'link/d.qcow2', '--backing', 'golden/b.qcow2', '-q'];
    expect((await run(['convert', ...linked])).code).toBe(0);
    await compareImages(path('child.raw'), 'raw', path('link/d.qcow2'), 'qcow2');
  });

  it('takes a disk that is packed, not a base that is', async () => {
    const { run, path } = await pair();
    for (const [from, to] of [
      ['child.raw', 'p.raw.gz'],
      ['p.raw.gz', 'c.qcow2'],
    ] as const) {
      const backing = to === 'c.qcow2' ? ['--backing', 'base.qcow2'] : [];
      const made = await run(['convert', from, '--to', to, '-q', ...backing]);
      expect(made.code, made.stderr).toBe(0);
    }
    await checkImage(path('c.qcow2'), 'qcow2');
    await compareImages(path('child.raw'), 'raw', path('c.qcow2'), 'qcow2');
    const packed = await run(['convert', 'child.raw', '--to', 'e.qcow2', '-q', '--backing', 'p.raw.gz']);
    expect(packed.code).toBe(3);
    expect(packed.stderr).toContain('packed with gzip');
  });

  it('refuses what can not be, and never writes the base', async () => {
    const { convert, path } = await pair();
    const before = await readFile(path('base.qcow2'));
    const vmdk = await convert('--to', 'c.vmdk', '--backing', 'base.qcow2');
    expect(vmdk.code).toBe(2);
    expect(vmdk.stderr).toContain('qcow2');
    const none = await convert('--to', 'c.qcow2', '--backing', 'none.qcow2');
    expect(none.code).toBe(3);
    expect(none.stderr).toContain('none.qcow2');
    expect((await convert('--to', 'base.qcow2', '--backing', 'base.qcow2', '--force')).code).toBe(3);
    expect((await readFile(path('base.qcow2'))).equals(before)).toBe(true);
    const small = await convert('--to', 'c.qcow2', '--set', 'extendedL2=yes', '--set', 'clusterSize=4K');
    expect(small.code).toBe(2);
    expect(small.stderr).toContain('extendedL2');
    await expect(stat(path('c.qcow2'))).rejects.toThrow();
  });

  it('tells of a base of another size, and takes it', async () => {
    const { run, path } = await pair();
    await qemuImg('resize', '-q', path('base.qcow2'), '8M');
    const made = await run(['convert', 'child.raw', '--to', 'c.qcow2', '--backing', 'base.qcow2']);
    expect(made.code, made.stderr).toBe(0);
    expect(made.stderr).toContain('the backing image has 8 MiB');
    await compareImages(path('child.raw'), 'raw', path('c.qcow2'), 'qcow2');
  });
});

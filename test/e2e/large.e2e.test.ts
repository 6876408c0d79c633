/** A large, mostly empty disk: memory stays constant, time follows the data. */
import { open, readFile, stat } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { canSeekData } from '../../src/io/sparse.ts';
import { compareImages, imageInfo } from '../oracles/qemu-img.ts';
import { describeWith, hasTool } from '../oracles/requires.ts';
import { type Place, place } from './program.ts';

const MiB = 2 ** 20;
const TiB = 2 ** 40;

/** Peak resident memory of a run, MiB. */
async function peak({ start }: Place, args: readonly string[]): Promise<number> {
  const { child, ended } = start(args);
  let highest = 0;
  let over = false;
  const look = async (): Promise<void> => {
    while (!over) {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '');
      const found = /VmHWM:\s+(\d+) kB/.exec(status);
      if (found !== null) highest = Math.max(highest, Number(found[1]) / 1024);
      await new Promise((again) => setTimeout(again, 20));
    }
  };
  const looking = look();
  const { code, stderr } = await ended;
  over = true;
  await looking;
  expect(code, stderr).toBe(0);
  return highest;
}

/** Random data in `count` places of `bytes`, evenly over a disk of `size`. */
async function sparseDisk(path: string, size: number, count: number, bytes: number): Promise<void> {
  const file = await open(path, 'wx');
  const block = Buffer.alloc(bytes);
  for (let i = 0; i < bytes; i += 4) block.writeUInt32LE(Math.imul(i + 1, 2_654_435_761) >>> 0, i);
  for (let i = 0; i < count; i++) {
    block.writeUInt32LE(i, 8);
    await file.write(block, 0, bytes, Math.floor(((size / count) * i) / 4096) * 4096);
  }
  await file.truncate(size);
  await file.close();
}

describeWith(['qemu-img'], '1 TiB with 128 MiB of data', () => {
  const able = process.platform === 'linux' && canSeekData() && hasTool('qemu-img');
  it.skipIf(!able)('stays under 300 MB', async () => {
    const here = await place();
    await sparseDisk(here.path('disk.raw'), TiB, 128, MiB);
    expect(await peak(here, ['convert', 'disk.raw', '--to', 'a.qcow2', '-q'])).toBeLessThan(300);
    expect((await imageInfo(here.path('a.qcow2'), 'qcow2'))['virtual-size']).toBe(TiB);
    await compareImages(here.path('disk.raw'), 'raw', here.path('a.qcow2'), 'qcow2');
    expect(await peak(here, ['convert', 'a.qcow2', '--to', 'b.raw', '-q'])).toBeLessThan(300);
    expect((await stat(here.path('b.raw'))).blocks * 512).toBeLessThan(300 * MiB);
    expect(
      await peak(here, [
        'convert',
        'a.qcow2',
        '--to',
        'c.vmdk',
        '--set',
        'subformat=twoGbMaxExtentSparse',
        '-q',
      ]),
    ).toBeLessThan(300);
    expect(await peak(here, ['convert', 'c.vmdk', '--to', 'd.qcow2', '-q'])).toBeLessThan(300);
    await compareImages(here.path('a.qcow2'), 'qcow2', here.path('d.qcow2'), 'qcow2');
    expect(await peak(here, ['convert', 'a.qcow2', '--to', 'e.ova', '-q'])).toBeLessThan(300);
    expect(await peak(here, ['convert', 'e.ova', '--to', 'f.qcow2', '-q'])).toBeLessThan(300);
    await compareImages(here.path('a.qcow2'), 'qcow2', here.path('f.qcow2'), 'qcow2');
  });

  it.skipIf(!able)('in 32768 pieces of 4 KiB', async () => {
    const here = await place();
    await sparseDisk(here.path('disk.raw'), 1024 * MiB, 32_768, 4096);
    expect(
      await peak(here, ['convert', 'disk.raw', '--to', 'a.qcow2', '--set', 'clusterSize=4K', '-q']),
    ).toBeLessThan(300);
    await compareImages(here.path('disk.raw'), 'raw', here.path('a.qcow2'), 'qcow2');
    expect(await peak(here, ['convert', 'a.qcow2', '--to', 'b.vmdk', '-q'])).toBeLessThan(300);
    await compareImages(here.path('disk.raw'), 'raw', here.path('b.vmdk'), 'vmdk');
  });
});

import { execFile, spawn } from 'node:child_process';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { vhdCodec } from '../../src/codecs/vhd/index.ts';
import { KiB, MiB, TiB } from '../../src/model/units.ts';
import {
  contentNames,
  encodeToFile,
  openFile,
  rawByQemu,
  rawContent,
  scrambledImage,
  writeLargeRaw,
  writeRaw,
} from '../conformance/images.ts';
import { checkSample, testCodec } from '../conformance/test-codec.ts';
import { compareImages, imageInfo, qemuImg } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { tempFolder } from '../temp.ts';
import { childOf } from './vhd-child.ts';

const run = promisify(execFile);
const whole = (size: number) => Math.ceil(size / 512) * 512;

/** The content as qemu-img compares it: padded to whole sectors. */
async function wholeRaw(folder: string, content: Buffer): Promise<string> {
  return writeRaw(
    join(folder, 'raw'),
    Buffer.concat([content, Buffer.alloc(whole(content.length) - content.length)]),
  );
}

/** Media size and type by libvhdi. */
async function libvhdi(path: string): Promise<{ type: string; size: number }> {
  const { stdout } = await run('vhdiinfo', [path]);
  return {
    type: /Disk type\s*: (\w+)/.exec(stdout)![1]!,
    size: Number(/Media size\s*:.*?(\d+)(?: bytes)?\)?\s*$/m.exec(stdout)![1]),
  };
}

describeWith(['qemu-img', 'vhdiinfo'], 'vhd written by us, read by qemu and libvhdi', () => {
  for (const subformat of ['dynamic', 'fixed']) {
    for (const name of contentNames) {
      it(`${subformat} ${name}`, async () => {
        const folder = await tempFolder();
        const raw = await wholeRaw(folder, rawContent(name));
        const path = join(folder, 'a.vhd');
        await encodeToFile(vhdCodec, raw, path, { subformat });
        expect((await imageInfo(path, 'vpc'))['virtual-size']).toBe(whole(rawContent(name).length));
        await compareImages(raw, 'raw', path, 'vpc');
        const found = await libvhdi(path);
        expect(found).toEqual({
          type: subformat === 'fixed' ? 'Fixed' : 'Dynamic',
          size: whole(rawContent(name).length),
        });
      });
    }
  }

  it('blocks of 512 KiB, and a size in whole mebibytes', async () => {
    const folder = await tempFolder();
    const content = rawContent('odd');
    const raw = await writeRaw(
      join(folder, 'raw'),
      Buffer.concat([content, Buffer.alloc(4 * MiB - content.length)]),
    );
    for (const [i, options] of [{ blockSize: 512 * KiB }, { subformat: 'fixed', align: true }].entries()) {
      const path = join(folder, `${i}.vhd`);
      await encodeToFile(vhdCodec, raw, path, options);
      await compareImages(raw, 'raw', path, 'vpc');
      expect((await imageInfo(path, 'vpc'))['virtual-size']).toBe(4 * MiB);
    }
  });

  it('1.5 TiB, sparse', async () => {
    const folder = await tempFolder();
    const size = 1.5 * TiB + 512;
    const raw = await writeLargeRaw(join(folder, 'raw'), size, [0, TiB + 12 * KiB, size - 100_000]);
    const path = join(folder, 'a.vhd');
    await encodeToFile(vhdCodec, raw, path);
    expect((await imageInfo(path, 'vpc'))['virtual-size']).toBe(size);
    expect(await libvhdi(path)).toEqual({ type: 'Dynamic', size });
    // qemu-img compare reads no holes of either side.
    await compareImages(raw, 'raw', path, 'vpc');
    await checkSample(vhdCodec, { image: path, expected: raw });
  });

  it('qemu writes into it and we read what it wrote', async () => {
    const folder = await tempFolder();
    const content = rawContent('sparse');
    const path = join(folder, 'a.vhd');
    await encodeToFile(vhdCodec, await writeRaw(join(folder, 'raw'), content), path);
    for (const [at, length] of [
      [3 * MiB, 5000 * 2],
      [9 * MiB + 512, 70 * KiB * 2],
      [15 * MiB, 512],
    ] as const) {
      await run('qemu-io', ['-f', 'vpc', '-c', `write -q -P 99 ${at} ${whole(length)}`, path]);
      content.fill(99, at, at + whole(length));
    }
    await checkSample(vhdCodec, { image: path, expected: content });
  });
});

describeWith(['qemu-img', 'qemu-io'], 'vhd written by qemu, read by us', () => {
  testCodec(vhdCodec, [
    ...['force_size=on', 'force_size=off'].map((option) => ({
      name: `scrambled, ${option}`,
      async make() {
        const folder = await tempFolder();
        const createArgs = ['-o', `subformat=dynamic,${option}`];
        const image = await scrambledImage('vpc', join(folder, 'a.vhd'), { size: 24 * MiB, createArgs });
        return { image, expected: await rawByQemu('vpc', image, join(folder, 'raw')) };
      },
    })),
    ...contentNames
      .filter((name) => name !== 'tiny')
      .flatMap((name) =>
        ['dynamic', 'fixed'].flatMap((subformat) =>
          ['on', 'off'].map((force) => ({
            name: `${name}, ${subformat}, force_size=${force}`,
            async make() {
              const folder = await tempFolder();
              const raw = await wholeRaw(folder, rawContent(name));
              const image = join(folder, 'a.vhd');
              const option = `subformat=${subformat},force_size=${force}`;
              await qemuImg('convert', '-q', '-f', 'raw', '-O', 'vpc', '-o', option, raw, image);
              return { image, expected: await rawByQemu('vpc', image, join(folder, 'back')) };
            },
          })),
        ),
      ),
  ]);

  it('a disk of 2 TiB less 8 GiB with data at its end', async () => {
    const folder = await tempFolder();
    const image = join(folder, 'a.vhd');
    const size = 2040 * 1024 * MiB;
    await qemuImg('create', '-q', '-f', 'vpc', '-o', 'subformat=dynamic,force_size=on', image, String(size));
    await run('qemu-io', [
      '-f',
      'vpc',
      '-c',
      `write -q -P 7 ${size - 64 * KiB} 64K`,
      '-c',
      'write -q -P 8 1T 4K',
      image,
    ]);
    const raw = join(folder, 'raw');
    const file = await open(raw, 'w');
    await file.truncate(size);
    await file.write(Buffer.alloc(64 * KiB, 7), 0, 64 * KiB, size - 64 * KiB);
    await file.write(Buffer.alloc(4 * KiB, 8), 0, 4 * KiB, TiB);
    await file.close();
    await checkSample(vhdCodec, { image, expected: raw });
  });

  it('a fixed disk is told by its end, where qemu-img takes it for raw', async () => {
    const folder = await tempFolder();
    const image = join(folder, 'a.vhd');
    await qemuImg('create', '-q', '-f', 'vpc', '-o', 'subformat=fixed,force_size=on', image, '8M');
    const opened = await openFile(vhdCodec, image);
    expect(await vhdCodec.probe({ ...opened, name: image, size: 8 * MiB, access: 'random' })).toBe('no');
    expect(opened.size).toBe(8 * MiB);
    await opened.close();
    expect(JSON.parse(await qemuImg('info', '--output=json', image)).format).toBe('raw');
  });
});

/** What libvhdi reads from the image, parents included: the file of a FUSE mount. */
async function readByLibvhdi(path: string, folder: string): Promise<Buffer> {
  const mount = join(folder, 'mount');
  await mkdir(mount);
  // It goes on in the background, so it must not hold a pipe of ours.
  const code = await new Promise((resolve, reject) => {
    spawn('vhdimount', [path, mount], { stdio: 'ignore', timeout: 20_000 })
      .on('error', reject)
      .on('exit', resolve);
  });
  expect(code).toBe(0);
  try {
    const { stdout } = await run('ls', [mount], { timeout: 10_000 });
    return await readFile(join(mount, stdout.trim().split('\n').at(-1)!));
  } finally {
    await run('fusermount', ['-u', mount], { timeout: 10_000 });
  }
}

describeWith(['vhdimount', 'fusermount'], 'content as libvhdi reads it', () => {
  for (const subformat of ['dynamic', 'fixed']) {
    it(subformat, async () => {
      const folder = await tempFolder();
      const content = rawContent('scrambled');
      const path = join(folder, 'a.vhd');
      await encodeToFile(vhdCodec, await writeRaw(join(folder, 'raw'), content), path, { subformat });
      expect((await readByLibvhdi(path, folder)).equals(content)).toBe(true);
    });
  }

  it('differencing, with its parent', async () => {
    const folder = await tempFolder();
    const [below, above, child] = ['base.vhd', 'plain.vhd', 'child.vhd'].map((name) =>
      join(folder, name),
    ) as [string, string, string];
    await encodeToFile(vhdCodec, await writeRaw(join(folder, 'raw1'), rawContent('scrambled', 1)), below);
    await encodeToFile(vhdCodec, await writeRaw(join(folder, 'raw2'), rawContent('scrambled', 99)), above);
    const names = { W2ru: Buffer.from('.\\base.vhd', 'utf16le') };
    await writeFile(child, childOf(await readFile(below), await readFile(above), names, 'base.vhd'));
    await checkSample(vhdCodec, { image: child, expected: await readByLibvhdi(child, folder) });
  });
});

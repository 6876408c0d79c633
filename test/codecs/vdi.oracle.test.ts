import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { vdiCodec } from '../../src/codecs/vdi/index.ts';
import { KiB, MiB, TiB } from '../../src/model/units.ts';
import {
  contentNames,
  encodeToFile,
  rawByQemu,
  rawContent,
  scrambledImage,
  writeLargeRaw,
  writeRaw,
} from '../conformance/images.ts';
import { checkSample, testCodec } from '../conformance/test-codec.ts';
import { checkImage, compareImages, imageInfo, qemuImg, qemuIo } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { tempFolder } from '../temp.ts';

const run = promisify(execFile);

function wholeSectors(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc(-content.length & 511)]);
}

describeWith(['qemu-img'], 'vdi written by us, read by qemu', () => {
  for (const subformat of ['dynamic', 'static']) {
    for (const name of contentNames) {
      it(`${subformat} ${name}`, async () => {
        const folder = await tempFolder();
        const content = wholeSectors(rawContent(name));
        const raw = await writeRaw(join(folder, 'raw'), content);
        const path = join(folder, 'a.vdi');
        await encodeToFile(vdiCodec, await writeRaw(join(folder, 'odd'), rawContent(name)), path, {
          subformat,
        });
        await compareImages(raw, 'raw', path, 'vdi');
        await checkImage(path, 'vdi');
        expect((await imageInfo(path, 'vdi'))['virtual-size']).toBe(content.length);
        await checkSample(vdiCodec, { image: path, expected: content });
      });
    }
  }

  it('3 TiB, sparse', async () => {
    const folder = await tempFolder();
    const size = 3 * TiB + 512;
    const raw = await writeLargeRaw(join(folder, 'raw'), size, [0, 2 * TiB + 12 * KiB, size - 100_000]);
    const path = join(folder, 'a.vdi');
    await encodeToFile(vdiCodec, raw, path);
    await compareImages(raw, 'raw', path, 'vdi');
    await checkImage(path, 'vdi');
    await checkSample(vdiCodec, { image: path, expected: raw });
  });

  it('qemu writes into it and we read what it wrote', async () => {
    const folder = await tempFolder();
    const content = rawContent('sparse');
    const path = join(folder, 'a.vdi');
    await encodeToFile(vdiCodec, await writeRaw(join(folder, 'raw'), content), path);
    for (const [at, length] of [
      [15 * MiB + 512, 512],
      [2 * MiB, 10 * KiB],
      [9 * MiB + 512, 2 * MiB],
    ] as const) {
      await qemuIo('vdi', path, `write -q -P 99 ${at} ${length}`);
      content.fill(99, at, at + length);
    }
    await checkImage(path, 'vdi');
    await checkSample(vdiCodec, { image: path, expected: content });
  });
});

describeWith(['qemu-img', '7zz'], 'vdi written by us, read by 7-Zip', () => {
  it.each(['dynamic', 'static'])('%s', async (subformat) => {
    const folder = await tempFolder();
    const content = wholeSectors(rawContent('scrambled'));
    const path = join(folder, 'a.vdi');
    await encodeToFile(vdiCodec, await writeRaw(join(folder, 'raw'), content), path, { subformat });
    const { stdout } = await run('7zz', ['e', '-so', '-tvdi', path], {
      encoding: 'buffer',
      maxBuffer: 64 * MiB,
    });
    expect(stdout.equals(content)).toBe(true);
  });
});

describeWith(['qemu-img', 'qemu-io'], 'vdi written by qemu, read by us', () => {
  testCodec(vdiCodec, [
    ...['off', 'on'].map((option) => ({
      name: `scrambled, static=${option}`,
      async make() {
        const folder = await tempFolder();
        const createArgs = ['-o', `static=${option}`];
        const image = await scrambledImage('vdi', join(folder, 'a.vdi'), {
          size: 24 * MiB + 512,
          createArgs,
        });
        return { image, expected: await rawByQemu('vdi', image, join(folder, 'raw')) };
      },
    })),
    ...contentNames.map((name) => ({
      name,
      async make() {
        const folder = await tempFolder();
        const content = wholeSectors(rawContent(name));
        const image = join(folder, 'a.vdi');
        const raw = await writeRaw(join(folder, 'raw'), content);
        await qemuImg('convert', '-q', '-f', 'raw', '-O', 'vdi', raw, image);
        return { image, expected: await readFile(raw) };
      },
    })),
  ]);

  it('4 TiB with data at its end', async () => {
    const folder = await tempFolder();
    const image = join(folder, 'a.vdi');
    const size = 4 * TiB;
    await qemuImg('create', '-q', '-f', 'vdi', image, String(size));
    await qemuIo('vdi', image, `write -q -P 7 ${size - 64 * KiB} 64K`, 'write -q -P 8 3T 4K');
    const raw = await rawByQemu('vdi', image, join(folder, 'raw'));
    await checkSample(vdiCodec, { image, expected: raw });
  });
});

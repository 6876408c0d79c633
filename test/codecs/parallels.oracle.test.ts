import { execFile } from 'node:child_process';
import { copyFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { parallelsCodec } from '../../src/codecs/parallels/index.ts';
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
import { descriptorXml, guidOf } from './parallels-images.ts';

const run = promisify(execFile);
const whole = (content: Buffer, unit: number) =>
  Buffer.concat([content, Buffer.alloc(Math.ceil(content.length / unit) * unit - content.length)]);

/** ploop's tools take no sparse file. */
async function filled(path: string): Promise<void> {
  await run('cp', ['--sparse=never', path, `${path}.full`]);
  await rename(`${path}.full`, path);
}

describeWith(['qemu-img', 'qemu-io'], 'parallels written by us, read by qemu', () => {
  it.each(contentNames)('%s', async (name) => {
    const folder = await tempFolder();
    const content = whole(rawContent(name), 512);
    const path = join(folder, 'a.hdd');
    await encodeToFile(parallelsCodec, await writeRaw(join(folder, 'odd'), rawContent(name)), path);
    await compareImages(await writeRaw(join(folder, 'raw'), content), 'raw', path, 'parallels');
    await checkImage(path, 'parallels');
    expect((await imageInfo(path, 'parallels'))['virtual-size']).toBe(content.length);
    await checkSample(parallelsCodec, { image: path, expected: content });
  });

  it('3 TiB, sparse', async () => {
    const folder = await tempFolder();
    const size = 3 * TiB + 512;
    const raw = await writeLargeRaw(join(folder, 'raw'), size, [0, 2 * TiB + 12 * KiB, size - 100_000]);
    const path = join(folder, 'a.hdd');
    await encodeToFile(parallelsCodec, raw, path);
    // qemu-img compare fails on this format past 2 TiB, its own images included.
    await compareImages(raw, 'raw', await rawByQemu('parallels', path, join(folder, 'back')), 'raw');
    await checkImage(path, 'parallels');
    await checkSample(parallelsCodec, { image: path, expected: raw });
  });

  it('qemu writes into it and we read what it wrote', async () => {
    const folder = await tempFolder();
    const content = rawContent('sparse');
    const path = join(folder, 'a.hdd');
    await encodeToFile(parallelsCodec, await writeRaw(join(folder, 'raw'), content), path);
    for (const [at, length] of [
      [15 * MiB + 512, 512],
      [2 * MiB, 10 * KiB],
      [9 * MiB + 512, 2 * MiB],
    ] as const) {
      await qemuIo('parallels', path, `write -q -P 99 ${at} ${length}`);
      content.fill(99, at, at + length);
    }
    await checkSample(parallelsCodec, { image: path, expected: content });
  });
});

describeWith(['ploop'], 'parallels written by us, judged by ploop', () => {
  it.each(['scrambled', 'sparse', 'full', 'empty'] as const)(
    '%s: check, and convert to raw',
    async (name) => {
      const folder = await tempFolder();
      const content = whole(rawContent(name), MiB);
      const path = join(folder, 'root.hdd');
      await encodeToFile(parallelsCodec, await writeRaw(join(folder, 'raw'), content), path, {
        descriptor: true,
      });
      await filled(path);
      await run('ploop', ['check', '-f', '-c', path]);
      const descriptor = join(folder, 'DiskDescriptor.xml');
      await checkSample(parallelsCodec, { image: descriptor, expected: content });
      await checkSample(parallelsCodec, { image: path, expected: content });
      await run('ploop', ['convert', '-f', 'raw', descriptor]);
      expect((await readFile(path)).subarray(0, content.length).equals(content)).toBe(true);
      // The descriptor now names a plain image.
      await checkSample(parallelsCodec, { image: descriptor, expected: content });
    },
  );
});

describeWith(['qemu-img', 'qemu-io'], 'parallels written by qemu, read by us', () => {
  testCodec(parallelsCodec, [
    ...['64k', '1M', '4M'].map((cluster) => ({
      name: `scrambled, clusters of ${cluster}`,
      async make() {
        const folder = await tempFolder();
        const image = await scrambledImage('parallels', join(folder, 'a.hdd'), {
          size: 24 * MiB + 512,
          createArgs: ['-o', `cluster_size=${cluster}`],
        });
        return { image, expected: await rawByQemu('parallels', image, join(folder, 'raw')) };
      },
    })),
    ...contentNames.map((name) => ({
      name,
      async make() {
        const folder = await tempFolder();
        const content = whole(rawContent(name), 512);
        const image = join(folder, 'a.hdd');
        const raw = await writeRaw(join(folder, 'raw'), content);
        await qemuImg('convert', '-q', '-f', 'raw', '-O', 'parallels', raw, image);
        return { image, expected: await readFile(raw) };
      },
    })),
  ]);

  it('4 TiB with data at its end', async () => {
    const folder = await tempFolder();
    const image = join(folder, 'a.hdd');
    const size = 4 * TiB;
    await qemuImg('create', '-q', '-f', 'parallels', image, String(size));
    await qemuIo('parallels', image, `write -q -P 7 ${size - 64 * KiB} 64K`, 'write -q -P 8 3T 4K');
    const raw = await rawByQemu('parallels', image, join(folder, 'raw'));
    await checkSample(parallelsCodec, { image, expected: raw });
  });
});

describeWith(['qemu-img', 'qemu-io', 'ploop'], 'parallels bundles with snapshots, merged by ploop', () => {
  it('three layers, and each of the snapshots by its file', async () => {
    const folder = await tempFolder();
    const size = 8 * MiB;
    const files = ['root.hds', 'one.hds', 'two.hds'];
    for (const [i, file] of files.entries())
      await scrambledImage('parallels', join(folder, file), { size, grain: MiB, seed: 20 + i, zeros: false });
    const xml = descriptorXml({
      size,
      top: guidOf(2),
      shots: [guidOf(0), guidOf(1), guidOf(2)].map((guid, i) => ({
        guid,
        parent: i === 0 ? undefined : guidOf(i - 1),
      })),
      images: files.map((file, i) => ({ guid: guidOf(i), file })),
    });
    await writeFile(join(folder, 'DiskDescriptor.xml'), xml);
    // ploop merges in place: on copies.
    const merged = join(folder, 'merged');
    await mkdir(merged);
    for (const file of files) {
      await copyFile(join(folder, file), join(merged, file));
      await filled(join(merged, file));
    }
    const expected: string[] = [];
    for (const [i, file] of files.entries()) {
      if (i > 0) await run('ploop', ['merge', join(merged, file), join(merged, 'root.hds')]);
      expected.push(await rawByQemu('parallels', join(merged, 'root.hds'), join(folder, `${i}.raw`)));
    }
    for (const [i, file] of files.entries())
      await checkSample(parallelsCodec, { image: join(folder, file), expected: expected[i]! });
    await checkSample(parallelsCodec, { image: join(folder, 'DiskDescriptor.xml'), expected: expected[2]! });
  });
});

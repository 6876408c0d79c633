import { copyFile, open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Codec } from '../../src/codecs/codec.ts';
import { qcowCodec } from '../../src/codecs/qcow/index.ts';
import { qcow2Codec } from '../../src/codecs/qcow2/index.ts';
import { qedCodec } from '../../src/codecs/qed/index.ts';
import { probeFormat } from '../../src/codecs/registry.ts';
import { fileSource } from '../../src/io/file-source.ts';
import { GiB, KiB, MiB, TiB } from '../../src/model/units.ts';
import {
  contentNames,
  openFile,
  rawByQemu,
  rawContent,
  type ScrambleOptions,
  scrambledImage,
  scrambleMore,
  writeRaw,
} from '../conformance/images.ts';
import { shuffled } from '../conformance/random.ts';
import { checkSample, testCodec } from '../conformance/test-codec.ts';
import { qemuImg, qemuIo } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { tempFolder } from '../temp.ts';

const size = 4 * MiB + 512;
const images: [string, Codec, string, Omit<ScrambleOptions, 'size'>][] = [
  ['qed', qedCodec, 'qed', {}],
  ['qed, clusters of 4K', qedCodec, 'qed', { createArgs: ['-o', 'cluster_size=4096'], grain: 8192 }],
  [
    'qed, small clusters, large tables',
    qedCodec,
    'qed',
    { createArgs: ['-o', 'cluster_size=4096,table_size=16'] },
  ],
  ['qed, clusters of 2M', qedCodec, 'qed', { createArgs: ['-o', 'cluster_size=2M'] }],
  ['qcow', qcowCodec, 'qcow', { grain: 4096, zeros: false }],
  ['qcow, some of it compressed', qcowCodec, 'qcow', { grain: 4096, zeros: false, compressed: true }],
];

describeWith(['qemu-img', 'qemu-io'], 'written by qemu in a random order', () => {
  for (const [name, codec, format, options] of images) {
    it(name, async () => {
      const folder = await tempFolder();
      const image = await scrambledImage(format, join(folder, 'a'), { size, ...options });
      const expected = await rawByQemu(format, image, join(folder, 'raw'));
      await checkSample(codec, { image, expected });
      const source = await fileSource(image);
      expect(await probeFormat(source)).toMatchObject({ codec: { id: format }, sure: true });
      await source.close();
    });
  }
});

describeWith(['qemu-img'], 'written by qemu-img convert', () => {
  for (const [codec, format, args] of [
    [qedCodec, 'qed', []],
    [qcowCodec, 'qcow', []],
  ] as const) {
    describe(`${format} ${args.join('')}`, () => {
      testCodec(
        codec,
        contentNames.map((name) => ({
          name,
          async make() {
            const folder = await tempFolder();
            const content = rawContent(name);
            const raw = await writeRaw(join(folder, 'raw'), content);
            const image = join(folder, 'a');
            await qemuImg('convert', '-q', '-f', 'raw', '-O', format, ...args, raw, image);
            return { image, expected: Buffer.concat([content, Buffer.alloc(-content.length & 511)]) };
          },
        })),
      );
    });
  }
});

describeWith(['qemu-img', 'qemu-io'], 'compressed clusters', () => {
  // qemu-img 7.2 convert -c fails on this format; qemu-io compresses cluster by cluster.
  it('of all lengths, some incompressible', async () => {
    const folder = await tempFolder();
    const content = rawContent('scrambled').subarray(0, 512 * KiB);
    const image = join(folder, 'a');
    await qemuImg('create', '-q', '-f', 'qcow', image, String(content.length));
    const commands: string[] = [];
    for (let at = 0; at < content.length; at += 4 * KiB) {
      const piece = join(folder, `piece${at}`);
      await writeFile(piece, content.subarray(at, at + 4 * KiB));
      commands.push(`write -q -c -s ${piece} ${at} 4K`);
    }
    await qemuIo('qcow', image, ...shuffled(commands, 1));
    await checkSample(qcowCodec, { image, expected: content });
  });
});

describeWith(['qemu-img', 'qemu-io'], 'backing files', () => {
  for (const [codec, format] of [
    [qedCodec, 'qed'],
    [qcowCodec, 'qcow'],
  ] as const) {
    it.each(['raw', 'qcow2', format])(`${format} over a shorter %s`, async (below) => {
      const folder = await tempFolder();
      const grain = 16 * KiB;
      await scrambledImage(below, join(folder, 'base'), { size: 3 * MiB, seed: 1, grain, zeros: false });
      const image = join(folder, 'top');
      await qemuImg('create', '-q', '-f', format, '-b', 'base', '-F', below, image, String(size));
      await scrambleMore(format, image, { size, seed: 2, grain, zeros: format === 'qed' });
      const expected = await rawByQemu(format, image, join(folder, 'raw'));
      await checkSample(codec, { image, expected, others: [qcow2Codec] });
      await rm(join(folder, 'base'));
      await expect(openFile(codec, image)).rejects.toMatchObject({ kind: 'not-found' });
    });
  }
});

describeWith(['qemu-img', 'qemu-io'], 'large disks', () => {
  it.each([
    ['qed', qedCodec, 4 * TiB],
    ['qcow', qcowCodec, 3 * TiB],
  ] as const)('%s', async (format, codec, large) => {
    const folder = await tempFolder();
    const image = join(folder, 'a');
    await qemuImg('create', '-q', '-f', format, image, String(large));
    await qemuIo(
      format,
      image,
      `write -q -P 7 ${large - 64 * KiB} 64K`,
      'write -q -P 8 2T 4K',
      'write -q -P 9 0 4K',
    );
    const opened = await openFile(codec, image);
    expect(opened.size).toBe(large);
    for (const [at, length, value] of [
      [large - 64 * KiB, 64 * KiB, 7],
      [2 * TiB, 4096, 8],
      [0, 4096, 9],
      [TiB, 4096, 0],
    ] as const) {
      const target = Buffer.alloc(length);
      await opened.read(target, at);
      expect(target.equals(Buffer.alloc(length, value))).toBe(true);
      const [first] = await opened.extents(at, Math.min(large, at + GiB));
      expect(first).toMatchObject({ kind: value === 0 ? 'zero' : 'data', offset: at });
    }
    await opened.close();
  });
});

describeWith(['qemu-img'], 'what is refused', () => {
  it('an encrypted qcow', async () => {
    const folder = await tempFolder();
    const image = join(folder, 'a');
    await qemuImg('create', '-q', '-f', 'qcow', image, '1M');
    const copy = join(folder, 'b');
    await copyFile(image, copy);
    const file = await open(copy, 'r+');
    await file.write(Buffer.from([1]), 0, 1, 39);
    await file.close();
    await expect(openFile(qcowCodec, copy)).rejects.toMatchObject({ kind: 'unsupported' });
  });
});

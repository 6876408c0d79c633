import { copyFile, open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { qcow2Codec } from '../../src/codecs/qcow2/index.ts';
import { GiB, MiB, TiB } from '../../src/model/units.ts';
import {
  type ContentName,
  contentNames,
  encodeToFile,
  openFile,
  rawByQemu,
  rawContent,
  type ScrambleOptions,
  scrambledImage,
  scrambleMore,
  writeLargeRaw,
  writeRaw,
} from '../conformance/images.ts';
import { checkSample, testCodec } from '../conformance/test-codec.ts';
import { checkImage, compareImages, imageInfo, qemuImg, qemuIo } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { tempFolder } from '../temp.ts';

const size = 4 * MiB + 512;

describeWith(['qemu-img', 'qemu-io'], 'qcow2 by qemu, written in a random order', () => {
  const made: (ScrambleOptions & { name: string })[] = [
    { name: 'version 2', size, createArgs: ['-o', 'compat=0.10'], zeros: false, discard: true },
    { name: 'version 3', size, discard: true },
    {
      name: 'clusters of 512',
      size: MiB,
      createArgs: ['-o', 'cluster_size=512'],
      grain: 2048,
      discard: true,
    },
    { name: 'clusters of 4K', size, createArgs: ['-o', 'cluster_size=4096'], grain: 16384 },
    { name: 'clusters of 2M', size: 64 * MiB, createArgs: ['-o', 'cluster_size=2M'], grain: MiB },
    { name: 'lazy refcounts', size, createArgs: ['-o', 'lazy_refcounts=on'] },
    { name: '1-bit refcounts', size, createArgs: ['-o', 'refcount_bits=1'] },
    { name: 'zlib, 64K', size: 8 * MiB, compressed: true },
    { name: 'zlib, 512', size: MiB, createArgs: ['-o', 'cluster_size=512'], grain: 512, compressed: true },
    {
      name: 'zstd, 64K',
      size: 8 * MiB,
      createArgs: ['-o', 'compression_type=zstd'],
      compressed: true,
      discard: true,
    },
    { name: 'extended L2', size, createArgs: ['-o', 'extended_l2=on'], grain: 8192, discard: true },
    {
      name: 'extended L2, compressed, clusters of 16K',
      size,
      createArgs: ['-o', 'extended_l2=on,cluster_size=16K'],
      grain: 16384,
      compressed: true,
    },
    { name: 'preallocated metadata', size, createArgs: ['-o', 'preallocation=metadata'] },
    { name: 'preallocated fully', size, createArgs: ['-o', 'preallocation=full'] },
  ];
  testCodec(
    qcow2Codec,
    made.map((options) => ({
      name: options.name,
      async make() {
        const folder = await tempFolder();
        const image = await scrambledImage('qcow2', join(folder, 'disk.qcow2'), options);
        return { image, expected: await rawByQemu('qcow2', image, join(folder, 'disk.raw')) };
      },
    })),
  );
});

describeWith(['qemu-img'], 'qcow2 by qemu-img convert', () => {
  const contents: ContentName[] = ['scrambled', 'sparse', 'full', 'odd'];
  const options = [
    [],
    ['-c'],
    ['-c', '-o', 'compression_type=zstd'],
    ['-c', '-o', 'cluster_size=4096,compression_type=zstd'],
    ['-c', '-o', 'cluster_size=2M,compression_type=zstd'],
    ['-c', '-o', 'cluster_size=2M'],
    ['-c', '-o', 'cluster_size=512'],
  ];
  testCodec(
    qcow2Codec,
    contents.flatMap((name) =>
      options.map((args) => ({
        name: `${name} ${args.join(' ')}`,
        async make() {
          const folder = await tempFolder();
          const content = rawContent(name);
          const raw = await writeRaw(join(folder, 'disk.raw'), content);
          const image = join(folder, 'disk.qcow2');
          await qemuImg('convert', '-f', 'raw', '-O', 'qcow2', ...args, raw, image);
          return { image, expected: Buffer.concat([content, Buffer.alloc(-content.length & 511)]) };
        },
      })),
    ),
  );
});

describeWith(['qemu-img', 'qemu-io'], 'qcow2 backing files', () => {
  async function chain(sizes: readonly number[], format = 'qcow2', createArgs: string[] = []) {
    const folder = await tempFolder();
    const base = join(folder, `base.${format}`);
    await scrambledImage(format, base, { size: sizes[0]!, seed: 1 });
    let below = base;
    for (let i = 1; i < sizes.length; i++) {
      const path = join(folder, `layer${i}.qcow2`);
      const belowFormat = i === 1 ? format : 'qcow2';
      const args = ['create', '-q', '-f', 'qcow2', '-b', below, '-F', belowFormat, ...createArgs];
      await qemuImg(...args, path, String(sizes[i]));
      await scrambleMore('qcow2', path, { size: sizes[i]!, seed: i + 1, grain: 32768 });
      below = path;
    }
    return { image: below, expected: await rawByQemu('qcow2', below, join(folder, 'all.raw')) };
  }

  testCodec(qcow2Codec, [
    { name: 'three layers', make: () => chain([size, size, size]) },
    { name: 'a shorter and a longer layer below', make: () => chain([6 * MiB, 2 * MiB + 512, 5 * MiB]) },
    { name: 'raw below', make: () => chain([3 * MiB, size], 'raw') },
    {
      name: 'extended L2 over extended L2',
      make: () => chain([size, size, size], 'qcow2', ['-o', 'extended_l2=on']),
    },
    { name: 'clusters of 4K', make: () => chain([3 * MiB, size], 'qcow2', ['-o', 'cluster_size=4096']) },
  ]);

  it('names and describes what is below', async () => {
    const { image } = await chain([size, size], 'raw');
    const disk = await openFile(qcow2Codec, image);
    expect(disk.info).toMatchObject({
      variant: 'v3, zlib',
      details: { backingFormat: 'raw', clusterSizeBytes: 65536, refcountBits: 16 },
      parent: { format: 'raw', virtualSizeBytes: size },
    });
    await disk.close();
  });

  it('follows a backing file that is named by options', async () => {
    const folder = await tempFolder();
    const below = await scrambledImage('qcow2', join(folder, 'below.qcow2'), { size });
    const image = join(folder, 'disk.qcow2');
    const file = { driver: 'file', filename: below };
    const name = `json:${JSON.stringify({ driver: 'qcow2', file })}`;
    await qemuImg('create', '-q', '-f', 'qcow2', '-u', '-b', name, '-F', 'qcow2', image, String(size));
    await qemuIo('qcow2', image, 'write -P 9 100k 300k');
    const expected = await rawByQemu('qcow2', image, join(folder, 'disk.raw'));
    await checkSample(qcow2Codec, { image, expected });
    await qemuImg('rebase', '-u', '-b', name, '-F', 'raw', image);
    await expect(openFile(qcow2Codec, image)).rejects.toMatchObject({ kind: 'corrupt' });
  });

  it.each(['json:{"driver":"null-co"}', 'nbd://host/export', 'https://host/disk.raw'])(
    'refuses %s',
    async (name) => {
      const folder = await tempFolder();
      const image = join(folder, 'disk.qcow2');
      await qemuImg('create', '-q', '-f', 'qcow2', image, '1M');
      await qemuImg('rebase', '-u', '-b', name, '-F', 'raw', image);
      await expect(openFile(qcow2Codec, image)).rejects.toMatchObject({ kind: 'unsupported' });
    },
  );
});

describeWith(['qemu-img', 'qemu-io'], 'qcow2 features', () => {
  it('reads an external data file', async () => {
    const folder = await tempFolder();
    const image = join(folder, 'disk.qcow2');
    const data = join(folder, 'data.raw');
    await scrambledImage('qcow2', image, { size, createArgs: ['-o', `data_file=${data}`] });
    await checkSample(qcow2Codec, {
      image,
      expected: await rawByQemu('qcow2', image, join(folder, 'disk.raw')),
    });
  });

  it('counts and names internal snapshots', async () => {
    const folder = await tempFolder();
    const image = await scrambledImage('qcow2', join(folder, 'disk.qcow2'), { size });
    for (const name of ['before update', 'second']) await qemuImg('snapshot', '-c', name, image);
    await qemuIo('qcow2', image, 'write -P 9 100k 300k');
    const disk = await openFile(qcow2Codec, image);
    expect(disk.info.details).toMatchObject({ snapshots: 2, snapshotNames: 'before update, second' });
    expect(disk.info.findings.map((f) => f.rule)).toEqual(['qcow2.snapshots']);
    await disk.close();
    await checkSample(qcow2Codec, {
      image,
      expected: await rawByQemu('qcow2', image, join(folder, 'disk.raw')),
    });
  });

  it.each([
    [0, 'note', 'dirty'],
    [1, 'corrupt', ''],
    [7, 'unsupported', 'bit 7'],
  ])('incompatible bit %i', async (bit, outcome, word) => {
    const folder = await tempFolder();
    const image = join(folder, 'disk.qcow2');
    await qemuImg('create', '-q', '-f', 'qcow2', image, '1M');
    const file = await open(image, 'r+');
    await file.write(Buffer.from([1 << bit]), 0, 1, 79);
    await file.close();
    if (outcome === 'note') {
      const disk = await openFile(qcow2Codec, image);
      expect(disk.info.findings[0]?.rule).toContain(word);
      await disk.close();
    } else {
      await expect(openFile(qcow2Codec, image)).rejects.toMatchObject({
        kind: outcome,
        message: expect.stringContaining(word),
      });
    }
  });
});

describeWith(['qemu-img'], 'qcow2 by us, judged by qemu-img', () => {
  const options = [
    {},
    { clusterSize: 512 },
    { clusterSize: 4096 },
    { clusterSize: 2 * MiB },
    { compression: 'zlib' },
    { compression: 'zlib', clusterSize: 512 },
    { compression: 'zlib', clusterSize: 2 * MiB, compressionLevel: 1 },
    { compression: 'zstd' },
    { compression: 'zstd', clusterSize: 4096 },
  ];
  for (const name of contentNames) {
    for (const given of options) {
      it(`${name} ${JSON.stringify(given)}`, async () => {
        const folder = await tempFolder();
        const content = rawContent(name);
        const raw = await writeRaw(join(folder, 'disk.raw'), content);
        const [image] = await encodeToFile(qcow2Codec, raw, join(folder, 'disk.qcow2'), given);
        await checkImage(image!, 'qcow2');
        await compareImages(raw, 'raw', image!, 'qcow2');
        expect((await imageInfo(image!, 'qcow2'))['virtual-size']).toBe(
          Math.ceil(content.length / 512) * 512,
        );
      });
    }
  }

  it.each([{}, { compression: 'zlib' }])('1 TiB with some spots, %o', async (given) => {
    const folder = await tempFolder();
    const spots = [0, 4 * GiB - 50_000, 512 * GiB - 777, TiB - 70_000];
    const raw = await writeLargeRaw(join(folder, 'disk.raw'), TiB, spots);
    const [image] = await encodeToFile(qcow2Codec, raw, join(folder, 'disk.qcow2'), given);
    await checkImage(image!, 'qcow2');
    await compareImages(raw, 'raw', image!, 'qcow2');
    expect((await stat(image!)).size).toBeLessThan(3 * MiB);
    await checkSample(qcow2Codec, { image: image!, expected: raw });
  });

  it('takes an image with layers as its source', async () => {
    const folder = await tempFolder();
    const base = await scrambledImage('qcow2', join(folder, 'base.qcow2'), { size, compressed: true });
    const top = join(folder, 'top.qcow2');
    await qemuImg('create', '-q', '-f', 'qcow2', '-b', base, '-F', 'qcow2', top);
    await scrambleMore('qcow2', top, { size, seed: 9 });
    const disk = await openFile(qcow2Codec, top);
    const [image] = await encodeToFile(qcow2Codec, disk, join(folder, 'made.qcow2'), { clusterSize: 4096 });
    await disk.close();
    await checkImage(image!, 'qcow2');
    await compareImages(top, 'qcow2', image!, 'qcow2');
  });

  it('does not change the source', async () => {
    const folder = await tempFolder();
    const image = await scrambledImage('qcow2', join(folder, 'disk.qcow2'), { size });
    await copyFile(image, join(folder, 'before'));
    const disk = await openFile(qcow2Codec, image);
    await encodeToFile(qcow2Codec, disk, join(folder, 'made.qcow2'));
    await disk.close();
    expect((await readFile(image)).equals(await readFile(join(folder, 'before')))).toBe(true);
  });
});

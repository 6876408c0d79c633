import { open, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { expect, it } from 'vitest';
import { qcow2Codec } from '../../src/codecs/qcow2/index.ts';
import { codecById } from '../../src/codecs/registry.ts';
import { sourceDisk } from '../../src/io/disk.ts';
import { pour } from '../../src/io/encoded-file.ts';
import { fileSink } from '../../src/io/file-sink.ts';
import { fileSource } from '../../src/io/file-source.ts';
import { type Options, resolveOptions } from '../../src/model/options.ts';
import { GiB, KiB, MiB, TiB } from '../../src/model/units.ts';
import {
  type ContentName,
  encodeToFile,
  openFile,
  rawByQemu,
  rawContent,
  scrambledImage,
  writeLargeRaw,
  writeRaw,
} from '../conformance/images.ts';
import { randomBytes, randomNumbers } from '../conformance/random.ts';
import { checkSample } from '../conformance/test-codec.ts';
import { checkImage, compareImages, imageInfo, qemuImg, qemuIo } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { tempFolder } from '../temp.ts';

interface MapEntry {
  readonly start: number;
  readonly length: number;
  readonly depth: number;
  readonly present: boolean;
  readonly zero: boolean;
  readonly data: boolean;
}

/** Where qemu says that this layer holds data, and where it says zeros, as lists of grains. */
async function grainsByQemu(image: string, grain: number): Promise<{ data: number[]; zero: number[] }> {
  const map: MapEntry[] = JSON.parse(await qemuImg('map', '--output=json', '-f', 'qcow2', image));
  const grainsOf = (wanted: (entry: MapEntry) => boolean) =>
    map.filter(wanted).flatMap(({ start, length }) => {
      const first = start / grain;
      return Array.from({ length: Math.ceil((start + length) / grain) - first }, (_, i) => first + i);
    });
  const own = (entry: MapEntry) => entry.depth === 0 && entry.present;
  return {
    data: grainsOf((e) => own(e) && e.data),
    zero: grainsOf((e) => own(e) && !e.data && e.zero),
  };
}

const isZero = (bytes: Buffer): boolean => bytes.equals(Buffer.alloc(bytes.length));

function grainsWhere(size: number, grain: number, wanted: (start: number, end: number) => boolean): number[] {
  const all = Array.from({ length: Math.ceil(size / grain) }, (_, i) => i);
  return all.filter((i) => wanted(i * grain, Math.min(size, (i + 1) * grain)));
}

describeWith(['qemu-img', 'qemu-io'], 'extended L2 entries by us, judged by qemu-img', () => {
  const contents: ContentName[] = ['scrambled', 'sparse', 'odd', 'empty', 'full', 'tiny'];
  const options: Options[] = [
    {},
    { clusterSize: 16 * KiB },
    { clusterSize: 2 * MiB },
    { compression: 'zlib' },
    { compression: 'zstd', clusterSize: 16 * KiB },
    { compression: 'zlib', clusterSize: 2 * MiB, compressionLevel: 1 },
  ];
  for (const name of contents) {
    it.each(options)(`${name}, %o`, async (given) => {
      const folder = await tempFolder();
      const content = rawContent(name);
      const raw = await writeRaw(join(folder, 'disk.raw'), content);
      const [image] = await encodeToFile(qcow2Codec, raw, join(folder, 'disk.qcow2'), {
        ...given,
        extendedL2: true,
      });
      await checkImage(image!, 'qcow2');
      await compareImages(raw, 'raw', image!, 'qcow2');
      expect(await imageInfo(image!, 'qcow2')).toMatchObject({
        'format-specific': { data: { 'extended-l2': true } },
      });
      const expected = Buffer.concat([content, Buffer.alloc(-content.length & 511)]);
      await checkSample(qcow2Codec, { image: image!, expected });
      if (given.compression !== undefined) return;
      const grain = Number(given.clusterSize ?? 64 * KiB) / 32;
      const holding = grainsWhere(expected.length, grain, (a, b) => !isZero(expected.subarray(a, b)));
      expect(await grainsByQemu(image!, grain)).toEqual({ data: holding, zero: [] });
    });
  }

  it('takes less room where data is scattered', async () => {
    const folder = await tempFolder();
    const raw = await writeRaw(join(folder, 'disk.raw'), rawContent('sparse'));
    const blocks = async (extendedL2: boolean) => {
      const given = { clusterSize: 2 * MiB, extendedL2 };
      const [image] = await encodeToFile(qcow2Codec, raw, join(folder, `${extendedL2}.qcow2`), given);
      return (await stat(image!)).blocks * 512;
    };
    expect(await blocks(true)).toBeLessThan((await blocks(false)) - 3 * MiB);
  });

  it('can be written to by qemu', async () => {
    const folder = await tempFolder();
    const raw = await writeRaw(join(folder, 'disk.raw'), rawContent('scrambled'));
    const image = join(folder, 'disk.qcow2');
    await encodeToFile(qcow2Codec, raw, image, { extendedL2: true });
    await qemuImg('resize', '-q', image, '9M');
    await qemuImg('snapshot', '-c', 'one', image);
    await checkImage(image, 'qcow2');
    await qemuImg('compare', '-f', 'raw', '-F', 'qcow2', raw, image);
    for (const [file, format] of [[raw, 'raw'] as const, [image, 'qcow2'] as const]) {
      await qemuIo(format, file, 'write -q -P 7 3k 50k', 'write -q -z 300k 9k', 'write -q -P 8 4M 512');
    }
    await checkImage(image, 'qcow2');
    await qemuImg('compare', '-f', 'raw', '-F', 'qcow2', raw, image);
  });

  it('1 TiB with some spots', async () => {
    const folder = await tempFolder();
    const spots = [0, 4 * GiB - 50_000, 512 * GiB - 777, TiB - 70_000];
    const raw = await writeLargeRaw(join(folder, 'disk.raw'), TiB, spots);
    const [image] = await encodeToFile(qcow2Codec, raw, join(folder, 'disk.qcow2'), { extendedL2: true });
    await checkImage(image!, 'qcow2');
    await compareImages(raw, 'raw', image!, 'qcow2');
  });
});

/** Some of it as below, some zeroed, some other bytes, at odd places. */
function changed(below: Buffer, size: number, seed: number): Buffer {
  const random = randomNumbers(seed);
  const out = Buffer.alloc(size);
  out.set(below.subarray(0, size));
  for (let i = 0; i < 25; i++) {
    const at = Math.floor(random() * size);
    const length = Math.min(size - at, Math.ceil(2 ** (3 + random() * 16)));
    if (random() < 0.5) out.fill(0, at, at + length);
    else randomBytes(length, seed + i).copy(out, at);
  }
  return out;
}

/** Writes `disk` over the image `base`, which lies beside `path` or below its folder. */
async function writeOverlay(
  disk: string,
  base: { path: string; name: string; format: string },
  path: string,
  options: Options = {},
): Promise<void> {
  const encoder = qcow2Codec.encoder!;
  const below = await openFile(codecById(base.format), base.path);
  const above = sourceDisk(await fileSource(disk));
  const backing = { disk: below, name: base.name, format: base.format };
  const given = resolveOptions(encoder.options, options);
  try {
    const [file] = await encoder.encode(above, basename(path), given, { backing });
    await pour(file!, await fileSink(path));
  } finally {
    await above.close();
    await below.close();
  }
}

describeWith(['qemu-img', 'qemu-io'], 'overlays by us, judged by qemu-img', () => {
  const size = 4 * MiB + 512;
  const options: Options[] = [
    {},
    { clusterSize: 512 },
    { clusterSize: 2 * MiB },
    { compression: 'zlib' },
    { compression: 'zstd', clusterSize: 4 * KiB },
    { extendedL2: true },
    { extendedL2: true, clusterSize: 16 * KiB },
    { extendedL2: true, compression: 'zlib' },
  ];

  /** A base by qemu and the disk over it, as files. */
  async function pair(format: string, { baseSize = size, childSize = size, seed = 1 } = {}) {
    const folder = await tempFolder();
    const raw = await scrambledImage('raw', join(folder, 'base.raw'), { size: baseSize, seed });
    const base = format === 'raw' ? raw : join(folder, `base.${format}`);
    if (format !== 'raw') await qemuImg('convert', '-f', 'raw', '-O', format, raw, base);
    const below = await content(raw);
    const bytes = changed(below, childSize, seed + 50);
    const child = await writeRaw(join(folder, 'child.raw'), bytes);
    return { folder, child, bytes, below, base: { path: base, name: basename(base), format } };
  }

  async function content(path: string): Promise<Buffer> {
    const file = await open(path);
    const bytes = await file.readFile();
    await file.close();
    return bytes;
  }

  async function judge(child: string, image: string): Promise<void> {
    await checkImage(image, 'qcow2');
    await compareImages(child, 'raw', image, 'qcow2');
    await checkSample(qcow2Codec, { image, expected: child, others: [codecById('vmdk')] });
  }

  it.each(options)('over raw, %o: exactly what differs', async (given) => {
    const { folder, child, bytes, below, base } = await pair('raw');
    const image = join(folder, 'child.qcow2');
    await writeOverlay(child, base, image, given);
    await judge(child, image);
    expect(await imageInfo(image, 'qcow2')).toMatchObject({
      'backing-filename': 'base.raw',
      'backing-filename-format': 'raw',
      'full-backing-filename': base.path,
    });
    const cluster = Number(given.clusterSize ?? 64 * KiB);
    const grain = given.extendedL2 && given.compression === undefined ? cluster / 32 : cluster;
    const differs = (a: number, b: number) => !bytes.subarray(a, b).equals(below.subarray(a, b));
    const nothing = (a: number, b: number) => isZero(bytes.subarray(a, b));
    const found = await grainsByQemu(image, grain);
    expect(found.data).toEqual(grainsWhere(size, grain, (a, b) => differs(a, b) && !nothing(a, b)));
    // A zero may also be stored over what only takes room below.
    const needed = grainsWhere(size, grain, (a, b) => differs(a, b) && nothing(a, b));
    expect(needed.filter((i) => !found.zero.includes(i))).toEqual([]);
    expect(found.zero.filter((i) => !nothing(i * grain, (i + 1) * grain))).toEqual([]);
  });

  it.each(['qcow2', 'vmdk', 'vdi', 'vhdx', 'qed'])('over %s', async (format) => {
    const { folder, child, base } = await pair(format, { baseSize: 4 * MiB, childSize: 4 * MiB });
    const image = join(folder, 'child.qcow2');
    await writeOverlay(child, base, image);
    const judged = ['qcow2', 'vmdk'].includes(format) ? judge(child, image) : checkImage(image, 'qcow2');
    await judged;
    await compareImages(child, 'raw', image, 'qcow2');
    expect(await imageInfo(image, 'qcow2')).toMatchObject({
      'backing-filename-format': format,
    });
  });

  it.each([
    [2 * MiB + 512, size],
    [6 * MiB, size],
    [6 * MiB, 3 * MiB + 100],
    [MiB, 5 * MiB + 70_000],
  ])('a base of %i under %i bytes', async (baseSize, childSize) => {
    for (const given of [{}, { extendedL2: true }, { compression: 'zlib' }] as Options[]) {
      const { folder, child, base, bytes } = await pair('qcow2', { baseSize, childSize, seed: baseSize });
      const image = join(folder, 'child.qcow2');
      await writeOverlay(child, base, image, given);
      await checkImage(image, 'qcow2');
      await compareImages(child, 'raw', image, 'qcow2');
      const expected = Buffer.concat([bytes, Buffer.alloc(-bytes.length & 511)]);
      await checkSample(qcow2Codec, { image, expected });
    }
  });

  it.each([1, 2, 3, 4, 5, 6])('random disks, seed %i', async (seed) => {
    const random = randomNumbers(seed * 77);
    const given = options[Math.floor(random() * options.length)]!;
    const sized = { baseSize: 512 * Math.ceil(random() * 8000), childSize: 512 * Math.ceil(random() * 8000) };
    const { folder, child, base } = await pair(random() < 0.5 ? 'qcow2' : 'raw', { ...sized, seed });
    const image = join(folder, 'child.qcow2');
    await writeOverlay(child, base, image, given);
    await judge(child, image);
  });

  it('refuses a VHD below, and reads what qemu has laid over one', async () => {
    const { folder, child, base } = await pair('raw');
    const vhd = { path: join(folder, 'base.vhd'), name: 'base.vhd', format: 'vhd' };
    await qemuImg('convert', '-f', 'raw', '-O', 'vpc', base.path, vhd.path);
    const image = join(folder, 'child.qcow2');
    await expect(writeOverlay(child, vhd, image)).rejects.toMatchObject({ kind: 'unsupported' });
    await qemuImg('create', '-q', '-f', 'qcow2', '-b', 'base.vhd', '-F', 'vpc', image);
    await qemuIo('qcow2', image, 'write -q -P 5 70k 90k');
    const expected = await rawByQemu('qcow2', image, join(folder, 'all.raw'));
    await checkSample(qcow2Codec, { image, expected, others: [codecById('vhd')] });
  });

  it('the same disk takes no room, and one of zeros only tables', async () => {
    const { folder, base } = await pair('raw');
    await writeOverlay(base.path, base, join(folder, 'same.qcow2'));
    expect(await grainsByQemu(join(folder, 'same.qcow2'), 64 * KiB)).toEqual({ data: [], zero: [] });
    const empty = await writeRaw(join(folder, 'empty.raw'), Buffer.alloc(size));
    await writeOverlay(empty, base, join(folder, 'empty.qcow2'));
    expect((await grainsByQemu(join(folder, 'empty.qcow2'), 64 * KiB)).data).toEqual([]);
    expect((await stat(join(folder, 'empty.qcow2'))).size).toBeLessThan(MiB);
    await judge(empty, join(folder, 'empty.qcow2'));
  });

  it('three layers, and qemu commits them', async () => {
    const { folder, child, bytes, base } = await pair('qcow2');
    const middle = join(folder, 'middle.qcow2');
    await writeOverlay(child, base, middle, { extendedL2: true });
    const top = join(folder, 'top.qcow2');
    const more = await writeRaw(join(folder, 'more.raw'), changed(bytes, size, 9));
    await writeOverlay(more, { path: middle, name: 'middle.qcow2', format: 'qcow2' }, top);
    await judge(more, top);
    await qemuImg('commit', '-q', '-f', 'qcow2', top);
    await compareImages(more, 'raw', middle, 'qcow2');
    await rawByQemu('qcow2', middle, join(folder, 'back.raw'));
  });

  it('names with colons, spaces and more', async () => {
    const { folder, child, base } = await pair('raw');
    for (const name of ['nbd:x.raw', 'ä b%2f.raw', 'json:{}.raw']) {
      const path = join(folder, name);
      const image = join(folder, `${name.length}.qcow2`);
      await qemuImg('convert', '-f', 'raw', '-O', 'raw', base.path, `file:${path}`);
      await writeOverlay(child, { path, name, format: 'raw' }, image);
      await checkImage(image, 'qcow2');
      await compareImages(child, 'raw', image, 'qcow2');
    }
  });

  it('1 TiB of zeros over some spots, and the other way round', async () => {
    const folder = await tempFolder();
    const spots = [0, 4 * GiB - 50_000, 512 * GiB - 777, TiB - 70_000];
    const base = await writeLargeRaw(join(folder, 'base.raw'), TiB, spots);
    const child = await writeLargeRaw(join(folder, 'child.raw'), TiB, [0, 700 * GiB + 5]);
    const image = join(folder, 'child.qcow2');
    await writeOverlay(child, { path: base, name: 'base.raw', format: 'raw' }, image);
    await checkImage(image, 'qcow2');
    await compareImages(child, 'raw', image, 'qcow2');
    expect((await stat(image)).size).toBeLessThan(2 * MiB);
  });
});

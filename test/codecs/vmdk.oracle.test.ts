/** QEMU and libvmdk as judges of the VMDK codec, in both directions. */
import { execFile } from 'node:child_process';
import { mkdir, open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { vmdkCodec } from '../../src/codecs/vmdk/index.ts';
import { headerStruct } from '../../src/codecs/vmdk/layout.ts';
import { readBytes } from '../../src/io/byte-source.ts';
import { GiB, KiB, MiB, TiB } from '../../src/model/units.ts';
import {
  type ContentName,
  contentNames,
  encodeToFile,
  openFile,
  rawByQemu,
  rawContent,
  scrambledImage,
  scrambleMore,
  writeLargeRaw,
  writeRaw,
} from '../conformance/images.ts';
import { randomBytes } from '../conformance/random.ts';
import { checkSample, testCodec } from '../conformance/test-codec.ts';
import { checkImage, imageInfo, qemuImg } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { tempFolder } from '../temp.ts';
import { contextOf, forwardSource } from './vmdk-images.ts';

const run = promisify(execFile);
const qemuSubformats = [
  'monolithicSparse',
  'streamOptimized',
  'monolithicFlat',
  'twoGbMaxExtentSparse',
  'twoGbMaxExtentFlat',
];
const ourSubformats = [...qemuSubformats, 'vmfs'];

/** VMDK counts in sectors: the content with zeros up to the next one. */
function wholeSectors(name: ContentName): Buffer {
  const content = rawContent(name);
  const size = Math.ceil(content.length / 512) * 512;
  return Buffer.concat([content, Buffer.alloc(size - content.length)]);
}

describeWith(['qemu-img'], 'made by QEMU, read by us', () => {
  for (const subformat of qemuSubformats) {
    testCodec(
      vmdkCodec,
      contentNames.map((name) => ({
        name: `${subformat}, ${name}`,
        async make() {
          const folder = await tempFolder();
          const raw = await writeRaw(join(folder, 'a.raw'), wholeSectors(name));
          const image = join(folder, 'a.vmdk');
          await qemuImg('convert', '-f', 'raw', '-O', 'vmdk', '-o', `subformat=${subformat}`, raw, image);
          return { image, expected: raw };
        },
      })),
    );
  }

  for (const options of [
    'subformat=monolithicSparse',
    'subformat=monolithicSparse,zeroed_grain=on',
    'subformat=twoGbMaxExtentSparse,zeroed_grain=on',
  ]) {
    testCodec(vmdkCodec, [
      {
        name: `scrambled, ${options}`,
        async make() {
          const folder = await tempFolder();
          const image = await scrambledImage('vmdk', join(folder, 's.vmdk'), {
            size: 20 * MiB + 5 * KiB,
            createArgs: ['-o', options],
          });
          return { image, expected: await rawByQemu('vmdk', image, join(folder, 's.raw')) };
        },
      },
    ]);
  }

  it('a stream, read from a source that only goes forward', async () => {
    const folder = await tempFolder();
    const content = wholeSectors('scrambled');
    const raw = await writeRaw(join(folder, 'a.raw'), content);
    const image = join(folder, 'a.vmdk');
    await qemuImg('convert', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=streamOptimized', raw, image);
    const bytes = await readFile(image);
    const { context } = contextOf(new Map());
    const disk = await vmdkCodec.open(forwardSource(bytes), context);
    expect((await readBytes(disk, 0, disk.size)).equals(content)).toBe(true);
    await disk.close();
    // At the end there are sectors of zeros. What is missing is seen by the tables, also at a grain's border.
    const used = bytes.findLastIndex((byte) => byte !== 0) + 1;
    for (const missing of [1, 4096, 40 * KiB, 200 * KiB]) {
      const cut = await vmdkCodec.open(forwardSource(bytes.subarray(0, used - missing)), context);
      await expect(readBytes(cut, 0, cut.size)).rejects.toMatchObject({ kind: 'corrupt' });
      await cut.close();
    }
  });

  it('an overlay over an overlay over a base', async () => {
    const folder = await tempFolder();
    const size = 8 * MiB;
    const base = await scrambledImage('vmdk', join(folder, 'base.vmdk'), { size });
    let below = base;
    for (const [i, name] of ['middle.vmdk', 'top.vmdk'].entries()) {
      const image = join(folder, name);
      const options = 'zeroed_grain=on';
      await qemuImg('create', '-q', '-f', 'vmdk', '-o', options, '-b', below, '-F', 'vmdk', image);
      await scrambleMore('vmdk', image, { size, seed: 20 + i });
      below = image;
    }
    // What lay below was not changed since, so nothing is to be warned of.
    const expected = await rawByQemu('vmdk', below, join(folder, 'top.raw'));
    await checkSample(vmdkCodec, { image: below, expected });
    const disk = await openFile(vmdkCodec, below);
    expect(disk.info.findings).toEqual([]);
    expect(disk.info.parent?.parent?.files).toEqual([base]);
    await disk.close();
  });

  it('tables past 4 GiB, grains at sector numbers with the top bit set', async () => {
    const folder = await tempFolder();
    const [image, raw] = [join(folder, 'far.vmdk'), join(folder, 'far.raw')];
    const [directory, sectors] = [2 ** 23, (40 * MiB) / 512];
    const grains = [
      [0, 0x80000000],
      [1, 0xc0000080],
      [639, 0xc0000000],
    ] as const;
    const text = `# Disk DescriptorFile\nversion=1\nCID=1234abcd\nparentCID=ffffffff\ncreateType="monolithicSparse"\nRW ${sectors} SPARSE "far.vmdk"\n`;
    const header = headerStruct.encode({
      ...{ magicNumber: 'KDMV', version: 1, flags: 1, capacity: sectors, grainSize: 128, numGTEsPerGT: 512 },
      ...{
        descriptorOffset: 1,
        descriptorSize: 20,
        gdOffset: BigInt(directory),
        overHead: 128,
        nonEndLineChar: 32,
      },
      ...{ singleEndLineChar: 10, doubleEndLineChar1: 13, doubleEndLineChar2: 10 },
    });
    const tables = Buffer.alloc(512 + 2 * 2048);
    tables.writeUInt32LE(directory + 1, 0);
    tables.writeUInt32LE(directory + 5, 4);
    for (const [grain, sector] of grains) tables.writeUInt32LE(sector, 512 + grain * 4);
    const file = await open(image, 'wx');
    await file.write(header, 0, 512, 0);
    await file.write(Buffer.from(text), 0, text.length, 512);
    await file.write(tables, 0, tables.length, directory * 512);
    const content = await open(raw, 'wx');
    await content.truncate(sectors * 512);
    for (const [grain, sector] of grains) {
      const bytes = randomBytes(64 * KiB, grain);
      await file.write(bytes, 0, bytes.length, sector * 512);
      await content.write(bytes, 0, bytes.length, grain * bytes.length);
    }
    await Promise.all([file.close(), content.close()]);
    await sameForQemu(image, raw);
    await checkSample(vmdkCodec, { image, expected: raw });
  });

  it('3 TiB, sparse', async () => {
    const folder = await tempFolder();
    const size = 3 * TiB;
    const raw = await writeLargeRaw(join(folder, 'l.raw'), size, [0, 2 * TiB + 65_000, size - 100_000]);
    const image = join(folder, 'l.vmdk');
    await qemuImg('convert', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=monolithicSparse', raw, image);
    await checkSample(vmdkCodec, { image, expected: raw });
  }, 60_000);
});

describeWith(['qemu-img', 'vmdkinfo'], 'made by us, read by QEMU and libvmdk', () => {
  for (const subformat of ourSubformats) {
    for (const name of contentNames) {
      it(`${subformat}, ${name}`, async () => {
        const folder = await tempFolder();
        const raw = await writeRaw(join(folder, 'a.raw'), wholeSectors(name));
        const odd = await writeRaw(join(folder, 'odd.raw'), rawContent(name));
        const image = join(folder, 'a b-1.vmdk');
        await encodeToFile(vmdkCodec, odd, image, { subformat });
        await sameForQemu(image, raw);
        await checkImage(image, 'vmdk');
        await checkByLibvmdk(image, (await stat(raw)).size);
        await checkSample(vmdkCodec, { image, expected: raw });
        const info = await imageInfo(image, 'vmdk');
        expect(info['format-specific']).toMatchObject({ data: { 'create-type': subformat } });
      });
    }
  }

  for (const subformat of [
    'twoGbMaxExtentSparse',
    'twoGbMaxExtentFlat',
    'monolithicSparse',
    'streamOptimized',
  ]) {
    it(`${subformat}, 5 GiB with data on both sides of each split`, async () => {
      const folder = await tempFolder();
      const size = 5 * GiB + 512;
      const split = 2047 * MiB;
      const raw = await writeLargeRaw(join(folder, 'l.raw'), size, [
        0,
        split - 50_000,
        2 * split - 1000,
        size - 60_000,
      ]);
      const image = join(folder, 'l.vmdk');
      const files = await encodeToFile(vmdkCodec, raw, image, { subformat });
      if (subformat.startsWith('twoGb')) expect(files).toHaveLength(4);
      await sameForQemu(image, raw);
      await checkImage(image, 'vmdk');
      await checkSample(vmdkCodec, { image, expected: raw });
    }, 60_000);
  }

  it('streamOptimized of 3 TiB, sparse', async () => {
    const folder = await tempFolder();
    const size = 3 * TiB;
    const raw = await writeLargeRaw(join(folder, 'l.raw'), size, [0, 2 * TiB + 65_000, size - 100_000]);
    const image = join(folder, 'l.vmdk');
    await encodeToFile(vmdkCodec, raw, image, { subformat: 'streamOptimized' });
    await checkImage(image, 'vmdk');
    // qemu-img compare takes a minute over the empty parts: the places with data, and what is around them.
    for (const offset of [0, TiB, 2 * TiB, size - MiB]) {
      const [a, b] = ['a', 'b'].map((name) => join(folder, `${offset}.${name}`));
      const range = ['bs=1M', 'count=1', `skip=${offset / MiB}`];
      await qemuImg('dd', '-f', 'vmdk', '-O', 'raw', ...range, `if=${image}`, `of=${a}`);
      await qemuImg('dd', '-f', 'raw', '-O', 'raw', ...range, `if=${raw}`, `of=${b}`);
      expect((await readFile(a!)).equals(await readFile(b!))).toBe(true);
    }
    await checkSample(vmdkCodec, { image, expected: raw });
  }, 60_000);

  it('notes adapter, geometry and hardware version in the descriptor', async () => {
    const folder = await tempFolder();
    const raw = await writeRaw(join(folder, 'a.raw'), rawContent('scrambled'));
    const image = join(folder, 'a.vmdk');
    await encodeToFile(vmdkCodec, raw, image, { subformat: 'vmfs', adapter: 'ide', hwVersion: 13 });
    const text = await readFile(image, 'utf8');
    expect(text).toContain('ddb.adapterType = "ide"');
    expect(text).toContain('ddb.virtualHWVersion = "13"');
    expect(text).toContain('ddb.geometry.heads = "16"');
    expect(text).toMatch(/^RW 10241 VMFS "a-flat\.vmdk"$/m);
  });
});

// Not monolithicFlat: libvmdk 20200926 mounts none, QEMU's neither.
describeWith(['vmdkmount', 'umount'], 'made by us, read by libvmdk', () => {
  for (const subformat of ourSubformats.filter((name) => name !== 'monolithicFlat')) {
    it(subformat, async () => {
      const folder = await tempFolder();
      const content = wholeSectors('odd');
      const image = join(folder, 'a.vmdk');
      await encodeToFile(vmdkCodec, await writeRaw(join(folder, 'a.raw'), content), image, { subformat });
      const place = join(folder, 'mounted');
      await mkdir(place);
      await run('vmdkmount', [image, place]);
      try {
        expect((await readFile(join(place, 'vmdk1'))).equals(content)).toBe(true);
      } finally {
        await run('umount', [place]);
      }
    });
  }
});

/** Content and virtual size; allocation may differ, as compressed and padded grains do. */
async function sameForQemu(image: string, raw: string): Promise<void> {
  await qemuImg('compare', '-f', 'vmdk', '-F', 'raw', image, raw);
  expect((await imageInfo(image, 'vmdk'))['virtual-size']).toBe((await stat(raw)).size);
}

async function checkByLibvmdk(image: string, size: number): Promise<void> {
  const { stdout } = await run('vmdkinfo', [image]);
  expect(stdout).toMatch(new RegExp(`Media size:.*\\b${size} bytes|Media size:\\s+${size} `));
}

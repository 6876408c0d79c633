import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { vhdxCodec } from '../../src/codecs/vhdx/index.ts';
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
import { mountByLibvhdi, vhdiInfo } from '../oracles/libvhdi.ts';
import { checkImage, compareImages, imageInfo, qemuImg, qemuIo } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { tempFolder } from '../temp.ts';
import { childCases, writeChain } from './vhdx-chains.ts';
import { logCases } from './vhdx-logs.ts';

const whole = (size: number, sector = 512) => Math.ceil(size / sector) * sector;

/** The content padded to whole sectors, as the VHDX shows it. */
async function wholeRaw(folder: string, content: Buffer, sector = 512): Promise<string> {
  const padding = Buffer.alloc(whole(content.length, sector) - content.length);
  return writeRaw(join(folder, 'raw'), Buffer.concat([content, padding]));
}

describeWith(
  ['qemu-img', 'qemu-io', 'vhdiinfo', 'vhdimount', 'fusermount'],
  'vhdx written by us, read by qemu and libvhdi',
  () => {
    const shapes: Record<string, string | number>[] = [
      { subformat: 'dynamic' },
      { subformat: 'fixed' },
      { subformat: 'dynamic', blockSize: 32 * MiB },
      { subformat: 'dynamic', logicalSectorSize: 4096 },
      { subformat: 'fixed', logicalSectorSize: 4096, blockSize: 2 * MiB },
    ];
    for (const shape of shapes) {
      for (const name of contentNames) {
        it(`${Object.values(shape).join(' ')} ${name}`, async () => {
          const folder = await tempFolder();
          const sector = Number(shape.logicalSectorSize ?? 512);
          const raw = await wholeRaw(folder, rawContent(name), sector);
          const size = whole(rawContent(name).length, sector);
          const path = join(folder, 'a.vhdx');
          await encodeToFile(vhdxCodec, raw, path, shape);
          const type = shape.subformat === 'fixed' ? 'Fixed' : 'Dynamic';
          expect(await vhdiInfo(path)).toEqual({ type, size, sector });
          if (sector === 512) {
            await checkImage(path, 'vhdx');
            expect((await imageInfo(path, 'vhdx'))['virtual-size']).toBe(size);
            await compareImages(raw, 'raw', path, 'vhdx');
          } else {
            // qemu refuses sectors of 4096 bytes.
            const mounted = await mountByLibvhdi(path, folder);
            expect((await readFile(mounted)).equals(await readFile(raw))).toBe(true);
          }
        });
      }
    }

    it('10 TiB, sparse', async () => {
      const folder = await tempFolder();
      const size = 10 * TiB + 512;
      const raw = await writeLargeRaw(join(folder, 'raw'), size, [0, 5 * TiB + 12 * KiB, size - 100_000]);
      const path = join(folder, 'a.vhdx');
      await encodeToFile(vhdxCodec, raw, path);
      await checkImage(path, 'vhdx');
      expect((await imageInfo(path, 'vhdx'))['virtual-size']).toBe(size);
      expect(await vhdiInfo(path)).toEqual({ type: 'Dynamic', size, sector: 512 });
      for (const at of [0, 5 * TiB + 12 * KiB, size - 100_000]) {
        const start = at - (at % 512);
        const bytes = Buffer.alloc(100_352);
        const image = await openFile(vhdxCodec, path);
        await image.read(bytes.subarray(0, Math.min(bytes.length, size - start)), start);
        await image.close();
        const dump = await qemuIo('vhdx', path, `read -v ${start} 512`);
        const hex = [...dump.matchAll(/^[0-9a-f]{8,}: {2}((?:[0-9a-f]{2} )+)/gm)].map((m) => m[1]).join('');
        expect(hex.replaceAll(' ', '')).toBe(bytes.subarray(0, 512).toString('hex'));
      }
      await checkSample(vhdxCodec, { image: path, expected: raw });
    });

    it('qemu writes into it and we read what it wrote', async () => {
      const folder = await tempFolder();
      const content = rawContent('sparse');
      const path = join(folder, 'a.vhdx');
      await encodeToFile(vhdxCodec, await writeRaw(join(folder, 'raw'), content), path);
      for (const [at, length] of [
        [3 * MiB, 10_240],
        [9 * MiB + 512, 1400 * KiB],
        [15 * MiB, 512],
      ] as const) {
        await qemuIo('vhdx', path, `write -q -P 99 ${at} ${length}`);
        content.fill(99, at, at + length);
      }
      await checkImage(path, 'vhdx');
      await checkSample(vhdxCodec, { image: path, expected: content });
    });
  },
);

describeWith(['qemu-img', 'qemu-io'], 'vhdx written by qemu, read by us', () => {
  const made = ['block_size=1M', 'block_size=8M,log_size=4M', 'block_size=2M,block_state_zero=off'];
  testCodec(vhdxCodec, [
    ...made.map((option) => ({
      name: `scrambled, ${option}`,
      async make() {
        const folder = await tempFolder();
        const createArgs = ['-o', `subformat=dynamic,${option}`];
        // No `write -z`: qemu's driver can't.
        const image = await scrambledImage('vhdx', join(folder, 'a.vhdx'), { size: 40 * MiB, createArgs });
        return { image, expected: await rawByQemu('vhdx', image, join(folder, 'raw')) };
      },
    })),
    ...contentNames
      .filter((name) => name !== 'tiny')
      .flatMap((name) =>
        ['dynamic', 'fixed'].map((subformat) => ({
          name: `${name}, ${subformat}`,
          async make() {
            const folder = await tempFolder();
            const raw = await wholeRaw(folder, rawContent(name));
            const image = join(folder, 'a.vhdx');
            await qemuImg(
              'convert',
              '-q',
              '-f',
              'raw',
              '-O',
              'vhdx',
              '-o',
              `subformat=${subformat}`,
              raw,
              image,
            );
            return { image, expected: await rawByQemu('vhdx', image, join(folder, 'back')) };
          },
        })),
      ),
  ]);

  it('3 TiB, sparse, with data at its end', async () => {
    const folder = await tempFolder();
    const image = join(folder, 'a.vhdx');
    const size = 3 * TiB;
    const raw = await writeLargeRaw(join(folder, 'raw'), size, []);
    await qemuImg('create', '-q', '-f', 'vhdx', image, String(size));
    for (const at of [size - 64 * KiB, 2 * TiB + 4 * KiB, 0]) {
      await qemuIo('vhdx', image, `write -q -P 7 ${at} 64K`);
      await qemuIo('raw', raw, `write -q -P 7 ${at} 64K`);
    }
    await checkSample(vhdxCodec, { image, expected: raw });
  });
});

/** What qemu reads after it has replayed the log; the image is written to by that. */
async function replayedByQemu(path: string, folder: string): Promise<string> {
  await qemuImg('check', '-q', '-r', 'all', '-f', 'vhdx', path);
  return rawByQemu('vhdx', path, join(folder, 'replayed'));
}

describeWith(['qemu-img', 'qemu-io'], 'vhdx with a log, replayed by us and by qemu', () => {
  it('left by qemu when it could not write its table', async () => {
    const folder = await tempFolder();
    const image = join(folder, 'a.vhdx');
    await qemuImg('create', '-q', '-f', 'vhdx', '-o', 'block_size=1M', image, '64M');
    await qemuIo('vhdx', image, 'write -q -P 7 0 64k', 'write -q -P 9 20M 2M');
    // The table of qemu's files is at 2 MiB.
    const rules = join(folder, 'rules');
    await writeFile(
      rules,
      '[inject-error]\nevent = "none"\niotype = "write"\nerrno = "5"\nsector = "4096"\n',
    );
    const file = { driver: 'blkdebug', config: rules, image: { driver: 'file', filename: image } };
    const said = qemuIo('vhdx', `json:${JSON.stringify({ driver: 'vhdx', file })}`, 'write -P 5 5M 3000k');
    await said.catch(() => undefined); // that the write fails is what is wanted
    const dirty = join(folder, 'dirty.vhdx');
    await writeFile(dirty, await readFile(image));
    const expected = await replayedByQemu(image, folder);
    await checkSample(vhdxCodec, { image: dirty, expected });
    const opened = await openFile(vhdxCodec, dirty);
    expect(opened.info.details.logEntriesReplayed).toBeGreaterThan(0);
    await opened.close();
  });

  for (const { name, apply } of logCases) {
    it(name, async () => {
      const folder = await tempFolder();
      const raw = await wholeRaw(folder, rawContent('scrambled'));
      const image = join(folder, 'a.vhdx');
      await encodeToFile(vhdxCodec, raw, image);
      const bytes = await readFile(image);
      apply(bytes);
      const dirty = join(folder, 'dirty.vhdx');
      await writeFile(dirty, bytes);
      await rename(dirty, image);
      await checkSample(vhdxCodec, { image, expected: raw });
      await compareImages(raw, 'raw', await replayedByQemu(image, folder), 'raw');
    });
  }
});

describeWith(['vhdimount', 'fusermount'], 'vhdx content as libvhdi reads it', () => {
  for (const subformat of ['dynamic', 'fixed']) {
    it(subformat, async () => {
      const folder = await tempFolder();
      const content = rawContent('scrambled');
      const path = join(folder, 'a.vhdx');
      await encodeToFile(vhdxCodec, await writeRaw(join(folder, 'raw'), content), path, { subformat });
      expect((await readFile(await mountByLibvhdi(path, folder))).equals(content)).toBe(true);
    });
  }

  for (const one of childCases.filter((c) => c.notByLibvhdi === undefined)) {
    it(`differencing: ${one.name}`, async () => {
      const folder = await tempFolder();
      const { child, expected } = await writeChain(folder, one);
      expect((await readFile(await mountByLibvhdi(child, folder))).equals(expected)).toBe(true);
    });
  }
});

import { mkdir, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cowCodec } from '../../src/codecs/cow/index.ts';
import { openImage } from '../../src/convert/open-image.ts';
import { openImageFile } from '../../src/env-plugins/local/image-file.ts';
import { memorySource } from '../../src/io/byte-source.ts';
import { sourceDisk } from '../../src/io/disk.ts';
import { TiB } from '../../src/model/units.ts';
import { encodeToFile, openFile, rawContent, writeLargeRaw, writeRaw } from '../conformance/images.ts';
import { randomBytes, randomNumbers } from '../conformance/random.ts';
import { checkSample, testCodec } from '../conformance/test-codec.ts';
import { tempFolder } from '../temp.ts';
import { type CowParts, cowFile, shownOver } from './cow-images.ts';

const mtime = 1_700_000_000;

/** Random sectors of a disk, single ones and runs. */
function randomSectors(sectors: number, seed: number): Map<number, Buffer> {
  const random = randomNumbers(seed);
  const out = new Map<number, Buffer>();
  for (let at = 0; at < sectors; ) {
    const run = random() < 0.3 ? Math.floor(random() * 40) : 1;
    const set = random() < 0.4;
    for (const end = Math.min(sectors, at + run + 1); at < end; at++)
      if (set) out.set(at, randomBytes(512, seed + at));
  }
  return out;
}

async function pair(folder: string, parts: CowParts, backing: Buffer, name = 'root_fs'): Promise<string> {
  await writeFile(join(folder, name), backing);
  await utimes(join(folder, name), mtime, mtime);
  await writeFile(join(folder, 'a.cow'), cowFile(parts));
  return join(folder, 'a.cow');
}

describe('User Mode Linux COW', () => {
  const size = 256 * 1024 + 4096;
  const sectors = randomSectors(size / 512, 3);
  const backing = randomBytes(size, 5);
  const usual: CowParts = { kind: 'v3', byteOrder: 'be', size, backingFile: 'root_fs', mtime, sectors };

  testCodec(
    cowCodec,
    (['v1', 'v2', 'v3', 'v3Wide'] as const).flatMap((kind) =>
      (['be', 'le'] as const).map((byteOrder) => ({
        name: `${kind}, ${byteOrder}`,
        async make() {
          const image = await pair(await tempFolder(), { ...usual, kind, byteOrder }, backing);
          return { image, expected: shownOver(backing, sectors) };
        },
      })),
    ),
  );

  testCodec(
    cowCodec,
    ['backing', 'cow'].flatMap((content) =>
      (['odd', 'tiny'] as const).map((name) => ({
        name: `written, ${content}, ${name}`,
        async make() {
          const folder = await tempFolder();
          const bytes = rawContent(name);
          const image = join(folder, 'a.cow');
          await encodeToFile(cowCodec, await writeRaw(join(folder, 'raw'), bytes), image, { content });
          return { image, expected: Buffer.concat([bytes, Buffer.alloc(-bytes.length & 511)]) };
        },
      })),
    ),
  );

  it('looks for a backing file of an absolute name beside the COW file', async () => {
    const folder = await tempFolder();
    const image = await pair(folder, { ...usual, backingFile: '/no/such/place/root_fs' }, backing);
    await checkSample(cowCodec, { image, expected: shownOver(backing, sectors) });
    const opened = async () => openImage(await openImageFile(image), { follow: false });
    await checkSample(cowCodec, { image: opened, expected: shownOver(backing, sectors) });
  });

  it('refuses a backing file of another size or time, and one that is not there', async () => {
    const folder = await tempFolder();
    const image = await pair(folder, usual, backing);
    await utimes(join(folder, 'root_fs'), mtime + 1, mtime + 1);
    await expect(openFile(cowCodec, image)).rejects.toMatchObject({
      kind: 'corrupt',
      hint: expect.stringContaining(`touch -d @${mtime}`),
    });
    await truncate(join(folder, 'root_fs'), size - 512);
    await utimes(join(folder, 'root_fs'), mtime, mtime);
    await expect(openFile(cowCodec, image)).rejects.toMatchObject({ kind: 'corrupt' });
    const other = join(folder, 'other');
    await mkdir(other);
    await writeFile(join(other, 'a.cow'), cowFile(usual));
    await expect(openFile(cowCodec, join(other, 'a.cow'))).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('opens no file outside of its folder unasked', async () => {
    const folder = await tempFolder();
    await mkdir(join(folder, 'in'));
    const image = await pair(join(folder, 'in'), { ...usual, backingFile: '../secret' }, backing);
    await writeFile(join(folder, 'secret'), backing);
    await utimes(join(folder, 'secret'), mtime, mtime);
    await expect(openImage(await openImageFile(image), { follow: false })).rejects.toMatchObject({
      kind: 'unsupported',
    });
    const followed = await openImage(await openImageFile(image), { follow: true });
    expect(followed.info.parent?.files).toEqual([join(folder, 'secret')]);
    await followed.close();
  });

  it('tells when the time of the backing file is not known', async () => {
    const image = await cowCodec.open(memorySource(cowFile(usual)), {
      sibling: async () => memorySource(backing),
      parent: () => Promise.reject(new Error('not asked')),
    });
    expect(image.info.findings.map((f) => f.rule)).toEqual(['cow.backing-time-unknown']);
  });

  it('writes the COW file empty over the content, or full over nothing', async () => {
    const folder = await tempFolder();
    const content = rawContent('full');
    for (const [where, cowBlocks, backingBlocks] of [
      ['backing', 8, content.length / 512],
      ['cow', content.length / 512, 0],
    ] as const) {
      const image = join(folder, `${where}.cow`);
      const paths = await encodeToFile(cowCodec, sourceDisk(memorySource(content)), image, {
        content: where,
      });
      expect(paths).toEqual([image, join(folder, `${where}.root_fs`)]);
      const found = await Promise.all(paths.map((path) => stat(path)));
      expect(found[0]!.blocks).toBeGreaterThanOrEqual(cowBlocks);
      expect(found[0]!.blocks).toBeLessThan(cowBlocks + 64);
      expect(Math.abs(found[1]!.blocks - backingBlocks)).toBeLessThan(64);
    }
  });

  it('3 TiB, sparse', async () => {
    const folder = await tempFolder();
    const large = 3 * TiB + 512;
    const raw = await writeLargeRaw(join(folder, 'raw'), large, [0, 2 * TiB + 12_288, large - 100_000]);
    const image = join(folder, 'a.cow');
    await encodeToFile(cowCodec, raw, image, { content: 'cow' });
    const opened = await openFile(cowCodec, image);
    expect(opened.size).toBe(large);
    const [got, want] = [Buffer.alloc(100_000), Buffer.alloc(100_000)];
    const expected = await openFile((await import('../../src/codecs/raw/index.ts')).rawCodec, raw);
    for (const at of [0, 2 * TiB + 12_288, large - 100_000]) {
      await opened.read(got, at);
      await expected.read(want, at);
      expect(got.equals(want)).toBe(true);
      const extents = await opened.extents(at, Math.min(large, at + 2 ** 32));
      expect(extents.filter((e) => e.kind === 'data').length).toBeLessThanOrEqual(1);
      expect(extents[0]!.kind).toBe('data');
    }
    await Promise.all([opened.close(), expected.close()]);
  });
});

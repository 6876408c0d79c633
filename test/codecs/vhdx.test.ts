import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { vhdxCodec } from '../../src/codecs/vhdx/index.ts';
import {
  decodeEntry,
  encodeEntry,
  formatGuid,
  headerOffsets,
  parseGuid,
} from '../../src/codecs/vhdx/layout.ts';
import { memorySource } from '../../src/io/byte-source.ts';
import { type Disk, sourceDisk, walkExtents } from '../../src/io/disk.ts';
import { wholeExtent } from '../../src/io/extents.ts';
import { KiB, MiB, TiB } from '../../src/model/units.ts';
import { contentNames, encodeToFile, openFile, rawContent } from '../conformance/images.ts';
import { checkSample, testCodec } from '../conformance/test-codec.ts';
import { tempFolder } from '../temp.ts';
import { changeHeader, tableOffset } from './vhdx-images.ts';

const disk = (content: Buffer) => sourceDisk(memorySource(content));
/** The content as a VHDX shows it: whole sectors. */
const whole = (content: Buffer, sector = 512) =>
  Buffer.concat([content, Buffer.alloc((sector - (content.length % sector)) % sector)]);

async function encoded(content: Buffer, options = {}): Promise<{ path: string; bytes: Buffer }> {
  const path = join(await tempFolder(), 'a.vhdx');
  await encodeToFile(vhdxCodec, disk(content), path, options);
  return { path, bytes: await readFile(path) };
}

describe('vhdx', () => {
  for (const subformat of ['dynamic', 'fixed']) {
    testCodec(
      vhdxCodec,
      contentNames.map((name) => ({
        name: `${subformat} ${name}`,
        async make() {
          const content = rawContent(name);
          const { path } = await encoded(content, { subformat });
          return { image: path, expected: whole(content) };
        },
      })),
    );
  }

  it.each([4, 32, 256])('blocks of %i MiB', async (mib) => {
    const content = rawContent('sparse');
    const path = join(await tempFolder(), 'a.vhdx');
    await encodeToFile(vhdxCodec, disk(content), path, { blockSize: mib * MiB });
    await checkSample(vhdxCodec, { image: path, expected: content });
  });

  it('sectors of 4096 bytes', async () => {
    const content = rawContent('odd');
    for (const subformat of ['dynamic', 'fixed']) {
      const { path } = await encoded(content, { subformat, logicalSectorSize: 4096 });
      await checkSample(vhdxCodec, { image: path, expected: whole(content, 4096) });
      const image = await openFile(vhdxCodec, path);
      expect(image.sectorSize).toBe(4096);
      expect(image.info.details).toMatchObject({ logicalSectorSize: 4096, physicalSectorSize: 4096 });
      expect(image.info.findings.map((f) => f.rule)).toEqual(['vhdx.large-sectors']);
      await image.close();
    }
  });

  it('is made of whole mebibytes, at the places that the spec gives', async () => {
    for (const options of [{}, { subformat: 'fixed' }, { blockSize: 2 * MiB }]) {
      for (const name of ['tiny', 'empty', 'odd'] as const) {
        const { bytes } = await encoded(rawContent(name), options);
        expect(bytes.length % MiB).toBe(0);
        const at = (offset: number, length: number) => bytes.toString('latin1', offset, offset + length);
        expect([at(0, 8), at(65536, 4), at(131072, 4), at(196608, 4), at(262144, 4)]).toEqual([
          'vhdxfile',
          'head',
          'head',
          'regi',
          'regi',
        ]);
      }
    }
  });

  it('stores no block of zeros', async () => {
    const { bytes } = await encoded(rawContent('empty'));
    expect(bytes.length).toBe(4 * MiB);
  });

  it('holes of the file within a block are not read', async () => {
    const content = rawContent('sparse');
    const { path } = await encoded(content, { blockSize: 32 * MiB });
    const image = await openFile(vhdxCodec, path);
    let data = 0;
    for await (const e of walkExtents(image, 0, image.size)) data += e.kind === 'data' ? e.length : 0;
    expect(data).toBeLessThan(MiB);
    await image.close();
  });

  it('entries of more than 32 bits', () => {
    const bytes = Buffer.alloc(8);
    for (const offset of [MiB, 4095 * MiB, 4096 * MiB, 2 ** 32 * MiB]) {
      encodeEntry(bytes, 0, { state: 6, offset });
      expect(decodeEntry(bytes, 0)).toEqual({ state: 6, offset });
    }
    const guid = '2dc27766-f623-4200-9d64-115e9bfd4a08';
    expect(Buffer.from(parseGuid(guid)).toString('hex')).toBe('6677c22d23f600429d64115e9bfd4a08');
    expect(formatGuid(parseGuid(guid))).toBe(guid);
  });

  it('takes the header that is whole, and says so', async () => {
    for (const offset of headerOffsets) {
      const { path, bytes } = await encoded(rawContent('scrambled'));
      bytes[offset + 100] = 1;
      await writeFile(path, bytes);
      const image = await openFile(vhdxCodec, path);
      expect(image.info.findings).toMatchObject([{ rule: 'vhdx.header-damaged', severity: 'warning' }]);
      await image.close();
    }
  });

  it('takes the newer header', async () => {
    const { path, bytes } = await encoded(rawContent('tiny'));
    let i = 0;
    // Only the second, newer one does not ask for a replay.
    changeHeader(bytes, (h) => (i++ === 0 ? h.fill(9, 48, 64) : h));
    await writeFile(path, bytes);
    const image = await openFile(vhdxCodec, path);
    expect(image.info.findings).toEqual([]);
    await image.close();
  });

  it('takes the region table that is whole, and says so', async () => {
    for (const offset of [192 * KiB, 256 * KiB]) {
      const { path, bytes } = await encoded(rawContent('scrambled'));
      bytes[offset + 1000] = 1;
      await writeFile(path, bytes);
      const image = await openFile(vhdxCodec, path);
      expect(image.info.findings.map((f) => f.rule)).toEqual(['vhdx.region-table-damaged']);
      await image.close();
    }
  });

  it('blocks that are undefined, zero or unmapped are zeros', async () => {
    const content = rawContent('full');
    const { path, bytes } = await encoded(content);
    [1, 2, 3].forEach((state, block) => {
      bytes.writeUInt32LE(
        ((bytes.readUInt32LE(tableOffset + block * 8) & ~7) | state) >>> 0,
        tableOffset + block * 8,
      );
      content.fill(0, block * MiB, (block + 1) * MiB);
    });
    await writeFile(path, bytes);
    await checkSample(vhdxCodec, { image: path, expected: content });
  });

  it('needs no more of the last block than the disk has', async () => {
    const content = rawContent('odd');
    const { path, bytes } = await encoded(content);
    await truncate(path, bytes.length - MiB + (whole(content).length % MiB));
    await checkSample(vhdxCodec, { image: path, expected: whole(content) });
  });

  it('holds 64 TiB and refuses more', async () => {
    const sized = (size: number): Disk => ({
      size,
      sectorSize: 512,
      read: async (target, offset) => void target.fill(offset === 0 ? 1 : 2),
      // Its first and its last mebibyte.
      extents: async (from, to) =>
        [
          ...wholeExtent('data', from, Math.min(to, MiB)),
          ...wholeExtent('zero', Math.max(from, MiB), Math.min(to, size - MiB)),
          ...wholeExtent('data', Math.max(from, size - MiB), to),
        ].filter((e) => e.length > 0),
      close: async () => undefined,
    });
    const path = join(await tempFolder(), 'a.vhdx');
    await encodeToFile(vhdxCodec, sized(64 * TiB), path, { blockSize: 32 * MiB });
    const image = await openFile(vhdxCodec, path);
    expect(image.size).toBe(64 * TiB);
    const byte = Buffer.alloc(1);
    await image.read(byte, 64 * TiB - 1);
    expect(byte[0]).toBe(2);
    await image.close();
    await expect(encodeToFile(vhdxCodec, sized(64 * TiB + 1), `${path}2`)).rejects.toMatchObject({
      kind: 'unsupported',
    });
  });
});

import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { qcow2Codec } from '../../src/codecs/qcow2/index.ts';
import {
  compressedOffsetLimit,
  l1Entry,
  l2Entry,
  putCompressedEntry,
  putStandardEntry,
} from '../../src/codecs/qcow2/layout.ts';
import { memorySource } from '../../src/io/byte-source.ts';
import { resolveOptions } from '../../src/model/options.ts';
import { encodeToFile, rawContent, writeRaw } from '../conformance/images.ts';
import { testCodec } from '../conformance/test-codec.ts';
import { tempFolder } from '../temp.ts';

describe('qcow2: what we wrote, read again', () => {
  const settings = [
    { clusterSize: 65536, compression: 'none' },
    { clusterSize: 4096, compression: 'zlib' },
    { clusterSize: 65536, compression: 'zstd' },
  ];
  testCodec(
    qcow2Codec,
    settings.flatMap((options) =>
      (['scrambled', 'odd', 'empty', 'tiny'] as const).map((name) => ({
        name: `${name}, ${JSON.stringify(options)}`,
        async make() {
          const folder = await tempFolder();
          const content = rawContent(name);
          const raw = await writeRaw(join(folder, 'disk.raw'), content);
          const [image] = await encodeToFile(qcow2Codec, raw, join(folder, 'disk.qcow2'), options);
          const padding = Buffer.alloc(-content.length & 511);
          return { image: image!, expected: Buffer.concat([content, padding]) };
        },
      })),
    ),
  );
});

describe('qcow2: entries', () => {
  it.each([9, 12, 16, 21])('compressed descriptors with clusters of 2^%i', (bits) => {
    const table = Buffer.alloc(8);
    const most = Math.min(compressedOffsetLimit(bits), 2 ** 52) - 2 ** bits;
    for (const host of [0, 1, 511, 512, 65535, 2 ** 32 - 1, 2 ** 40 + 77, most - 1]) {
      for (const bytes of [1, 511, 512, 2 ** bits - 1]) {
        putCompressedEntry(table, 0, host, bytes, bits);
        const entry = l2Entry(table, 0, bits, 'test');
        expect(entry).toMatchObject({ kind: 'compressed', host });
        // Rounded up to the end of the last sector.
        const end = Math.ceil((host + bytes) / 512) * 512;
        expect(entry).toMatchObject({ bytes: end - host });
      }
    }
  });

  it('standard descriptors up to 2^52', () => {
    const table = Buffer.alloc(8);
    for (const host of [512, 2 ** 31, 2 ** 32 - 512, 2 ** 32, 2 ** 40 + 2 ** 31, 2 ** 52]) {
      putStandardEntry(table, 0, host);
      expect(l2Entry(table, 0, 9, 'test')).toEqual({ kind: 'standard', host, zero: false, copied: true });
      expect(l1Entry(table, 0, 'test')).toBe(host);
    }
  });
});

describe('qcow2: options', () => {
  const { encoder } = qcow2Codec;
  const options = (given = {}) => resolveOptions(encoder!.options, given);

  it('rounds a size up to a sector', () => {
    expect(encoder!.representableBytes(12_345, options())).toBe(12_800);
    expect(encoder!.representableBytes(2 ** 40, options())).toBe(2 ** 40);
  });

  it('refuses a disk that the cluster size can not hold', async () => {
    const small = options({ clusterSize: 512 });
    const size = 2 ** 37;
    expect(encoder!.maximumBytes(small)).toBeLessThan(size);
    expect(encoder!.maximumBytes(options())).toBeGreaterThan(2 ** 50);
    const disk = { ...memorySource(Buffer.alloc(0)), size, sectorSize: 512, extents: async () => [] };
    await expect(encoder!.encode(disk, 'x.qcow2', small)).rejects.toMatchObject({ kind: 'unsupported' });
  });

  it('knows its images', async () => {
    expect(await qcow2Codec.probe(memorySource(Buffer.from('QFI\xfb\0\0\0\x03', 'latin1')))).toBe('yes');
    expect(await qcow2Codec.probe(memorySource(Buffer.from('QFI\xfb\0\0\0\x01', 'latin1')))).toBe('no');
    expect(await qcow2Codec.probe(memorySource(Buffer.from('QFI')))).toBe('no');
  });
});

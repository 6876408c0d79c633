/** Random disks through every pair of formats: the bytes that come out are those that went in, the size too. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Codec, OpenImage } from '../../src/codecs/codec.ts';
import { codecs } from '../../src/codecs/registry.ts';
import { memorySource } from '../../src/io/byte-source.ts';
import { type Disk, sourceDisk } from '../../src/io/disk.ts';
import { pour } from '../../src/io/encoded-file.ts';
import { AppError } from '../../src/model/errors.ts';
import { resolveOptions } from '../../src/model/options.ts';
import { randomBytes } from '../conformance/random.ts';

const writable = codecs.filter((codec) => codec.encoder !== undefined);

/** All files that the encoder makes of the disk, by name, and when each claims to have been changed. */
async function encoded(codec: Codec, disk: Disk) {
  const encoder = codec.encoder!;
  const files = new Map<string, { bytes: Buffer; modifiedAt?: number }>();
  const name = `disk.${codec.extensions[0]}`;
  for (const file of await encoder.encode(disk, name, resolveOptions(encoder.options, {}))) {
    let bytes = Buffer.alloc(0);
    await pour(file, {
      name: file.name,
      access: 'random',
      async write(chunk, offset) {
        const end = Math.max(bytes.length, offset + chunk.length);
        if (end > bytes.length) bytes = Buffer.concat([bytes, Buffer.alloc(end - bytes.length)]);
        bytes.set(chunk, offset);
      },
      async finish(size) {
        bytes = Buffer.concat([bytes, Buffer.alloc(Math.max(0, size - bytes.length))]).subarray(0, size);
      },
      abort: async () => undefined,
    });
    files.set(file.name, {
      bytes,
      ...(file.modifiedAt === undefined ? {} : { modifiedAt: file.modifiedAt }),
    });
  }
  return { first: name, files };
}

async function reopened(codec: Codec, disk: Disk): Promise<OpenImage> {
  const { first, files } = await encoded(codec, disk);
  const sourceOf = (name: string) => {
    const file = files.get(name);
    if (file === undefined) throw new AppError('not-found', `no ${name}`);
    const modified = file.modifiedAt === undefined ? {} : { modifiedAt: file.modifiedAt };
    return { ...memorySource(file.bytes, name), ...modified };
  };
  const open = (of: Codec, name: string): Promise<OpenImage> =>
    of.open(sourceOf(name), {
      sibling: async (sibling) => sourceOf(sibling),
      parent: (parent, format) => open(codecs.find((c) => c.id === (format ?? 'raw'))!, parent),
    });
  return open(codec, first);
}

/** Runs of data and of zeros, in units that cross grains and clusters; the end is odd. */
const disks = fc
  .record({
    runs: fc.array(
      fc.record({ zeros: fc.boolean(), length: fc.integer({ min: 1, max: 150_000 }), seed: fc.nat(1000) }),
      { minLength: 1, maxLength: 8 },
    ),
    odd: fc.constantFrom(0, 512, 4096),
  })
  .map(({ runs, odd }) => {
    const bytes = Buffer.concat(
      runs.map(({ zeros, length, seed }) => (zeros ? Buffer.alloc(length) : randomBytes(length, seed))),
    );
    return Buffer.concat([bytes, Buffer.alloc(512 - (bytes.length % 512) + odd)]);
  });

async function contentOf(disk: Disk): Promise<Buffer> {
  const bytes = Buffer.alloc(disk.size);
  await disk.read(bytes, 0);
  return bytes;
}

describe.each(writable.map((codec) => [codec.id, codec] as const))('from %s', (_, first) => {
  it.each(writable.map((codec) => [codec.id, codec] as const))('to %s', async (_id, second) => {
    await fc.assert(
      fc.asyncProperty(disks, async (content) => {
        const one = await reopened(first, sourceDisk(memorySource(content)));
        const two = await reopened(second, one);
        const found = await contentOf(two);
        const padded = [first, second].reduce(
          (size, { encoder }) => encoder!.representableBytes(size, resolveOptions(encoder!.options, {})),
          content.length,
        );
        expect(two.size).toBe(padded);
        expect(found.subarray(0, content.length).equals(content)).toBe(true);
        expect(found.subarray(content.length).every((byte) => byte === 0)).toBe(true);
        await two.close();
        await one.close();
      }),
      { numRuns: 6, seed: 20_261_123 },
    );
  });
});

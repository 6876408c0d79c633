import { beforeAll, describe, expect, it } from 'vitest';
import type { OpenContext } from '../../src/codecs/codec.ts';
import { qcow2Codec } from '../../src/codecs/qcow2/index.ts';
import { type ByteSource, memorySource } from '../../src/io/byte-source.ts';
import { sourceDisk } from '../../src/io/disk.ts';
import { pour } from '../../src/io/encoded-file.ts';
import { AppError } from '../../src/model/errors.ts';
import { type Options, resolveOptions } from '../../src/model/options.ts';
import { rawContent } from '../conformance/images.ts';
import { randomNumbers } from '../conformance/random.ts';

/** No read of a damaged image may ask for more than this at once. */
const largestRead = 8 * 2 ** 20;

const context: OpenContext = {
  async sibling(name) {
    throw new AppError('not-found', `no ${name}`);
  },
  async parent(name) {
    throw new AppError('not-found', `no ${name}`);
  },
};

async function encoded(options: Options): Promise<Buffer> {
  const disk = sourceDisk(memorySource(rawContent('scrambled').subarray(0, 2 ** 18)));
  const [file] = await qcow2Codec.encoder!.encode(
    disk,
    'x',
    resolveOptions(qcow2Codec.encoder!.options, options),
  );
  let out = Buffer.alloc(2 ** 20);
  await pour(file!, {
    name: 'memory',
    access: 'random',
    write: async (bytes, offset) => void out.set(bytes, offset),
    finish: async (size) => {
      out = out.subarray(0, size);
    },
    abort: async () => undefined,
  });
  return out;
}

/** Opens and reads a damaged image. Anything but success and an AppError is thrown. */
async function survive(bytes: Buffer): Promise<'read' | 'refused'> {
  const source: ByteSource = { ...memorySource(bytes), name: 'damaged' };
  const read = source.read;
  source.read = (target, offset, signal) => {
    if (target.length > largestRead) throw new Error(`a read of ${target.length} bytes`);
    return read(target, offset, signal);
  };
  try {
    const disk = await qcow2Codec.open(source, context);
    const end = Math.min(disk.size, 2 ** 20);
    await disk.extents(0, Math.min(disk.size, 2 ** 32));
    await disk.extents(Math.max(0, disk.size - 2 ** 32), disk.size);
    await disk.read(Buffer.alloc(end), 0);
    await disk.read(Buffer.alloc(Math.min(disk.size, 4096)), Math.max(0, disk.size - 4096));
    await disk.close();
    return 'read';
  } catch (error) {
    if (error instanceof AppError && error.kind !== 'bug') return 'refused';
    throw error;
  }
}

describe('qcow2: damaged images', () => {
  const images: Buffer[] = [];
  beforeAll(async () => {
    images.push(await encoded({}));
    images.push(await encoded({ compression: 'zlib', clusterSize: 4096 }));
    images.push(await encoded({ compression: 'zstd', clusterSize: 65536 }));
    images.push(await encoded({ extendedL2: true, clusterSize: 16384 }));
  });

  it('cut short anywhere', async () => {
    const outcomes = new Set<string>();
    for (const image of images) {
      const random = randomNumbers(5);
      const ends = [0, 1, 7, 8, 71, 72, 103, 104, 111, 112, 500, 512, 4096, 65536, 65537];
      for (let i = 0; i < 40; i++) ends.push(Math.floor(random() * image.length));
      for (const end of ends) outcomes.add(await survive(image.subarray(0, end)));
    }
    expect(outcomes).toContain('refused');
  });

  it('a header byte changed', async () => {
    for (const image of images) {
      for (let at = 0; at < 112; at++) {
        for (const value of [0xff, image[at]! ^ 1]) {
          const damaged = Buffer.from(image);
          damaged[at] = value;
          await survive(damaged);
        }
      }
    }
  });

  it('bytes of the header extensions changed', async () => {
    for (const image of images) {
      const random = randomNumbers(6);
      for (let i = 0; i < 60; i++) {
        const damaged = Buffer.from(image);
        for (let n = 0; n < 4; n++) damaged[104 + Math.floor(random() * 420)] = Math.floor(random() * 256);
        await survive(damaged);
      }
    }
  });

  it('bytes of the tables and of compressed data changed', async () => {
    let refused = 0;
    for (const image of images) {
      const random = randomNumbers(8);
      const clusterBytes = 2 ** image.readUInt32BE(20);
      const l1 = Number(image.readBigUInt64BE(40));
      const l2 = Number(image.readBigUInt64BE(l1) & 0x00ffffffffffffffn);
      const places = [
        () => l1 + Math.floor(random() * 8),
        () => l2 + Math.floor(random() * Math.min(clusterBytes, 256)),
        () => Math.floor(random() * image.length),
      ];
      for (let i = 0; i < 120; i++) {
        const damaged = Buffer.from(image);
        damaged[places[i % 3]!()] = Math.floor(random() * 256);
        if ((await survive(damaged)) === 'refused') refused++;
      }
    }
    expect(refused).toBeGreaterThan(20);
  });

  it.each([
    ['a virtual size past the L1 table', (image: Buffer) => image.writeBigUInt64BE(2n ** 50n, 24)],
    ['a virtual size past every number', (image: Buffer) => image.writeBigUInt64BE(2n ** 63n, 24)],
    ['an L1 table of 4 billion entries', (image: Buffer) => image.writeUInt32BE(0xffffffff, 36)],
    ['an L1 table past the end', (image: Buffer) => image.writeBigUInt64BE(2n ** 40n, 40)],
    ['an L1 table off its cluster', (image: Buffer) => image.writeBigUInt64BE(65537n, 40)],
    ['a header longer than the cluster', (image: Buffer) => image.writeUInt32BE(2 ** 20, 100)],
    ['clusters of 4 GiB', (image: Buffer) => image.writeUInt32BE(32, 20)],
    ['a million snapshots', (image: Buffer) => image.writeUInt32BE(1_000_000, 60)],
    [
      'a snapshot table past the end',
      (image: Buffer) => {
        image.writeUInt32BE(3, 60);
        image.writeBigUInt64BE(2n ** 40n, 64);
      },
    ],
    [
      'a backing name past the cluster',
      (image: Buffer) => {
        image.writeBigUInt64BE(65530n, 8);
        image.writeUInt32BE(1000, 16);
      },
    ],
  ])('%s is refused', async (_name, damage) => {
    const image = Buffer.from(images[0]!);
    damage(image);
    expect(await survive(image)).toBe('refused');
  });
});

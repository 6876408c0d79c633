import { describe, expect, it } from 'vitest';
import type { Backing, OpenImage } from '../../src/codecs/codec.ts';
import { changedBlocks } from '../../src/codecs/qcow2/changed-blocks.ts';
import { qcow2Codec } from '../../src/codecs/qcow2/index.ts';
import { markSubclusters, minimumExtendedClusterBytes } from '../../src/codecs/qcow2/layout.ts';
import { memorySource } from '../../src/io/byte-source.ts';
import { type Disk, sourceDisk } from '../../src/io/disk.ts';
import { pour } from '../../src/io/encoded-file.ts';
import { ExtentList } from '../../src/io/extents.ts';
import { type Options, resolveOptions } from '../../src/model/options.ts';
import { KiB, MiB } from '../../src/model/units.ts';
import { randomBytes, randomNumbers } from '../conformance/random.ts';
import { checkSample } from '../conformance/test-codec.ts';

interface Watched extends Disk {
  readonly reads: { readonly start: number; readonly end: number }[];
}

/** A disk in memory that says `zero` for every `unit` of zeros but some, and notes what is read of it. */
function disk(bytes: Buffer, unit: number, honest = 1): Watched {
  const random = randomNumbers(bytes.length + unit);
  const kinds = Array.from({ length: Math.ceil(bytes.length / unit) }, (_, i) => {
    const isZero = bytes.subarray(i * unit, (i + 1) * unit).every((b) => b === 0);
    return isZero && random() < honest ? ('zero' as const) : ('data' as const);
  });
  const reads: { start: number; end: number }[] = [];
  return {
    ...sourceDisk(memorySource(bytes)),
    reads,
    async read(target, offset) {
      reads.push({ start: offset, end: offset + target.length });
      bytes.copy(target, 0, offset, offset + target.length);
    },
    async extents(from, to) {
      const out = new ExtentList(from);
      for (let at = from; at < to; ) {
        const end = Math.min(to, (Math.floor(at / unit) + 1) * unit);
        out.push(kinds[Math.floor(at / unit)]!, end - at);
        at = end;
      }
      return out.list;
    },
  };
}

/** Runs of random bytes and of zeros; with `like`, of that one's bytes as well. */
function content(size: number, seed: number, like?: Buffer): Buffer {
  const random = randomNumbers(seed);
  const out = Buffer.alloc(size);
  for (let at = 0; at < size; ) {
    const length = Math.min(size - at, Math.ceil(2 ** (8 + random() * 10)));
    const kind = random();
    if (like !== undefined && kind < 0.6) out.set(like.subarray(at, at + length), at);
    else if (kind < 0.85) randomBytes(length, seed + at).copy(out, at);
    at += length;
  }
  return out;
}

async function image(content: Disk, options: Options, backing?: Backing): Promise<Buffer> {
  const encoder = qcow2Codec.encoder!;
  const context = backing === undefined ? {} : { backing };
  const [file] = await encoder.encode(content, 'x.qcow2', resolveOptions(encoder.options, options), context);
  let out = Buffer.alloc(0);
  await pour(file!, {
    name: 'memory',
    access: 'random',
    async write(bytes, offset) {
      const end = offset + bytes.length;
      if (end > out.length)
        out = Buffer.concat([out, Buffer.alloc(Math.max(end, 2 * out.length) - out.length)]);
      out.set(bytes, offset);
    },
    async finish(size) {
      out = out.subarray(0, size);
    },
    async abort() {
      // nothing is held
    },
  });
  return out;
}

function open(bytes: Buffer, parent?: Disk): Promise<OpenImage> {
  const refuse = () => Promise.reject(new Error('no file is named'));
  return qcow2Codec.open(memorySource(bytes), {
    sibling: refuse,
    parent: async () => {
      if (parent === undefined) return refuse();
      const info = {
        format: 'raw',
        details: {},
        virtualSizeBytes: parent.size,
        files: ['base'],
        findings: [],
      };
      return { ...parent, info };
    },
  });
}

const settings: Options[] = [
  { clusterSize: 4 * KiB },
  {},
  { clusterSize: 2 * MiB },
  { compression: 'zlib', clusterSize: 16 * KiB },
  { extendedL2: true },
  { extendedL2: true, clusterSize: 16 * KiB },
  { extendedL2: true, clusterSize: 16 * KiB, compression: 'zstd' },
];

const padded = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 511)]);

describe('qcow2: random disks over random disks', () => {
  const sizes: [size: number, below: number][] = [
    [MiB + 512, MiB + 512],
    [700 * KiB + 77, 900 * KiB],
    [900 * KiB, 300 * KiB + 5],
  ];
  it.each(settings)('%o', async (options) => {
    for (const [i, [size, below]] of sizes.entries()) {
      const base = content(below, i + 1);
      const bytes = content(size, i + 100, base);
      const lower = () => disk(base, 2048, 0.7);
      const made = await image(disk(bytes, 4096, 0.7), options, {
        disk: lower(),
        name: 'base',
        format: 'raw',
      });
      await checkSample(qcow2Codec, { image: () => open(made, lower()), expected: padded(bytes) });
    }
  });

  it.each(settings)('what is the same is not stored: %o', async (options) => {
    const base = content(MiB, 3);
    const backing = { disk: disk(base, 4096), name: 'base', format: 'raw' };
    const made = await open(await image(disk(base, 4096), options, backing), disk(Buffer.alloc(MiB), 4096));
    expect(await made.extents(0, MiB)).toEqual([{ kind: 'zero', offset: 0, length: MiB }]);
  });
});

describe('qcow2: extended L2 entries', () => {
  it.each(settings.filter((o) => o.extendedL2))('random disks, %o', async (options) => {
    for (const size of [MiB, 3 * MiB + 12_345, 77]) {
      const bytes = content(size, size);
      const made = await image(disk(bytes, 4096, 0.5), options);
      await checkSample(qcow2Codec, { image: () => open(made), expected: padded(bytes) });
    }
  });

  it('stores only the parts that hold something', async () => {
    const bytes = Buffer.alloc(MiB);
    for (const at of [0, 100 * KiB, 511 * KiB]) bytes[at] = 1;
    const made = await open(await image(disk(bytes, MiB), { extendedL2: true }));
    const data = (await made.extents(0, MiB)).filter((e) => e.kind === 'data');
    expect(data).toEqual(
      [0, 100 * KiB, 510 * KiB].map((offset) => ({ kind: 'data', offset, length: 2 * KiB })),
    );
  });

  it('needs clusters that are large enough', async () => {
    const encoder = qcow2Codec.encoder!;
    const options = resolveOptions(encoder.options, {
      extendedL2: 'yes',
      clusterSize: minimumExtendedClusterBytes / 2,
    });
    await expect(encoder.encode(disk(Buffer.alloc(512), 512), 'x', options)).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('extendedL2'),
    });
    const whole = resolveOptions(encoder.options, { extendedL2: true, clusterSize: 65536 });
    expect(encoder.maximumBytes(whole)).toBeLessThan(encoder.maximumBytes({ ...whole, extendedL2: false }));
  });

  it('marks parts up to the last bit', () => {
    const entry = Buffer.alloc(32);
    markSubclusters(entry, 16, 'data', 0, 32);
    markSubclusters(entry, 0, 'zero', 31, 32);
    markSubclusters(entry, 0, 'data', 0, 1);
    markSubclusters(entry, 0, 'data', 1, 31);
    expect(entry.toString('hex')).toBe('0000000000000000800000007fffffff000000000000000000000000ffffffff');
  });
});

describe('qcow2: what differs', () => {
  const MiBs = (n: number) => Buffer.concat([randomBytes(MiB, n)]);

  it('reads the disk once, and the one below only where both may hold data', async () => {
    const zeros = Buffer.alloc(MiB);
    const [a, b] = [MiBs(1), MiBs(2)];
    const mine = disk(Buffer.concat([a, zeros, b, a, zeros]), MiB);
    const below = disk(Buffer.concat([a, b, zeros, b, zeros]), MiB);
    const found: [number, number, string][] = [];
    for await (const { runs, release } of changedBlocks(mine, below, {
      grainBytes: 65536,
      blockBytes: MiB,
    })) {
      for (const run of runs) {
        const holds = 'bytes' in run;
        found.push([
          run.offset / MiB,
          (holds ? run.bytes.length : run.zeroBytes) / MiB,
          holds ? 'data' : 'zero',
        ]);
      }
      release();
    }
    expect(found).toEqual([
      [1, 1, 'zero'],
      [2, 1, 'data'],
      [3, 1, 'data'],
    ]);
    expect(mine.reads.map((r) => r.start / MiB)).toEqual([0, 2, 3]);
    expect(below.reads.map((r) => r.start / MiB)).toEqual([0, 3]);
  });

  it('lets no read go on after an error', async () => {
    const mine = disk(MiBs(1), MiB);
    const below = { ...disk(MiBs(1), MiB), read: () => Promise.reject(new Error('broken')) };
    const blocks = changedBlocks(mine, below, { grainBytes: 65536, blockBytes: MiB });
    await expect(blocks.next()).rejects.toThrow('broken');
  });

  it('needs room for the name below', async () => {
    const backing = { disk: disk(Buffer.alloc(512), 512), name: 'n'.repeat(1000), format: 'raw' };
    const mine = disk(Buffer.alloc(512), 512);
    expect((await image(mine, { clusterSize: 4096 }, backing)).indexOf('n'.repeat(1000))).toBeLessThan(3096);
    await expect(image(mine, { clusterSize: 512 }, backing)).rejects.toMatchObject({ kind: 'usage' });
    const longer = { ...backing, name: 'n'.repeat(1024) };
    await expect(image(mine, {}, longer)).rejects.toMatchObject({ kind: 'usage', message: /1024 bytes/ });
  });
});

/** Conversions cut at any write and gone on with: the file is whole, and what was acknowledged is not read or sent again. */
import { describe, expect, it } from 'vitest';
import type { Codec } from '../../src/codecs/codec.ts';
import { codecById } from '../../src/codecs/registry.ts';
import { Acknowledged } from '../../src/io/acknowledged.ts';
import { type ByteSink, memorySource } from '../../src/io/byte-source.ts';
import { counted, type Disk, sourceDisk } from '../../src/io/disk.ts';
import { pour } from '../../src/io/encoded-file.ts';
import { remembered } from '../../src/io/remembered.ts';
import { runsOfNumbers, runsToNumbers, StoredRuns } from '../../src/io/stored-runs.ts';
import { AppError } from '../../src/model/errors.ts';
import { type Options, resolveOptions } from '../../src/model/options.ts';
import { MiB } from '../../src/model/units.ts';
import { randomBytes, randomNumbers } from '../conformance/random.ts';

const cases: readonly (readonly [string, Options])[] = [
  ['raw', {}],
  ['raw', { preallocation: 'full' }],
  ['raw', { splitSize: 5 * MiB + 512 }],
  ['qcow2', {}],
  ['qcow2', { clusterSize: 2 * MiB }],
  ['qcow2', { extendedL2: true }],
  ['vmdk', {}],
  ['vmdk', { subformat: 'monolithicFlat' }],
  ['vmdk', { subformat: 'twoGbMaxExtentSparse' }],
  ['vhd', {}],
  ['vhd', { subformat: 'fixed' }],
  ['vhdx', {}],
  ['vhdx', { subformat: 'fixed' }],
  ['vdi', {}],
  ['vdi', { subformat: 'static' }],
  ['parallels', {}],
];

/** Runs of data and of zeros from a sector to megabytes; the end is odd. */
function content(seed: number): Buffer {
  const random = randomNumbers(seed);
  const out = Buffer.alloc(22 * MiB + 512 * 77);
  for (let at = 0; at < out.length; ) {
    const length = Math.ceil(2 ** (9 + random() * 13));
    if (random() < 0.6) randomBytes(Math.min(length, 64 * 1024), seed + at).copy(out, at);
    if (random() < 0.3) randomBytes(MiB, seed).copy(out, at, 0, Math.min(length, MiB));
    at += length;
  }
  return out;
}

/** Files in memory that are cut after so many writes. */
class Place {
  readonly files = new Map<string, Buffer>();
  readonly rooms = new Map<string, Buffer>();
  writes = 0;
  bytes = 0;
  limit = Number.POSITIVE_INFINITY;

  sink(name: string): ByteSink {
    // As large as any of these files gets; what is behind the end are zeros.
    const room = this.rooms.get(name) ?? Buffer.alloc(40 * MiB);
    this.rooms.set(name, room);
    return {
      name,
      access: 'random',
      write: async (bytes, offset) => {
        const order = this.writes++;
        // They end in another order than they begin in.
        if (order % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
        if (order >= this.limit) throw new AppError('io', 'cut');
        this.bytes += bytes.length;
        room.set(bytes, offset);
      },
      finish: async (size) => {
        this.files.set(name, room.subarray(0, size));
      },
      abort: async () => undefined,
    };
  }
}

async function convert(
  codec: Codec,
  options: Options,
  disk: Disk,
  place: Place,
  known: StoredRuns,
  below: number,
) {
  const acknowledged = new Acknowledged(disk.size, below);
  let failed: unknown;
  const runs: number[] = [];
  let to = below;
  const note = () => {
    const more = acknowledged.take();
    if (more === undefined) return;
    // As a journal has them.
    runs.push(more.runs.length);
    const numbers = JSON.parse(JSON.stringify(runsToNumbers(more.runs, more.from)));
    for (const run of runsOfNumbers(numbers, more.from, more.to + 512)!) known.add(run.offset, run.length);
    to = more.to;
  };
  try {
    const again = remembered(disk, known, below);
    for (const file of await codec.encoder!.encode(again, `disk.${codec.extensions[0]}`, options)) {
      await pour(file, place.sink(file.name), undefined, { writtenBelow: below, acknowledged });
      note();
    }
    acknowledged.finished();
  } catch (error) {
    failed = error;
  }
  note();
  return { failed, to };
}

async function contentOf(codec: Codec, place: Place): Promise<Buffer> {
  const source = (name: string) => memorySource(place.files.get(name)!, name);
  const files = [...place.files.keys()];
  if (codec.id === 'raw') return Buffer.concat(files.sort().map((name) => place.files.get(name)!));
  const first = `disk.${codec.extensions[0]}`;
  const image = await codec.open(source(first), {
    sibling: async (name) => {
      if (place.files.has(name)) return source(name);
      throw new AppError('not-found', `no ${name}`);
    },
    parent: () => Promise.reject(new AppError('bug', 'no parent')),
  });
  const bytes = Buffer.alloc(image.size);
  await image.read(bytes, 0);
  await image.close();
  return bytes;
}

describe.each(cases)('%s %o', (id, given) => {
  it('is whole after it was cut and gone on with', async () => {
    const codec = codecById(id);
    const options = resolveOptions(codec.encoder!.options, given);
    expect(codec.encoder!.steady!(options)).toBe(true);
    const bytes = content(7);
    const disk = sourceDisk(memorySource(bytes));
    const whole = new Place();
    await convert(codec, options, disk, whole, new StoredRuns(), 0);
    for (const share of [0.3, 0.95]) {
      const place = new Place();
      const known = new StoredRuns();
      let below = 0;
      // Cut twice.
      for (const part of [share / 2, share]) {
        place.limit = place.writes + Math.floor(whole.writes * part) + 1;
        const { to } = await convert(codec, options, disk, place, known, below);
        expect(to).toBeGreaterThanOrEqual(below);
        below = to;
      }
      let read = 0;
      const seen = counted(disk, (count) => {
        read += count;
      });
      place.limit = Number.POSITIVE_INFINITY;
      place.bytes = 0;
      const { failed, to } = await convert(codec, options, seen, place, known, below);
      expect(failed).toBeUndefined();
      expect(to).toBe(disk.size);
      expect(read).toBeLessThanOrEqual(disk.size - below);
      const sameLength = (await contentOf(codec, place)).subarray(0, bytes.length);
      expect(sameLength.equals(bytes)).toBe(true);
      expect((await contentOf(codec, whole)).length).toBe((await contentOf(codec, place)).length);
      if (share > 0.9) expect(below).toBeGreaterThan(disk.size / 2);
    }
  });
});

it('what is compressed is not steady', () => {
  for (const [id, given] of [
    ['qcow2', { compression: 'zlib' }],
    ['vmdk', { subformat: 'streamOptimized' }],
  ] as const) {
    const { encoder } = codecById(id);
    expect(encoder!.steady!(resolveOptions(encoder!.options, given))).toBe(false);
  }
});

it('numbers of a journal that are no runs are refused', () => {
  for (const bad of [[1], 'x', [0, 0], [-1, 2], [0, 1e300], [0, 100], [Number.NaN, 1]])
    expect(runsOfNumbers(bad, 0, 4096)).toBeUndefined();
  expect(runsOfNumbers([1, 2], 512, 4096)).toEqual([{ offset: 1024, length: 1024 }]);
});

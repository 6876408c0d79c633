/** What every codec has to keep when it reads. A sample is an image and the raw bytes that it must show. */
import { expect, it } from 'vitest';
import type { Codec, OpenImage } from '../../src/codecs/codec.ts';
import { type ByteSource, memorySource, readBytes } from '../../src/io/byte-source.ts';
import { type Disk, walkExtents } from '../../src/io/disk.ts';
import type { Extent } from '../../src/io/extents.ts';
import { fileSource } from '../../src/io/file-source.ts';
import { MiB } from '../../src/model/units.ts';
import { checkFile, openFile } from './images.ts';
import { randomNumbers } from './random.ts';

export interface Sample {
  /** The image: a path, or how to open it afresh. */
  readonly image: string | (() => Promise<OpenImage>);
  /** The disk's bytes, or the path of a raw file with them. */
  readonly expected: Uint8Array | string;
  /** Codecs of the images below it, apart from its own and raw. */
  readonly others?: readonly Codec[];
  /** The file is damaged on purpose, in a way that reading gets over. */
  readonly damaged?: true;
}

export interface NamedSample {
  readonly name: string;
  /** Called inside the running test, so that it may use `tempFolder()`. */
  make(): Promise<Sample>;
}

/** One test per sample. */
export function testCodec(codec: Codec, samples: readonly NamedSample[]): void {
  for (const sample of samples) {
    it(sample.name, async () => checkSample(codec, await sample.make()));
  }
}

/** All checks on one sample, for a test that has more to ask. */
export async function checkSample(codec: Codec, sample: Sample): Promise<void> {
  const { image, others = [] } = sample;
  const open = typeof image === 'string' ? () => openFile(codec, image, others) : image;
  if (typeof image === 'string') await checkProbe(codec, image);
  if (typeof image === 'string' && codec.check !== undefined && sample.damaged === undefined) {
    expect((await checkFile(codec, image)).errors).toEqual([]);
  }
  const expected =
    typeof sample.expected === 'string' ? await fileSource(sample.expected) : memorySource(sample.expected);
  const disk = await open();
  try {
    expect(disk.size).toBe(expected.size);
    expect(disk.info).toMatchObject({ format: codec.id, virtualSizeBytes: disk.size });
    expect(disk.info.files.length).toBeGreaterThan(0);
    await checkExtents(disk);
    await checkContent(disk, expected);
    await checkOddReads(disk, expected);
    await checkPastEnd(disk);
    await checkAbort(disk);
  } finally {
    await disk.close();
    await disk.close();
    await expected.close();
  }
}

async function checkProbe(codec: Codec, path: string): Promise<void> {
  const source = await fileSource(path);
  try {
    expect(await codec.probe(source)).toBe(codec.id === 'raw' ? 'maybe' : 'yes');
  } finally {
    await source.close();
  }
}

/** Throws when extents are not ascending, contiguous, merged, of [from, to) exactly, and without holes. */
export function expectExtentLaw(extents: readonly Extent[], from: number, to: number): void {
  let at = from;
  let before: Extent | undefined;
  for (const e of extents) {
    if (e.offset !== at) throw new Error(`extent at ${e.offset}, expected at ${at}`);
    if (!(e.length > 0)) throw new Error(`extent at ${e.offset} of ${e.length} bytes`);
    if (e.kind === before?.kind) throw new Error(`two neighbours of kind ${e.kind} at ${e.offset}`);
    if (e.kind === 'hole') throw new Error(`hole at ${e.offset} of an opened image`);
    at += e.length;
    before = e;
  }
  if (at !== to) throw new Error(`extents of [${from}, ${to}) end at ${at}`);
}

async function checkExtents(disk: Disk): Promise<void> {
  const random = randomNumbers(7);
  expect(await disk.extents(0, 0)).toEqual([]);
  expect(await disk.extents(disk.size, disk.size)).toEqual([]);
  for (let i = 0; i < 20; i++) {
    const window = Math.min(disk.size, 2 ** 32);
    const from = Math.floor(random() * disk.size);
    const to = Math.min(disk.size, from + Math.floor(random() * window));
    expectExtentLaw(await disk.extents(from, to), from, to);
  }
  if (disk.size <= 2 ** 32) expectExtentLaw(await disk.extents(0, disk.size), 0, disk.size);
}

/** Every byte said to be data is the expected one; every byte said to be zero is zero in both. */
async function checkContent(disk: Disk, expected: ByteSource): Promise<void> {
  for await (const e of walkExtents(disk, 0, disk.size)) {
    const end = e.offset + e.length;
    if (e.kind === 'data') {
      for (let at = e.offset; at < end; at += MiB)
        await compareRange(disk, expected, at, Math.min(MiB, end - at));
      continue;
    }
    for await (const x of expectedData(expected, e.offset, end)) {
      for (let at = x.offset; at < x.offset + x.length; at += MiB) {
        const bytes = await readBytes(expected, at, Math.min(MiB, x.offset + x.length - at));
        const wrong = bytes.findIndex((b) => b !== 0);
        if (wrong >= 0) throw new Error(`said to be zero at ${at + wrong}, expected ${bytes[wrong]}`);
      }
    }
    for (const at of [e.offset, Math.max(e.offset, end - 4096)]) {
      await compareRange(disk, expected, at, Math.min(4096, end - at));
    }
  }
}

async function* expectedData(expected: ByteSource, from: number, to: number) {
  if (expected.extents === undefined) {
    yield { offset: from, length: to - from };
    return;
  }
  for (const e of await expected.extents(from, to)) if (e.kind === 'data') yield e;
}

/** Odd offsets × odd lengths, several at once, and around each border between two extents. */
async function checkOddReads(disk: Disk, expected: ByteSource): Promise<void> {
  const random = randomNumbers(11);
  const ranges: [number, number][] = [];
  for (const length of [1, 3, 511, 513, 4097, 65537, 262147]) {
    for (let i = 0; i < 6; i++) ranges.push([Math.floor(random() * disk.size) | 1, length]);
    ranges.push([0, length], [disk.size - length, length]);
  }
  let borders = 0;
  for await (const e of walkExtents(disk, 0, disk.size)) {
    if (borders++ > 40) break;
    ranges.push([e.offset - 3, 7], [e.offset + e.length - 1031, 2063]);
  }
  const inside = ranges
    .map(([at, length]) => [Math.max(0, Math.min(at, disk.size - 1)), length] as const)
    .map(([at, length]) => [at, Math.min(length, disk.size - at)] as const)
    .filter(([, length]) => length > 0);
  for (let i = 0; i < inside.length; i += 8) {
    await Promise.all(inside.slice(i, i + 8).map(([at, length]) => compareRange(disk, expected, at, length)));
  }
}

async function compareRange(disk: Disk, expected: ByteSource, offset: number, length: number): Promise<void> {
  // A pattern around and in the target shows what was not filled and what was written outside of it.
  const around = Buffer.alloc(length + 16, 0xa5);
  await disk.read(around.subarray(8, 8 + length), offset);
  const want = await readBytes(expected, offset, length);
  const got = around.subarray(8, 8 + length);
  if (!got.equals(want)) {
    const wrong = got.findIndex((b, i) => b !== want[i]);
    throw new Error(
      `read of ${length} bytes at ${offset}: byte ${offset + wrong} is ${got[wrong]}, expected ${want[wrong]}`,
    );
  }
  const outside = Buffer.concat([around.subarray(0, 8), around.subarray(8 + length)]);
  if (!outside.equals(Buffer.alloc(16, 0xa5)))
    throw new Error(`read at ${offset} wrote outside of its target`);
}

async function checkPastEnd(disk: Disk): Promise<void> {
  const two = Buffer.alloc(2);
  for (const offset of [disk.size - 1, disk.size, disk.size + 2 ** 33]) {
    await expect(disk.read(two, offset)).rejects.toMatchObject({ name: 'AppError', kind: 'corrupt' });
  }
}

async function checkAbort(disk: Disk): Promise<void> {
  if (disk.size === 0) return;
  const target = Buffer.alloc(Math.min(disk.size, 100_000));
  await expect(disk.read(target, 0, AbortSignal.abort())).rejects.toMatchObject({ kind: 'cancelled' });
  const controller = new AbortController();
  const reading = disk.read(target, 0, controller.signal).then(
    () => 'done',
    (error) => error.kind,
  );
  controller.abort();
  expect(['done', 'cancelled']).toContain(await reading);
}

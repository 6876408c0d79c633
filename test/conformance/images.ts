/** Raw content to convert, and how tests open and write images. */
import { open, readdir } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join } from 'node:path';
import type { Codec, OpenContext, OpenImage } from '../../src/codecs/codec.ts';
import { rawCodec } from '../../src/codecs/raw/index.ts';
import { type Disk, sourceDisk } from '../../src/io/disk.ts';
import { pour } from '../../src/io/encoded-file.ts';
import { fileSink } from '../../src/io/file-sink.ts';
import { fileSource } from '../../src/io/file-source.ts';
import type { CheckReport } from '../../src/model/check-report.ts';
import { type Options, resolveOptions } from '../../src/model/options.ts';
import { KiB, MiB } from '../../src/model/units.ts';
import { qemuImg, qemuIo } from '../oracles/qemu-img.ts';
import { randomBytes, randomNumbers, shuffled, textBytes } from './random.ts';

/** Names of raw content; see `rawContent`. */
export const contentNames = ['scrambled', 'sparse', 'odd', 'empty', 'full', 'tiny'] as const;
export type ContentName = (typeof contentNames)[number];

/**
 * The bytes of a small disk.
 * - scrambled: runs of random bytes, of text and of zeros, of all lengths, at odd places
 * - sparse: a few spots in 16 MiB, the first and the last sector among them
 * - odd: as scrambled, of a size that is no multiple of 512
 * - empty: zeros; full: random bytes without a zero run; tiny: less than a sector
 */
export function rawContent(name: ContentName, seed = 1): Buffer {
  switch (name) {
    case 'scrambled':
      return runsOf(5 * MiB + 512, seed);
    case 'odd':
      return runsOf(3 * MiB + 12_345, seed + 1);
    case 'sparse': {
      const out = Buffer.alloc(16 * MiB);
      for (const at of [0, 3 * MiB - 100, 7 * MiB + 4096, out.length - 512])
        randomBytes(512, seed + at).copy(out, at);
      return out;
    }
    case 'empty':
      return Buffer.alloc(2 * MiB);
    case 'full':
      return randomBytes(4 * MiB, seed);
    case 'tiny':
      return randomBytes(77, seed);
  }
}

function runsOf(size: number, seed: number): Buffer {
  const random = randomNumbers(seed);
  const out = Buffer.alloc(size);
  for (let at = 0; at < size; ) {
    const length = Math.min(size - at, Math.ceil(2 ** (6 + random() * 12)));
    const kind = random();
    if (kind < 0.35) randomBytes(length, seed + at).copy(out, at);
    else if (kind < 0.65) textBytes(length, seed + at).copy(out, at);
    at += length;
  }
  return out;
}

/** Writes the content as a raw file with holes where 4 KiB are zeros. */
export async function writeRaw(path: string, content: Buffer): Promise<string> {
  const file = await open(path, 'wx');
  const zeros = Buffer.alloc(4 * KiB);
  await file.truncate(content.length);
  for (let at = 0; at < content.length; at += zeros.length) {
    const piece = content.subarray(at, at + zeros.length);
    if (!piece.equals(zeros.subarray(0, piece.length))) await file.write(piece, 0, piece.length, at);
  }
  await file.close();
  return path;
}

/** A raw file of `size` bytes (terabytes are fine) with 100,000 bytes of data at each of the offsets. */
export async function writeLargeRaw(path: string, size: number, offsets: readonly number[]): Promise<string> {
  const file = await open(path, 'wx');
  await file.truncate(size);
  for (const at of offsets) {
    const piece = randomBytes(Math.min(100_000, size - at), at % 1000);
    await file.write(piece, 0, piece.length, at);
  }
  await file.close();
  return path;
}

export interface ScrambleOptions {
  /** Virtual size, bytes; a multiple of 512. */
  readonly size: number;
  /** Arguments of `qemu-img create`, such as `['-o', 'compat=0.10']`. */
  readonly createArgs?: readonly string[];
  /** Unit of the writes, bytes. Default 64 KiB. */
  readonly grain?: number;
  readonly seed?: number;
  /** Also `write -z`. Default yes. */
  readonly zeros?: boolean;
  /** Also `write -c` (whole clusters: the grain must be a cluster). Default no. */
  readonly compressed?: boolean;
  /** Also `discard`. Default no. */
  readonly discard?: boolean;
}

/** An image made by qemu whose blocks are written in a random order; about a third is never written. */
export async function scrambledImage(
  format: string,
  path: string,
  options: ScrambleOptions,
): Promise<string> {
  const { size, grain = 64 * KiB, seed = 3 } = options;
  await qemuImg('create', '-q', '-f', format, ...(options.createArgs ?? []), path, String(size));
  await scrambleMore(format, path, { ...options, size, grain, seed });
  return path;
}

/** More writes in a random order into an image that exists, such as an overlay. */
export async function scrambleMore(format: string, path: string, options: ScrambleOptions): Promise<void> {
  const { size, grain = 64 * KiB, seed = 3, zeros = true, compressed = false, discard = false } = options;
  const random = randomNumbers(seed);
  const places = Array.from({ length: Math.floor(size / grain) }, (_, i) => i * grain);
  const commands = shuffled(places, seed).flatMap((at) => {
    const kind = random();
    const pattern = 1 + Math.floor(random() * 255);
    if (kind < 0.35) return [];
    if (kind < 0.45 && zeros) return [`write -q -z ${at} ${grain}`];
    if (kind < 0.55 && discard) return [`write -q -P ${pattern} ${at} ${grain}`, `discard -q ${at} ${grain}`];
    if (kind < 0.75 && compressed) return [`write -q -c -P ${pattern} ${at} ${grain}`];
    // A part of a grain: the rest of the cluster comes from below or is zeros.
    const start = kind < 0.85 ? 512 * Math.floor((random() * grain) / 512) : 0;
    return [`write -q -P ${pattern} ${at + start} ${grain - start}`];
  });
  for (let i = 0; i < commands.length; i += 500) await qemuIo(format, path, ...commands.slice(i, i + 500));
}

/** What qemu reads from the image, as a raw file. */
export async function rawByQemu(format: string, path: string, rawPath: string): Promise<string> {
  await qemuImg('convert', '-f', format, '-O', 'raw', path, rawPath);
  return rawPath;
}

/**
 * Opens `path` with `codec`. Names inside it are looked up beside it; an image below is opened with the codec
 * that it names, else with the one that knows it (`others`, or raw).
 */
export async function openFile(
  codec: Codec,
  path: string,
  others: readonly Codec[] = [],
): Promise<OpenImage> {
  const source = await fileSource(path);
  const place = (name: string) => (isAbsolute(name) ? name : join(dirname(path), name));
  const codecs = [...new Set([codec, ...others, rawCodec])];
  const context: OpenContext = {
    sibling: (name) => fileSource(place(name)),
    neighbours: () => readdir(dirname(path)),
    async parent(name, format) {
      const below = codecs.find((c) => c.id === format) ?? (await probeFile(codecs, place(name)));
      return openFile(below, place(name), codecs);
    },
  };
  try {
    return await codec.open(source, context);
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** What the codec's check says of this file's own structure. */
export async function checkFile(codec: Codec, path: string): Promise<CheckReport> {
  const source = await fileSource(path);
  const context: OpenContext = {
    sibling: (name) => fileSource(isAbsolute(name) ? name : join(dirname(path), name)),
    neighbours: () => readdir(dirname(path)),
    parent: () => Promise.reject(new Error('a check looks at one layer')),
  };
  try {
    if (codec.check === undefined) throw new Error(`${codec.id} has no check`);
    return await codec.check(source, context);
  } finally {
    await source.close();
  }
}

async function probeFile(codecs: readonly Codec[], path: string): Promise<Codec> {
  const source = await fileSource(path);
  try {
    for (const codec of codecs) if ((await codec.probe(source)) === 'yes') return codec;
    return rawCodec;
  } finally {
    await source.close();
  }
}

/**
 * Encodes a raw file (or a disk) into `outPath` and its companions beside it.
 * @returns the paths written, `outPath` first.
 */
export async function encodeToFile(
  codec: Codec,
  content: string | Disk,
  outPath: string,
  options: Options = {},
): Promise<string[]> {
  const encoder = codec.encoder;
  if (encoder === undefined) throw new Error(`${codec.id} can't be written`);
  const disk = typeof content === 'string' ? sourceDisk(await fileSource(content)) : content;
  try {
    const files = await encoder.encode(disk, basename(outPath), resolveOptions(encoder.options, options));
    const paths: string[] = [];
    for (const file of files) {
      const path = join(dirname(outPath), file.name);
      await pour(file, await fileSink(path));
      paths.push(path);
    }
    return paths;
  } finally {
    if (typeof content === 'string') await disk.close();
  }
}

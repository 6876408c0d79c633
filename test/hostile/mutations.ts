/** What every reader has to survive: cuts and changed bytes give an AppError or success, and no large read. */
import type { Codec, OpenContext } from '../../src/codecs/codec.ts';
import { type ByteSource, memorySource } from '../../src/io/byte-source.ts';
import { sourceDisk, walkExtents } from '../../src/io/disk.ts';
import { pour } from '../../src/io/encoded-file.ts';
import { AppError } from '../../src/model/errors.ts';
import { type Options, resolveOptions } from '../../src/model/options.ts';
import { MiB } from '../../src/model/units.ts';
import { randomNumbers } from '../conformance/random.ts';

const largestRead = 8 * MiB;

export const nothingBeside: OpenContext = {
  async sibling(name) {
    throw new AppError('not-found', `no ${name}`);
  },
  async parent(name) {
    throw new AppError('not-found', `no ${name}`);
  },
};

/** The first file that the codec's encoder makes of the bytes. */
export async function encodedBytes(codec: Codec, content: Uint8Array, given: Options = {}): Promise<Buffer> {
  const encoder = codec.encoder!;
  const disk = sourceDisk(memorySource(content));
  const [file] = await encoder.encode(disk, 'a', resolveOptions(encoder.options, given));
  let out = Buffer.alloc(0);
  await pour(file!, {
    name: 'memory',
    access: 'random',
    async write(bytes, offset) {
      if (offset + bytes.length > out.length)
        out = Buffer.concat([out, Buffer.alloc(offset + bytes.length - out.length)]);
      out.set(bytes, offset);
    },
    async finish(size) {
      out =
        size <= out.length ? out.subarray(0, size) : Buffer.concat([out, Buffer.alloc(size - out.length)]);
    },
    abort: async () => undefined,
  });
  return out;
}

/** Opens and reads a damaged image. Anything but success and an AppError is thrown. */
export async function survive(
  codec: Codec,
  bytes: Uint8Array,
  context: OpenContext = nothingBeside,
): Promise<'read' | 'refused'> {
  const inner = memorySource(bytes, 'damaged');
  const source: ByteSource = {
    ...inner,
    read(target, offset, signal) {
      if (target.length > largestRead) throw new Error(`a read of ${target.length} bytes`);
      return inner.read(target, offset, signal);
    },
  };
  await codec.probe(source);
  await codec.check?.(source, context).catch((error) => {
    if (!(error instanceof AppError) || error.kind === 'bug') throw error;
  });
  try {
    const disk = await codec.open(source, context);
    const target = Buffer.alloc(MiB);
    let spans = 0;
    for await (const e of walkExtents(disk, 0, Math.min(disk.size, 2 ** 32))) {
      if (++spans > 100) break;
      await disk.read(target.subarray(0, Math.min(e.length, target.length)), e.offset);
    }
    await disk.extents(Math.max(0, disk.size - 2 ** 30), disk.size);
    await disk.read(target.subarray(0, Math.min(disk.size, 4096)), Math.max(0, disk.size - 4096));
    await disk.close();
    return 'read';
  } catch (error) {
    if (error instanceof AppError && error.kind !== 'bug') return 'refused';
    throw error;
  }
}

/** Cut short at `count` places, among them the first 600 bytes'. @returns how many were refused. */
export async function surviveCuts(
  codec: Codec,
  good: Buffer,
  context?: OpenContext,
  count = 80,
): Promise<number> {
  const random = randomNumbers(5);
  const ends = [0, 1, 7, 8, 15, 16, 31, 32, 63, 64, 71, 72, 73, 511, 512, 513];
  for (let i = 0; i < count; i++) ends.push(Math.floor(random() * good.length));
  let refused = 0;
  for (const end of ends) {
    if ((await survive(codec, good.subarray(0, Math.min(end, good.length)), context)) === 'refused')
      refused++;
  }
  return refused;
}

/** Each byte of [from, to) changed in several ways, then several at once. @returns how many were refused. */
export async function surviveChanges(
  codec: Codec,
  good: Buffer,
  from: number,
  to: number,
  context?: OpenContext,
): Promise<number> {
  let refused = 0;
  const bad = Buffer.from(good);
  for (let at = from; at < to; at++) {
    for (const value of [0, 0xff, good[at]! ^ 1, good[at]! ^ 0x80]) {
      if (value === good[at]) continue;
      bad[at] = value;
      if ((await survive(codec, bad, context)) === 'refused') refused++;
    }
    bad[at] = good[at]!;
  }
  const random = randomNumbers(6);
  for (let i = 0; i < 100; i++) {
    const several = Buffer.from(good);
    for (let n = 0; n < 4; n++)
      several[from + Math.floor(random() * (to - from))] = Math.floor(random() * 256);
    if ((await survive(codec, several, context)) === 'refused') refused++;
  }
  return refused;
}

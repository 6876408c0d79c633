import { describe, expect, it } from 'vitest';
import type { OpenContext } from '../../src/codecs/codec.ts';
import { vhdCodec } from '../../src/codecs/vhd/index.ts';
import { checksum, footerChecksumAt, headerChecksumAt } from '../../src/codecs/vhd/layout.ts';
import { memorySource } from '../../src/io/byte-source.ts';
import { sourceDisk, walkExtents } from '../../src/io/disk.ts';
import { AppError } from '../../src/model/errors.ts';
import { resolveOptions } from '../../src/model/options.ts';
import { KiB, MiB } from '../../src/model/units.ts';
import { randomBytes, randomNumbers } from '../conformance/random.ts';

const context: OpenContext = {
  sibling: async () => {
    throw new AppError('not-found', 'nothing');
  },
  parent: async () => {
    throw new AppError('not-found', 'nothing');
  },
};

async function encoded(given: Record<string, string | number>): Promise<Buffer> {
  const content = Buffer.alloc(3 * MiB);
  randomBytes(100 * KiB, 1).copy(content, 64 * KiB);
  randomBytes(100 * KiB, 2).copy(content, 2 * MiB + 512 * KiB);
  const { encoder } = vhdCodec;
  const options = resolveOptions(encoder!.options, given);
  const [file] = await encoder!.encode(sourceDisk(memorySource(content)), 'a.vhd', options);
  let out = Buffer.alloc(0);
  for await (const { offset, bytes } of file!.chunks()) {
    if (offset + bytes.length > out.length)
      out = Buffer.concat([out, Buffer.alloc(offset + bytes.length - out.length)]);
    out.set(bytes, offset);
  }
  return out;
}

function seal(bytes: Buffer, at: number, length: number, checksumAt: number): void {
  if (at < 0 || at + length > bytes.length) return;
  bytes.writeUInt32BE(checksum(bytes.subarray(at, at + length), checksumAt), at + checksumAt);
}

/** Opens it and reads it all where it is small; anything but an AppError or success is a failure. */
async function survives(bytes: Buffer): Promise<void> {
  const source = memorySource(bytes, 'a.vhd');
  await vhdCodec.probe(source);
  try {
    const image = await vhdCodec.open(source, context);
    let spans = 0;
    const target = Buffer.alloc(64 * KiB);
    for await (const e of walkExtents(image, 0, Math.min(image.size, 64 * MiB))) {
      if (++spans > 100) break;
      const part = target.subarray(0, Math.min(e.length, target.length));
      await image.read(part, e.offset);
    }
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
    expect((error as AppError).kind).not.toBe('bug');
  }
}

describe('hostile vhd', () => {
  for (const subformat of ['dynamic', 'fixed']) {
    it(`${subformat}: every mutation with its checksums put right`, async () => {
      const good = await encoded({ subformat, blockSize: 512 * KiB });
      const random = randomNumbers(21);
      const values = [0, 1, 0x7f, 0x80, 0xff];
      for (let i = 0; i < (subformat === 'fixed' ? 120 : 400); i++) {
        const bad = Buffer.from(good);
        const tail = bad.length - 512;
        for (let j = 0; j <= i % 3; j++) {
          const places = [
            tail + Math.floor(random() * 90),
            512 + Math.floor(random() * 64),
            1536 + Math.floor(random() * 24),
          ];
          bad[places[Math.floor(random() * 3)]!] = values[Math.floor(random() * values.length)]!;
        }
        seal(bad, tail, 512, footerChecksumAt);
        if (subformat === 'dynamic') seal(bad, 512, 1024, headerChecksumAt);
        await survives(bad);
      }
    });

    it(`${subformat}: every cut`, async () => {
      const good = await encoded({ subformat, blockSize: 512 * KiB });
      const random = randomNumbers(22);
      for (let i = 0; i < 60; i++) await survives(good.subarray(0, Math.floor(random() * good.length)));
      for (const length of [0, 1, 511, 512, 513, 1023, 1536, 2048]) await survives(good.subarray(0, length));
    });
  }

  /** Header field (u32 or u64 at an offset of the header), or table entry, that must be refused. */
  const refused: [string, (bytes: Buffer) => void, string][] = [
    ['a block size that is no power of two', (b) => b.writeUInt32BE(513 * KiB, 512 + 32), 'unsupported'],
    ['a block size of zero', (b) => b.writeUInt32BE(0, 512 + 32), 'unsupported'],
    ['a table that is too small', (b) => b.writeUInt32BE(1, 512 + 28), 'corrupt'],
    ['a table past the end', (b) => b.writeBigUInt64BE(1n << 40n, 512 + 16), 'corrupt'],
    ['a table offset past 2^53', (b) => b.writeBigUInt64BE(1n << 60n, 512 + 16), 'corrupt'],
    ['a block past the end', (b) => b.writeUInt32BE(0xffff_fffe, 1536), 'corrupt'],
    ['a block on the footer copy', (b) => b.writeUInt32BE(0, 1536), 'corrupt'],
    ['a block on the header', (b) => b.writeUInt32BE(1, 1536), 'corrupt'],
    ['two blocks at one place', (b) => b.writeUInt32BE(b.readUInt32BE(1536), 1536 + 4), 'corrupt'],
    ['two blocks that overlap', (b) => b.writeUInt32BE(b.readUInt32BE(1536) + 3, 1536 + 4), 'corrupt'],
    ['another header version', (b) => b.writeUInt32BE(0x20000, 512 + 24), 'unsupported'],
    ['no header', (b) => b.fill(0, 512, 520), 'corrupt'],
  ];
  it.each(refused)('refuses %s', async (_name, change, kind) => {
    const bytes = await encoded({ blockSize: 512 * KiB });
    change(bytes);
    seal(bytes, 512, 1024, headerChecksumAt);
    await expect(vhdCodec.open(memorySource(bytes), context)).rejects.toMatchObject({
      name: 'AppError',
      kind,
    });
  });

  const footers: [string, (b: Buffer, at: number) => void, string][] = [
    ['an unknown feature', (b, at) => b.writeUInt32BE(6, at + 8), 'unsupported'],
    ['an unknown version', (b, at) => b.writeUInt32BE(0x20000, at + 12), 'unsupported'],
    ['an unknown type', (b, at) => b.writeUInt32BE(5, at + 60), 'unsupported'],
    ['a header outside the file', (b, at) => b.writeBigUInt64BE(1n << 50n, at + 16), 'corrupt'],
    ['a size past 2^53', (b, at) => b.writeBigUInt64BE(1n << 60n, at + 48), 'corrupt'],
    ['a size that the table does not cover', (b, at) => b.writeBigUInt64BE(1n << 45n, at + 48), 'corrupt'],
  ];
  it.each(footers)('refuses %s', async (_name, change, kind) => {
    const bytes = await encoded({ blockSize: 512 * KiB });
    change(bytes, bytes.length - 512);
    seal(bytes, bytes.length - 512, 512, footerChecksumAt);
    await expect(vhdCodec.open(memorySource(bytes), context)).rejects.toMatchObject({
      name: 'AppError',
      kind,
    });
  });

  it('refuses a fixed disk that is cut short, and a footer with a wrong checksum', async () => {
    const bytes = await encoded({ subformat: 'fixed' });
    const cut = Buffer.concat([bytes.subarray(0, MiB), bytes.subarray(bytes.length - 512)]);
    await expect(vhdCodec.open(memorySource(cut), context)).rejects.toMatchObject({ kind: 'corrupt' });
    bytes[bytes.length - 512 + 30] = 0x41;
    await expect(vhdCodec.open(memorySource(bytes), context)).rejects.toMatchObject({ kind: 'corrupt' });
  });
});

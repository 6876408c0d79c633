import { describe, expect, it } from 'vitest';
import { vdiCodec } from '../../src/codecs/vdi/index.ts';
import { memorySource } from '../../src/io/byte-source.ts';
import { KiB } from '../../src/model/units.ts';
import { vdiFile } from '../codecs/vdi-images.ts';
import { randomBytes } from '../conformance/random.ts';
import { nothingBeside, surviveChanges, surviveCuts } from './mutations.ts';

const blockSize = 16 * KiB;
const good = vdiFile({
  size: 6 * blockSize,
  blockSize,
  blocks: [randomBytes(blockSize, 1), undefined, 'zero', ...[2, 3, 4].map((n) => randomBytes(blockSize, n))],
});

describe('hostile vdi', () => {
  it('survives every cut', async () => {
    expect(await surviveCuts(vdiCodec, good)).toBeGreaterThan(50);
  });
  it('survives changes of the header and of the block map', async () => {
    expect(await surviveChanges(vdiCodec, good, 64, 84)).toBeGreaterThan(10);
    expect(await surviveChanges(vdiCodec, good, 340, 460)).toBeGreaterThan(50);
    expect(await surviveChanges(vdiCodec, good, 1024, 1048)).toBeGreaterThan(20);
  });

  const u32 = (at: number, value: number) => (b: Buffer) => void b.writeUInt32LE(value, at);
  const refused: [string, (b: Buffer) => void, string][] = [
    ['version 0.1', u32(68, 1), 'unsupported'],
    ['version 1.2', u32(68, 0x10002), 'unsupported'],
    ['an undo image', u32(76, 3), 'unsupported'],
    ['an unknown type', u32(76, 9), 'unsupported'],
    ['sectors of 4096', u32(360, 4096), 'unsupported'],
    ['blocks of no bytes', u32(376, 0), 'unsupported'],
    ['blocks of 4 GiB', u32(376, 0xfffffe00), 'unsupported'],
    ['a map too small', u32(384, 5), 'corrupt'],
    ['a map past the end', u32(340, 0xffff0000), 'corrupt'],
    ['a map on the header', u32(340, 100), 'corrupt'],
    ['data on the map', u32(344, 1030), 'corrupt'],
    ['a block past the end', u32(1024, 4), 'corrupt'],
    ['a block far past the end', u32(1024, 0xfffffffd), 'corrupt'],
    ['a block used twice', (b) => b.copy(b, 1024, 1036, 1040), 'corrupt'],
    ['a size past the map', (b) => b.writeBigUInt64LE(1n << 50n, 368), 'corrupt'],
    ['a size past every number', (b) => b.writeBigUInt64LE(1n << 63n, 368), 'corrupt'],
    ['a parent without the type', (b) => b.fill(1, 424, 440), 'unsupported'],
  ];
  it.each(refused)('refuses %s', async (_name, change, kind) => {
    const bytes = Buffer.from(good);
    change(bytes);
    await expect(vdiCodec.open(memorySource(bytes), nothingBeside)).rejects.toMatchObject({
      name: 'AppError',
      kind,
    });
  });
});

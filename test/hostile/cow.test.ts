import { describe, expect, it } from 'vitest';
import type { OpenContext } from '../../src/codecs/codec.ts';
import { cowCodec } from '../../src/codecs/cow/index.ts';
import { memorySource } from '../../src/io/byte-source.ts';
import { AppError } from '../../src/model/errors.ts';
import { type CowParts, cowFile } from '../codecs/cow-images.ts';
import { randomBytes } from '../conformance/random.ts';
import { surviveChanges, surviveCuts } from './mutations.ts';

const size = 64 * 1024;
const parts: Omit<CowParts, 'kind' | 'byteOrder'> = {
  size,
  backingFile: 'root_fs',
  mtime: 1_700_000_000,
  sectors: new Map([0, 1, 2, 50, 51, 127].map((n) => [n, randomBytes(512, n + 1)] as const)),
};

/** A backing file of whatever size is asked for, so that damage is found behind that check as well. */
const context: OpenContext = {
  async sibling(name) {
    if (name !== 'root_fs') throw new AppError('not-found', `no ${name}`);
    return memorySource(randomBytes(size, 9), 'root_fs');
  },
  async parent(name) {
    throw new AppError('not-found', `no ${name}`);
  },
};

describe.each(['v1', 'v2', 'v3', 'v3Wide'] as const)('hostile COW %s', (kind) => {
  it.each(['be', 'le'] as const)('%s: survives every cut, and changes', async (byteOrder) => {
    const good = cowFile({ ...parts, kind, byteOrder });
    expect(await surviveCuts(cowCodec, good, context, 40)).toBeGreaterThan(20);
    expect(await surviveChanges(cowCodec, good, 0, 48, context)).toBeGreaterThan(20);
    const numbers = kind === 'v1' ? 264 : kind === 'v2' ? 4104 : 12;
    expect(await surviveChanges(cowCodec, good, numbers, numbers + 24, context)).toBeGreaterThan(20);
  });
});

const u32 = (at: number, value: number) => (b: Buffer) => void b.writeUInt32BE(value, at);
const refused: [string, (b: Buffer) => void, string][] = [
  ['version 0', u32(4, 0), 'unsupported'],
  ['version 4', u32(4, 4), 'unsupported'],
  ['sectors of nothing', u32(20, 0), 'unsupported'],
  ['sectors of 4 GiB', u32(20, 0xfffffe00), 'unsupported'],
  ['an alignment of nothing', u32(24, 0), 'corrupt'],
  ['an alignment of 4 GiB', u32(24, 0xfffff000), 'corrupt'],
  ['an unknown format', u32(28, 1), 'unsupported'],
  ['no backing file', (b) => void b.fill(0, 33, 100), 'not-found'],
  ['a size with a bitmap past the end', (b) => void b.writeBigUInt64BE(1n << 45n, 12), 'corrupt'],
  ['a size past every number', (b) => void b.writeBigUInt64BE(1n << 62n, 12), 'corrupt'],
  ['another size', (b) => void b.writeBigUInt64BE(BigInt(size + 512), 12), 'corrupt'],
];
it.each(refused)('a COW file with %s is refused', async (_name, change, kind) => {
  const bytes = cowFile({ ...parts, kind: 'v3', byteOrder: 'be' });
  change(bytes);
  await expect(cowCodec.open(memorySource(bytes), context)).rejects.toMatchObject({ name: 'AppError', kind });
});

import { describe, expect, it } from 'vitest';
import { parallelsCodec } from '../../src/codecs/parallels/index.ts';
import { memorySource } from '../../src/io/byte-source.ts';
import { type ParallelsParts, parallelsFile } from '../codecs/parallels-images.ts';
import { randomBytes } from '../conformance/random.ts';
import { nothingBeside, surviveChanges, surviveCuts } from './mutations.ts';

const clusterBytes = 16 * 1024;
const parts: ParallelsParts = {
  size: 5 * clusterBytes,
  clusterSectors: 32,
  clusters: [1, 0, 2, 3, 4].map((n) => (n === 0 ? undefined : randomBytes(clusterBytes, n))),
};

describe.each([
  ['v1', parallelsFile({ ...parts, old: true })],
  ['v2', parallelsFile(parts)],
])('hostile parallels %s', (version, good) => {
  it('survives every cut, and changes of the header and of the table', async () => {
    expect(await surviveCuts(parallelsCodec, good)).toBeGreaterThan(50);
    expect(await surviveChanges(parallelsCodec, good, 0, 84)).toBeGreaterThan(50);
  });

  const u32 = (at: number, value: number) => (b: Buffer) => void b.writeUInt32LE(value, at);
  const refused: [string, (b: Buffer) => void, string][] = [
    ['another version', u32(16, 3), 'unsupported'],
    ['clusters of nothing', u32(28, 0), 'unsupported'],
    ['clusters of 2 TiB', u32(28, 0xffffffff), 'unsupported'],
    ['a table too small', u32(32, 4), 'corrupt'],
    ['a size past the table', u32(36, 0xffffffff), 'corrupt'],
    ['a cluster past the end', u32(64, 0xffffffff), 'corrupt'],
    ['a cluster used twice', (b) => void b.copy(b, 64, 72, 76), 'corrupt'],
    ...(version === 'v1'
      ? ([
          [
            'clusters that overlap',
            (b: Buffer) => void b.writeUInt32LE(b.readUInt32LE(72) + 1, 64),
            'corrupt',
          ],
        ] as [string, (b: Buffer) => void, string][])
      : ([
          ['an unknown mark of use', u32(44, 5), 'corrupt'],
          ['a size past every number', (b: Buffer) => void b.writeBigUInt64LE(1n << 60n, 36), 'corrupt'],
        ] as [string, (b: Buffer) => void, string][])),
  ];
  it.each(refused)('refuses %s', async (_name, change, kind) => {
    const bytes = Buffer.from(good);
    change(bytes);
    await expect(parallelsCodec.open(memorySource(bytes), nothingBeside)).rejects.toMatchObject({
      name: 'AppError',
      kind,
    });
  });
});

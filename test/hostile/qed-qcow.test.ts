import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { qcowCodec } from '../../src/codecs/qcow/index.ts';
import { header as qcowHeader, magic as qcowMagic } from '../../src/codecs/qcow/layout.ts';
import { qedCodec } from '../../src/codecs/qed/index.ts';
import { header as qedHeader, magic as qedMagic } from '../../src/codecs/qed/layout.ts';
import { memorySource } from '../../src/io/byte-source.ts';
import { randomBytes } from '../conformance/random.ts';
import { checkSample } from '../conformance/test-codec.ts';
import { nothingBeside, survive, surviveChanges, surviveCuts } from './mutations.ts';

const cluster = 4096;

/** Clusters: header, first table, second table, data of cluster 2, of cluster 0; cluster 1 is zeros. */
function qedFile(): Buffer {
  const out = Buffer.alloc(5 * cluster);
  qedHeader
    .encode({
      magic: qedMagic,
      clusterBytes: cluster,
      tableClusters: 1,
      headerClusters: 1,
      l1TableOffset: cluster,
      imageSize: 4 * cluster,
    })
    .copy(out);
  out.writeBigUInt64LE(BigInt(2 * cluster), cluster);
  [4 * cluster, 1, 3 * cluster].forEach(
    (at, i) => void out.writeBigUInt64LE(BigInt(at), 2 * cluster + i * 8),
  );
  randomBytes(2 * cluster, 1).copy(out, 3 * cluster);
  return out;
}

/** The first table at 48, the second (64 entries) at 512, then cluster 0 plain and cluster 1 compressed. */
function qcowFile(): Buffer {
  const packed = deflateRawSync(Buffer.alloc(cluster, 'rope and tide '));
  const out = Buffer.alloc(2 * cluster + packed.length);
  qcowHeader
    .encode({
      magic: qcowMagic,
      version: 1,
      size: 3 * cluster,
      clusterBits: 12,
      l2Bits: 6,
      l1TableOffset: 48,
    })
    .copy(out);
  out.writeBigUInt64BE(512n, 48);
  out.writeBigUInt64BE(BigInt(cluster), 512);
  out.writeBigUInt64BE((1n << 63n) | (BigInt(packed.length) << 51n) | BigInt(2 * cluster), 520);
  randomBytes(cluster, 2).copy(out, cluster);
  packed.copy(out, 2 * cluster);
  return out;
}

describe.each([
  [
    'qed',
    qedCodec,
    qedFile(),
    [
      [0, 64],
      [cluster, cluster + 8],
      [2 * cluster, 2 * cluster + 32],
    ],
  ],
  [
    'qcow',
    qcowCodec,
    qcowFile(),
    [
      [0, 56],
      [512, 536],
      [2 * cluster, 2 * cluster + 20],
    ],
  ],
] as const)('hostile %s', (_name, codec, good, places) => {
  it('reads what was made', async () => {
    const expected = Buffer.alloc(codec.id === 'qed' ? 4 * cluster : 3 * cluster);
    if (codec.id === 'qed') {
      good.copy(expected, 0, 4 * cluster);
      good.copy(expected, 2 * cluster, 3 * cluster, 4 * cluster);
    } else {
      good.copy(expected, 0, cluster, 2 * cluster);
      Buffer.alloc(cluster, 'rope and tide ').copy(expected, cluster);
    }
    await checkSample(codec, { image: () => codec.open(memorySource(good), nothingBeside), expected });
  });

  it('survives every cut, and changes of header, tables and compressed data', async () => {
    expect(await surviveCuts(codec, good)).toBeGreaterThan(50);
    for (const [from, to] of places) expect(await surviveChanges(codec, good, from, to)).toBeGreaterThan(10);
  });
});

const le32 = (at: number, value: number) => (b: Buffer) => void b.writeUInt32LE(value, at);
const le64 = (at: number, value: bigint) => (b: Buffer) => void b.writeBigUInt64LE(value, at);
it.each([
  ['an unknown feature', le64(16, 8n)],
  ['clusters of 1 KiB', le32(4, 1024)],
  ['clusters of 128 MiB', le32(4, 2 ** 27)],
  ['clusters that are no power of two', le32(4, 5000)],
  ['tables of 3 clusters', le32(8, 3)],
  ['tables of none', le32(8, 0)],
  ['no first table', le64(40, 0n)],
  ['a first table past the end', le64(40, 1n << 40n)],
  ['a size past its tables', le64(48, 1n << 50n)],
  ['a size past every number', le64(48, 1n << 62n)],
  ['a backing file without a name', le64(16, 1n)],
  [
    'a name past the end',
    (b: Buffer) => {
      b[16] = 1;
      b.writeUInt32LE(5 * cluster - 2, 56);
      b.writeUInt32LE(10, 60);
    },
  ],
  ['a second table that is no cluster', le64(cluster, 2n * 4096n + 8n)],
  ['a second table past the end', le64(cluster, 1n << 40n)],
  ['a cluster past the end', le64(2 * cluster, 5n * 4096n)],
  ['a cluster at an odd place', le64(2 * cluster, 4097n)],
])('qed with %s is refused', async (_name, change) => {
  const bytes = qedFile();
  change(bytes);
  expect(await survive(qedCodec, bytes)).toBe('refused');
});

const be64 = (at: number, value: bigint) => (b: Buffer) => void b.writeBigUInt64BE(value, at);
it.each([
  ['clusters of 256', (b: Buffer) => void b.writeUInt8(8, 32)],
  ['clusters of 128 KiB', (b: Buffer) => void b.writeUInt8(17, 32)],
  ['tables of 32 entries', (b: Buffer) => void b.writeUInt8(5, 33)],
  ['tables of 16384 entries', (b: Buffer) => void b.writeUInt8(14, 33)],
  ['encryption', (b: Buffer) => void b.writeUInt32BE(1, 36)],
  ['a first table on the header', be64(40, 8n)],
  ['a first table past the end', be64(40, 1n << 40n)],
  ['a size past its table', be64(24, 1n << 50n)],
  ['a backing name past the end', be64(8, 1n << 40n)],
  ['a second table past the end', be64(48, 1n << 40n)],
  ['a cluster on the header', be64(512, 8n)],
  ['a cluster past the end', be64(512, 1n << 40n)],
  ['compressed data past the end', be64(520, (1n << 63n) | (4095n << 51n) | 8192n)],
  ['compressed data cut short', be64(520, (1n << 63n) | (5n << 51n) | 8192n)],
])('qcow with %s is refused', async (_name, change) => {
  const bytes = qcowFile();
  change(bytes);
  expect(await survive(qcowCodec, bytes)).toBe('refused');
});

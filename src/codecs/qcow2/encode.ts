/** Writes a qcow2 image, version 3, in one pass over the disk. Spec: qemu, docs/interop/qcow2.rst. */
import { type DataBlock, dataBlocks, sharedRelease } from '../../io/blocks.ts';
import type { Disk } from '../../io/disk.ts';
import type { Chunk, EncodedFile } from '../../io/encoded-file.ts';
import { inOrder } from '../../io/in-order.ts';
import { AppError } from '../../model/errors.ts';
import type { Options } from '../../model/options.ts';
import { formatBytes } from '../../model/units.ts';
import { BufferPool } from '../buffer-pool.ts';
import { compressedRoom, deflate, zstdCompress } from '../compression.ts';
import { ImageWriter } from './image-writer.ts';
import { type EncodeSettings, encodeSettings, maximumBytes, representableBytes } from './options.ts';

/** Bytes of clusters being compressed at once: enough for every thread of the pool, few in memory. */
const compressingBytes = 2 ** 20;

export async function encodeQcow2(disk: Disk, name: string, options: Options): Promise<EncodedFile[]> {
  const settings = encodeSettings(options);
  const maximum = maximumBytes(options);
  if (disk.size > maximum) {
    const message = `${formatBytes(disk.size)} are too much for clusters of ${formatBytes(settings.clusterBytes)}`;
    throw new AppError('unsupported', `${message}: at most ${formatBytes(maximum)}`, {
      hint: 'choose a larger cluster size',
    });
  }
  const chunks = settings.compression === 'none' ? plainChunks : compressedChunks;
  return [{ name, late: true, chunks: (signal) => chunks(disk, settings, signal) }];
}

async function* plainChunks(
  disk: Disk,
  settings: EncodeSettings,
  signal: AbortSignal | undefined,
): AsyncGenerator<Chunk> {
  const writer = new ImageWriter(representableBytes(disk.size), settings);
  for await (const block of dataBlocks(disk, { grainBytes: settings.clusterBytes, signal })) {
    const release = sharedRelease(block, block.runs.length);
    for (const { offset, bytes } of block.runs) yield* writer.data(offset, bytes, release);
  }
  yield* writer.finish();
}

async function* compressedChunks(
  disk: Disk,
  settings: EncodeSettings,
  signal: AbortSignal | undefined,
): AsyncGenerator<Chunk> {
  const { clusterBytes } = settings;
  const writer = new ImageWriter(representableBytes(disk.size), settings);
  const blocks = dataBlocks(disk, { grainBytes: clusterBytes, signal });
  const width = Math.max(8, compressingBytes / clusterBytes);
  const buffers = new BufferPool(compressedRoom(clusterBytes));
  const pack = async (cluster: Cluster) => {
    const buffer = buffers.take();
    return { ...cluster, buffer, packed: await compress(cluster.bytes, buffer, settings) };
  };
  for await (const { offset, bytes, release, buffer, packed } of inOrder(
    clustersOf(blocks, clusterBytes),
    width,
    pack,
    signal,
  )) {
    // What does not become smaller is stored as it is.
    if (packed.length >= clusterBytes) {
      buffers.give(buffer);
      yield* writer.data(offset, bytes, release);
    } else {
      release();
      yield* writer.compressed(offset, packed, () => buffers.give(buffer));
    }
  }
  yield* writer.finish();
}

interface Cluster {
  readonly offset: number;
  readonly bytes: Uint8Array;
  release(): void;
}

async function* clustersOf(blocks: AsyncIterable<DataBlock>, clusterBytes: number): AsyncGenerator<Cluster> {
  for await (const block of blocks) {
    const count = block.runs.reduce((sum, run) => sum + Math.ceil(run.bytes.length / clusterBytes), 0);
    const release = sharedRelease(block, count);
    for (const { offset, bytes } of block.runs) {
      for (let at = 0; at < bytes.length; at += clusterBytes) {
        yield { offset: offset + at, bytes: bytes.subarray(at, at + clusterBytes), release };
      }
    }
  }
}

function compress(bytes: Uint8Array, target: Buffer, settings: EncodeSettings): Promise<Uint8Array> {
  const { clusterBytes, compression, level } = settings;
  let whole = bytes;
  if (bytes.length < clusterBytes) {
    // The last one: a reader expects a whole cluster.
    whole = new Uint8Array(clusterBytes);
    whole.set(bytes);
  }
  if (compression === 'zstd') return zstdCompress(whole, target, level);
  // qemu's window for reading is 4 KiB, but it inflates whole clusters at once, where any distance is good:
  // block/qcow2-threads.c.
  return deflate(whole, target, 'raw', level);
}

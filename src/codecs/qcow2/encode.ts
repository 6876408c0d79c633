/** Writes a qcow2 image, version 3, in one pass over the disk. Spec: qemu, docs/interop/qcow2.rst. */
import { dataBlocks, sharedRelease } from '../../io/blocks.ts';
import { type Disk, padded, slice } from '../../io/disk.ts';
import type { Chunk, EncodedFile } from '../../io/encoded-file.ts';
import { inOrder } from '../../io/in-order.ts';
import { AppError } from '../../model/errors.ts';
import type { Options } from '../../model/options.ts';
import { formatBytes, MiB } from '../../model/units.ts';
import { BufferPool } from '../buffer-pool.ts';
import type { Backing, EncodeContext } from '../codec.ts';
import { compressedRoom, deflate, zstdCompress } from '../compression.ts';
import { type ChangedBlock, changedBlocks, type ZeroRun } from './changed-blocks.ts';
import { encodeHeader, type TablePlaces } from './encode-header.ts';
import { ImageWriter } from './image-writer.ts';
import { type EncodeSettings, encodeSettings, maximumBytes, representableBytes } from './options.ts';

/** Bytes of clusters being compressed at once: enough for every thread of the pool, few in memory. */
const compressingBytes = 2 ** 20;

export async function encodeQcow2(
  disk: Disk,
  name: string,
  options: Options,
  { backing }: EncodeContext = {},
): Promise<EncodedFile[]> {
  const settings = encodeSettings(options);
  const maximum = maximumBytes(options);
  if (disk.size > maximum) {
    const message = `${formatBytes(disk.size)} are too much for clusters of ${formatBytes(settings.clusterBytes)}`;
    throw new AppError('unsupported', `${message}: at most ${formatBytes(maximum)}`, {
      hint: 'choose a larger cluster size',
    });
  }
  const size = representableBytes(disk.size);
  const writer = () => new ImageWriter(size, settings, backing);
  if (backing !== undefined) encodeHeader(size, settings, noPlaces, backing); // before a byte moves: it may not fit
  const write = settings.compression === 'none' ? plainChunks : compressedChunks;
  return [
    {
      name,
      late: true,
      chunks: (signal) => write(blocksOf(disk, size, settings, backing, signal), writer(), settings, signal),
    },
  ];
}

const noPlaces: TablePlaces = {
  l1Offset: 0,
  l1Entries: 0,
  refcountTableOffset: 0,
  refcountTableClusters: 0,
};

/** What has to be stored. A cluster never lies in two blocks. */
function blocksOf(
  disk: Disk,
  size: number,
  settings: EncodeSettings,
  backing: Backing | undefined,
  signal: AbortSignal | undefined,
): AsyncIterable<ChangedBlock> {
  const { clusterBytes, grainBytes } = settings;
  const how = { grainBytes, blockBytes: Math.max(MiB, clusterBytes), signal };
  if (backing === undefined) return dataBlocks(disk, how);
  // What the image has more than the disk is zeros, and not what the backing file has there.
  const below = backing.disk.size > size ? slice(backing.disk, 0, size) : padded(backing.disk, size);
  return changedBlocks(padded(disk, size), below, how);
}

async function* plainChunks(blocks: AsyncIterable<ChangedBlock>, writer: ImageWriter): AsyncGenerator<Chunk> {
  for await (const block of blocks) {
    const release = sharedRelease(block, block.runs.filter((run) => 'bytes' in run).length);
    for (const run of block.runs) {
      if ('bytes' in run) yield* writer.data(run.offset, run.bytes, release);
      else yield* writer.zeros(run.offset, run.zeroBytes);
    }
  }
  yield* writer.finish();
}

async function* compressedChunks(
  blocks: AsyncIterable<ChangedBlock>,
  writer: ImageWriter,
  settings: EncodeSettings,
  signal: AbortSignal | undefined,
): AsyncGenerator<Chunk> {
  const { clusterBytes } = settings;
  const width = Math.max(8, compressingBytes / clusterBytes);
  const buffers = new BufferPool(compressedRoom(clusterBytes));
  const pack = async (cluster: Cluster | ZeroRun) => {
    if ('zeroBytes' in cluster) return cluster;
    const buffer = buffers.take();
    return { ...cluster, buffer, packed: await compress(cluster.bytes, buffer, settings) };
  };
  for await (const item of inOrder(clustersOf(blocks, clusterBytes), width, pack, signal)) {
    if ('zeroBytes' in item) {
      yield* writer.zeros(item.offset, item.zeroBytes);
      continue;
    }
    const { offset, bytes, release, buffer, packed } = item;
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

async function* clustersOf(
  blocks: AsyncIterable<ChangedBlock>,
  clusterBytes: number,
): AsyncGenerator<Cluster | ZeroRun> {
  for await (const block of blocks) {
    const lengths = block.runs.map((run) => ('bytes' in run ? run.bytes.length : 0));
    const count = lengths.reduce((sum, length) => sum + Math.ceil(length / clusterBytes), 0);
    const release = sharedRelease(block, count);
    for (const run of block.runs) {
      if ('zeroBytes' in run) {
        yield run;
        continue;
      }
      const { offset, bytes } = run;
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

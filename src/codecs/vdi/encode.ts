/** Writes static and dynamic disks with blocks of 1 MiB, the only size that every reader takes. */
import { dataBlocks, sharedRelease } from '../../io/blocks.ts';
import type { Disk } from '../../io/disk.ts';
import type { Chunk, EncodedFile } from '../../io/encoded-file.ts';
import { AppError } from '../../model/errors.ts';
import type { OptionSpec, Options } from '../../model/options.ts';
import { formatBytes, KiB, MiB } from '../../model/units.ts';
import type { Encoder } from '../codec.ts';
import {
  absentBlock,
  freshUuid,
  header,
  imageTypes,
  largestTableBytes,
  preheaderBytes,
  sectorBytes,
  signature,
  version11,
} from './layout.ts';

const blockSize = MiB;
const grainBytes = 4 * KiB;
const blocksOffset = 512;
const largestBytes = (largestTableBytes / 4) * blockSize;

const options: readonly OptionSpec[] = [
  {
    kind: 'choice',
    key: 'subformat',
    label: 'Layout',
    help: 'dynamic grows with its data; static is as large as the disk',
    choices: ['dynamic', 'static'],
    default: 'dynamic',
  },
];

const wholeSectors = (size: number): number => Math.ceil(size / sectorBytes) * sectorBytes;

export const vdiEncoder: Encoder = {
  options,
  maximumBytes: () => largestBytes,
  representableBytes: wholeSectors,
  steady: () => true,
  async encode(disk: Disk, name: string, given: Options) {
    const size = wholeSectors(disk.size);
    if (size > largestBytes) {
      throw new AppError(
        'unsupported',
        `a VDI is written up to ${formatBytes(largestBytes)}, the disk has ${disk.size} bytes`,
        { hint: 'choose qcow2' },
      );
    }
    return [given.subformat === 'static' ? staticFile(disk, name, size) : dynamicFile(disk, name, size)];
  },
};

const blocksOf = (size: number): number => Math.ceil(size / blockSize);
/** Where the data begin: whole mebibytes, so that the guest's alignment stays the file's. */
const dataOffsetOf = (size: number): number => Math.ceil((blocksOffset + blocksOf(size) * 4) / MiB) * MiB;

function headerOf(size: number, imageType: number, blocksAllocated: number): Buffer {
  const bytes = header.encode({
    fileInfo: '<<< Oracle VM VirtualBox Disk Image >>>\n',
    signature,
    version: version11,
    headerBytes: header.bytes - preheaderBytes,
    imageType,
    blocksOffset,
    dataOffset: dataOffsetOf(size),
    sectorBytes,
    diskSize: size,
    blockSize,
    blocks: blocksOf(size),
    blocksAllocated,
    uuidCreate: freshUuid(),
    uuidModify: freshUuid(),
  });
  return Buffer.concat([bytes, Buffer.alloc(blocksOffset - bytes.length)]);
}

function staticFile(disk: Disk, name: string, size: number): EncodedFile {
  const blocks = blocksOf(size);
  const dataOffset = dataOffsetOf(size);
  async function* chunks(signal?: AbortSignal): AsyncGenerator<Chunk> {
    const map = Buffer.alloc(blocks * 4);
    for (let i = 0; i < blocks; i++) map.writeUInt32LE(i, i * 4);
    yield { offset: 0, bytes: headerOf(size, imageTypes.static, blocks) };
    yield { offset: blocksOffset, bytes: map };
    for await (const block of dataBlocks(disk, { grainBytes, signal })) {
      const release = sharedRelease(block, block.runs.length);
      for (const { offset, bytes } of block.runs)
        yield { offset: dataOffset + offset, bytes, release, disk: offset };
    }
  }
  return { name, size: dataOffset + blocks * blockSize, late: false, chunks };
}

function dynamicFile(disk: Disk, name: string, size: number): EncodedFile {
  const dataOffset = dataOffsetOf(size);
  async function* chunks(signal?: AbortSignal): AsyncGenerator<Chunk> {
    const map = Buffer.alloc(blocksOf(size) * 4, 0xff);
    let used = 0;
    let end = dataOffset;
    for await (const block of dataBlocks(disk, { grainBytes, blockBytes: blockSize, signal })) {
      const index = Math.floor(block.runs[0]!.offset / blockSize);
      if (used >= absentBlock || map.readUInt32LE(index * 4) !== absentBlock)
        throw new AppError('bug', `VDI block ${index} is written twice`);
      map.writeUInt32LE(used, index * 4);
      const host = dataOffset + used * blockSize - index * blockSize;
      const release = sharedRelease(block, block.runs.length);
      for (const { offset, bytes } of block.runs) {
        yield { offset: host + offset, bytes, release, disk: offset };
        end = host + offset + bytes.length;
      }
      used++;
    }
    // VirtualBox counts on whole blocks: the last one may end with zeros that were left out.
    const whole = dataOffset + used * blockSize;
    if (end < whole) yield { offset: whole - 1, bytes: Buffer.alloc(1) };
    yield { offset: 0, bytes: headerOf(size, imageTypes.dynamic, used), late: true };
    yield { offset: blocksOffset, bytes: map, late: true };
  }
  return { name, late: true, chunks };
}

/**
 * Writes fixed and dynamic disks. The creator is `win ` (Hyper-V): every reader then goes by the current size, so
 * that the disk keeps its size to the byte, qemu (which reads its own `qemu` by geometry) among them.
 */
import { dataBlocks, sharedRelease } from '../../io/blocks.ts';
import type { Disk } from '../../io/disk.ts';
import type { Chunk, EncodedFile } from '../../io/encoded-file.ts';
import { AppError } from '../../model/errors.ts';
import type { OptionSpec, Options } from '../../model/options.ts';
import { formatBytes, KiB, MiB } from '../../model/units.ts';
import type { Encoder } from '../codec.ts';
import {
  bitmapBytes,
  checksum,
  diskTypes,
  dynamicHeader,
  footer,
  footerBytes,
  footerChecksumAt,
  footerCookie,
  formatVersion,
  freshUniqueId,
  geometryOf,
  headerBytes,
  headerChecksumAt,
  headerCookie,
  largestBytes,
  noDataOffset,
  sectorBytes,
  unusedEntry,
} from './layout.ts';

const options: readonly OptionSpec[] = [
  {
    kind: 'choice',
    key: 'subformat',
    label: 'Layout',
    help: 'dynamic grows with its data; fixed is as large as the disk, and what Azure takes',
    choices: ['dynamic', 'fixed'],
    default: 'dynamic',
  },
  {
    kind: 'bytes',
    key: 'blockSize',
    label: 'Block size',
    help: 'unit of allocation of a dynamic disk',
    onlyWith: { key: 'subformat', values: ['dynamic'] },
    choices: [512 * KiB, 2 * MiB],
    min: 512 * KiB,
    max: 2 * MiB,
    default: 2 * MiB,
  },
  {
    kind: 'boolean',
    key: 'align',
    label: 'Whole mebibytes',
    help: 'rounds the size up to 1 MiB, as Azure demands',
    default: false,
  },
];

const grainBytes = 4 * KiB;
const headerOffset = footerBytes;
const tableOffset = headerOffset + headerBytes;

export const vhdEncoder: Encoder = {
  options,
  maximumBytes: () => largestBytes,
  representableBytes: roundedSize,
  steady: () => true,
  async encode(disk, name, given) {
    const size = roundedSize(disk.size, given);
    if (size > largestBytes) {
      throw new AppError(
        'unsupported',
        `a VHD holds at most ${formatBytes(largestBytes)}, the disk has ${disk.size} bytes`,
        {
          hint: 'choose vhdx',
        },
      );
    }
    return [
      given.subformat === 'fixed'
        ? fixedFile(disk, name, size)
        : dynamicFile(disk, name, size, Number(given.blockSize)),
    ];
  },
};

function roundedSize(size: number, given: Options): number {
  const unit = given.align === true ? MiB : sectorBytes;
  return Math.ceil(size / unit) * unit;
}

function footerOf(size: number, diskType: number, dataOffset: bigint): Buffer {
  const bytes = footer.encode({
    cookie: footerCookie,
    features: 2,
    fileFormatVersion: formatVersion,
    dataOffset,
    timeStamp: secondsSince2000(),
    creatorApplication: Buffer.from('win '),
    creatorVersion: 0x000a_0000,
    creatorHostOs: Buffer.from('Wi2k'),
    originalSize: size,
    currentSize: size,
    ...geometryOf(size),
    diskType,
    uniqueId: freshUniqueId(),
  });
  bytes.writeUInt32BE(checksum(bytes, footerChecksumAt), footerChecksumAt);
  return bytes;
}

const secondsSince2000 = (): number => Math.floor((Date.now() - Date.UTC(2000, 0, 1)) / 1000);

function fixedFile(disk: Disk, name: string, size: number): EncodedFile {
  async function* chunks(signal?: AbortSignal): AsyncGenerator<Chunk> {
    for await (const block of dataBlocks(disk, { grainBytes, signal })) {
      const release = sharedRelease(block, block.runs.length);
      for (const { offset, bytes } of block.runs) yield { offset, bytes, release, disk: offset };
    }
    yield { offset: size, bytes: footerOf(size, diskTypes.fixed, noDataOffset) };
  }
  return { name, size: size + footerBytes, late: false, chunks };
}

function dynamicFile(disk: Disk, name: string, size: number, blockSize: number): EncodedFile {
  const entries = Math.ceil(size / blockSize);
  const tableBytes = Math.ceil((entries * 4) / sectorBytes) * sectorBytes;
  async function* chunks(signal?: AbortSignal): AsyncGenerator<Chunk> {
    const table = Buffer.alloc(tableBytes, 0xff);
    let end = tableOffset + tableBytes;
    yield* blockChunks();
    const tail = footerOf(size, diskTypes.dynamic, BigInt(headerOffset));
    yield { offset: end, bytes: tail };
    yield { offset: 0, bytes: Buffer.concat([tail, headerOf(entries, blockSize), table]), late: true };

    async function* blockChunks(): AsyncGenerator<Chunk> {
      const bitmapLength = bitmapBytes(blockSize);
      for await (const block of dataBlocks(disk, { grainBytes, blockBytes: blockSize, signal })) {
        const index = Math.floor(block.runs[0]!.offset / blockSize);
        if (end % sectorBytes !== 0 || end / sectorBytes >= unusedEntry)
          throw new AppError('bug', `VHD block ${index} at ${end}`);
        table.writeUInt32BE(end / sectorBytes, index * 4);
        const bitmap = Buffer.alloc(bitmapLength);
        const start = index * blockSize;
        for (const { offset, bytes } of block.runs)
          setBits(bitmap, (offset - start) / sectorBytes, bytes.length);
        yield { offset: end, bytes: bitmap };
        const release = sharedRelease(block, block.runs.length);
        for (const { offset, bytes } of block.runs) {
          yield { offset: end + bitmapLength + (offset - start), bytes, release, disk: offset };
        }
        end += bitmapLength + blockSize;
      }
    }
  }
  return { name, late: true, chunks };
}

/** Sectors from `first` on, the highest bit of a byte first; a part of a sector counts as one. */
function setBits(bitmap: Buffer, first: number, bytes: number): void {
  const last = first + Math.ceil(bytes / sectorBytes);
  for (let sector = first; sector < last; ) {
    if (sector % 8 === 0 && last - sector >= 8) {
      bitmap[sector >> 3] = 0xff;
      sector += 8;
    } else {
      bitmap[sector >> 3]! |= 0x80 >> (sector & 7);
      sector++;
    }
  }
}

function headerOf(entries: number, blockSize: number): Buffer {
  const bytes = dynamicHeader.encode({
    cookie: headerCookie,
    dataOffset: noDataOffset,
    tableOffset,
    headerVersion: formatVersion,
    maxTableEntries: entries,
    blockSize,
  });
  bytes.writeUInt32BE(checksum(bytes, headerChecksumAt), headerChecksumAt);
  return bytes;
}

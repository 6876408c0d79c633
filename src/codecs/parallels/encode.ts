/** Writes an expanding disk with clusters of 1 MiB, and the descriptor where it is asked for. */
import { dataBlocks, sharedRelease } from '../../io/blocks.ts';
import type { Disk } from '../../io/disk.ts';
import { type Chunk, type EncodedFile, textFile } from '../../io/encoded-file.ts';
import { escapeXml } from '../../io/xml.ts';
import { AppError } from '../../model/errors.ts';
import type { OptionSpec, Options } from '../../model/options.ts';
import { formatBytes, KiB, MiB } from '../../model/units.ts';
import type { Encoder } from '../codec.ts';
import { descriptorName, nullGuid, usualTopGuid } from './descriptor.ts';
import {
  formatVersion,
  header,
  headerBytes,
  inUse,
  largestTableBytes,
  newMagic,
  sectorBytes,
} from './layout.ts';

const clusterBytes = MiB;
const grainBytes = 4 * KiB;
const largestBytes = (largestTableBytes / 4) * clusterBytes;
const heads = 16;
const sectorsPerTrack = 32;

const options: readonly OptionSpec[] = [
  {
    kind: 'boolean',
    key: 'descriptor',
    label: descriptorName,
    help: `also writes ${descriptorName}, which Parallels and ploop open: put both into a folder *.hdd`,
    default: false,
  },
];

/** With a descriptor, whole clusters: ploop leaves out a part of one at the end. Cylinders divide them. */
function roundedSize(size: number, given: Options): number {
  const unit = given.descriptor === true ? clusterBytes : sectorBytes;
  return Math.ceil(size / unit) * unit;
}

export const parallelsEncoder: Encoder = {
  options,
  maximumBytes: () => largestBytes,
  representableBytes: roundedSize,
  steady: () => true,
  async encode(disk: Disk, name: string, given: Options) {
    const size = roundedSize(disk.size, given);
    if (size > largestBytes) {
      throw new AppError(
        'unsupported',
        `a Parallels disk is written up to ${formatBytes(largestBytes)}, the disk has ${disk.size} bytes`,
        { hint: 'choose qcow2' },
      );
    }
    const image = expandingFile(disk, name, size);
    if (given.descriptor !== true) return [image];
    return [image, textFile(descriptorName, Buffer.from(descriptorOf(name, size)))];
  },
};

function expandingFile(disk: Disk, name: string, size: number): EncodedFile {
  const entries = Math.ceil(size / clusterBytes);
  const firstCluster = Math.ceil((headerBytes + entries * 4) / clusterBytes);
  async function* chunks(signal?: AbortSignal): AsyncGenerator<Chunk> {
    const table = Buffer.alloc(entries * 4);
    let next = firstCluster;
    let end = 0;
    for await (const block of dataBlocks(disk, { grainBytes, blockBytes: clusterBytes, signal })) {
      const index = Math.floor(block.runs[0]!.offset / clusterBytes);
      if (table.readUInt32LE(index * 4) !== 0)
        throw new AppError('bug', `Parallels cluster ${index} is written twice`);
      table.writeUInt32LE(next, index * 4);
      const host = (next - index) * clusterBytes;
      const release = sharedRelease(block, block.runs.length);
      for (const { offset, bytes } of block.runs) {
        yield { offset: host + offset, bytes, release, disk: offset };
        end = host + offset + bytes.length;
      }
      next++;
    }
    // Whole clusters: the last one may end with zeros that were left out.
    if (end < next * clusterBytes) yield { offset: next * clusterBytes - 1, bytes: Buffer.alloc(1) };
    yield { offset: 0, bytes: Buffer.concat([headerOf(size, entries, firstCluster), table]), late: true };
  }
  return { name, late: true, chunks };
}

const headerOf = (size: number, tableEntries: number, firstCluster: number): Buffer =>
  header.encode({
    magic: newMagic,
    version: formatVersion,
    heads,
    cylinders: Math.min(0xffff_ffff, Math.floor(size / sectorBytes / (heads * sectorsPerTrack))),
    clusterSectors: clusterBytes / sectorBytes,
    tableEntries,
    sectors: BigInt(size / sectorBytes),
    inUse: inUse.never, // what ploop wants: to it, any other mark is a dirty one
    dataOffsetSectors: (firstCluster * clusterBytes) / sectorBytes,
  });

function descriptorOf(file: string, size: number): string {
  const sectors = size / sectorBytes;
  return `<?xml version="1.0" encoding="UTF-8"?>
<Parallels_disk_image Version="1.0">
  <Disk_Parameters>
    <Disk_size>${sectors}</Disk_size>
    <Cylinders>${sectors / (heads * sectorsPerTrack)}</Cylinders>
    <Heads>${heads}</Heads>
    <Sectors>${sectorsPerTrack}</Sectors>
    <Padding>0</Padding>
  </Disk_Parameters>
  <StorageData>
    <Storage>
      <Start>0</Start>
      <End>${sectors}</End>
      <Blocksize>${clusterBytes / sectorBytes}</Blocksize>
      <Image>
        <GUID>${usualTopGuid}</GUID>
        <Type>Compressed</Type>
        <File>${escapeXml(file)}</File>
      </Image>
    </Storage>
  </StorageData>
  <Snapshots>
    <TopGUID>${usualTopGuid}</TopGUID>
    <Shot>
      <GUID>${usualTopGuid}</GUID>
      <ParentGUID>${nullGuid}</ParentGUID>
    </Shot>
  </Snapshots>
</Parallels_disk_image>
`;
}

/** Parallels files made by hand: the older format, and descriptors. */
import { formatVersion, header, headerBytes, newMagic, oldMagic } from '../../src/codecs/parallels/layout.ts';
import { shuffled } from '../conformance/random.ts';

export interface ParallelsParts {
  readonly size: number;
  readonly old?: boolean;
  readonly clusterSectors?: number;
  readonly clusters: readonly (Buffer | undefined)[];
  readonly inUse?: number;
  readonly flags?: number;
}

/** The clusters lie in the file in a random order. */
export function parallelsFile(parts: ParallelsParts): Buffer {
  const { size, clusters, old = false, clusterSectors = 128 } = parts;
  const clusterBytes = clusterSectors * 512;
  const stored = clusters.flatMap((c, i) => (c === undefined ? [] : [i]));
  const order = shuffled(stored, 9);
  // The older one has its data right behind the table.
  const unit = old ? 512 : clusterBytes;
  const first = Math.ceil((headerBytes + clusters.length * 4) / unit);
  const table = Buffer.alloc(clusters.length * 4);
  for (const i of stored) {
    const place = order.indexOf(i);
    table.writeUInt32LE(first + place * (old ? clusterSectors : 1), i * 4);
  }
  const front = Buffer.alloc(first * unit);
  header
    .encode({
      magic: old ? oldMagic : newMagic,
      version: formatVersion,
      heads: 16,
      cylinders: 1,
      clusterSectors,
      tableEntries: clusters.length,
      // The older one uses 32 bits: what is above is not the size.
      sectors: BigInt(Math.ceil(size / 512)) + (old ? 7n << 32n : 0n),
      inUse: parts.inUse ?? 0,
      dataOffsetSectors: old ? 0 : (first * unit) / 512,
      flags: parts.flags ?? 0,
    })
    .copy(front);
  table.copy(front, headerBytes);
  return Buffer.concat([front, ...order.map((i) => clusters[i]!)]);
}

export const guidOf = (n: number): string => `{00000000-0000-4000-8000-00000000000${n + 1}}`;

export interface DescriptorParts {
  readonly size: number;
  readonly top?: string;
  readonly shots: readonly { guid: string; parent?: string | undefined }[];
  readonly images: readonly { guid: string; file: string; type?: string }[];
  readonly storages?: readonly { start: number; end: number; images: DescriptorParts['images'] }[];
  readonly padding?: number;
  readonly more?: string;
}

export function descriptorXml(parts: DescriptorParts): string {
  const storages = parts.storages ?? [{ start: 0, end: parts.size, images: parts.images }];
  const storageXml = storages.map(
    (s) => `<Storage><Start>${s.start / 512}</Start><End>${s.end / 512}</End><Blocksize>2048</Blocksize>
      ${s.images.map((i) => `<Image><GUID>${i.guid}</GUID><Type>${i.type ?? 'Compressed'}</Type><File>${i.file}</File></Image>`).join('')}
    </Storage>`,
  );
  const shots = parts.shots.map(
    (s) =>
      `<Shot><GUID>${s.guid}</GUID><ParentGUID>${s.parent ?? '{00000000-0000-0000-0000-000000000000}'}</ParentGUID></Shot>`,
  );
  return `<?xml version='1.0' encoding='UTF-8'?>
<Parallels_disk_image Version="1.0">
  <Disk_Parameters><Disk_size>${parts.size / 512}</Disk_size><Cylinders>1</Cylinders><Heads>1</Heads>
    <Sectors>1</Sectors><Padding>${parts.padding ?? 0}</Padding>${parts.more ?? ''}</Disk_Parameters>
  <StorageData>${storageXml.join('')}</StorageData>
  <Snapshots>${parts.top === undefined ? '' : `<TopGUID>${parts.top}</TopGUID>`}${shots.join('')}</Snapshots>
</Parallels_disk_image>
`;
}

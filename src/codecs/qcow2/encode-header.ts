/** The header cluster of an image that we write. */
import { compressionTypeAt, extensionType, headerV3, incompatible, magic } from './layout.ts';
import type { EncodeSettings } from './options.ts';

export interface TablePlaces {
  readonly l1Offset: number;
  readonly l1Entries: number;
  readonly refcountTableOffset: number;
  readonly refcountTableClusters: number;
}

/** Type, bit and name of the features that an old program may have to name when it refuses the image. */
const featureNames: readonly (readonly [type: number, bit: number, name: string])[] = [
  [0, 0, 'dirty bit'],
  [0, 1, 'corrupt bit'],
  [0, 2, 'external data file'],
  [0, 3, 'compression type'],
  [0, 4, 'extended L2 entries'],
  [1, 0, 'lazy refcounts'],
  [2, 0, 'bitmaps'],
  [2, 1, 'raw external data'],
];

export function encodeHeader(size: number, settings: EncodeSettings, places: TablePlaces): Buffer {
  const zstd = settings.compression === 'zstd';
  const headerLength = zstd ? compressionTypeAt + 8 : headerV3.bytes;
  const fields = headerV3.encode({
    magic,
    version: 3,
    clusterBits: settings.clusterBits,
    size,
    l1Size: places.l1Entries,
    l1TableOffset: places.l1Offset,
    refcountTableOffset: places.refcountTableOffset,
    refcountTableClusters: places.refcountTableClusters,
    incompatibleFeatures: zstd ? incompatible.compressionType : 0n,
    refcountOrder: 4,
    headerLength,
  });
  const additional = Buffer.alloc(headerLength - headerV3.bytes);
  if (zstd) additional[0] = 1;
  const names = encodeFeatureNames();
  const end = Buffer.alloc(8);
  const fits = headerLength + names.length + end.length <= settings.clusterBytes;
  return Buffer.concat(fits ? [fields, additional, names, end] : [fields, additional, end]);
}

function encodeFeatureNames(): Buffer {
  const out = Buffer.alloc(8 + featureNames.length * 48);
  out.writeUInt32BE(extensionType.featureNames, 0);
  out.writeUInt32BE(featureNames.length * 48, 4);
  featureNames.forEach(([type, bit, name], i) => {
    out.set([type, bit], 8 + i * 48);
    out.write(name, 8 + i * 48 + 2, 'latin1');
  });
  return out;
}

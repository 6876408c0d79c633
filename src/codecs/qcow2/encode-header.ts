/** The header cluster of an image that we write. */
import { AppError } from '../../model/errors.ts';
import { formatBytes } from '../../model/units.ts';
import type { Backing } from '../codec.ts';
import {
  backingFormats,
  compressionTypeAt,
  extensionType,
  headerV3,
  incompatible,
  magic,
  maximumBackingName,
} from './layout.ts';
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

export type BackingName = Pick<Backing, 'name' | 'format'>;

/** @throws AppError `usage` where the backing file's name is too long, `unsupported` for its format. */
export function encodeHeader(
  size: number,
  settings: EncodeSettings,
  places: TablePlaces,
  backing: BackingName | undefined,
): Buffer {
  const zstd = settings.compression === 'zstd';
  const headerLength = zstd ? compressionTypeAt + 8 : headerV3.bytes;
  const additional = Buffer.alloc(headerLength - headerV3.bytes);
  if (zstd) additional[0] = 1;
  const format = backing === undefined ? Buffer.alloc(0) : encodeBackingFormat(backing.format);
  const name = Buffer.from(backing === undefined ? '' : plainFileName(backing.name));
  const end = Buffer.alloc(8);
  const needed = headerLength + format.length + end.length + name.length;
  if (name.length > maximumBackingName || needed > settings.clusterBytes) {
    const most = Math.min(maximumBackingName, settings.clusterBytes - (needed - name.length));
    throw new AppError(
      'usage',
      `the name of the backing file has ${name.length} bytes, at most ${most} fit`,
      {
        where: backing?.name ?? '',
        hint: `put it nearer to the image${most < maximumBackingName ? `, or choose clusters larger than ${formatBytes(settings.clusterBytes)}` : ''}`,
      },
    );
  }
  const names = encodeFeatureNames();
  const extensions = needed + names.length <= settings.clusterBytes ? [format, names, end] : [format, end];
  const nameAt = headerLength + extensions.reduce((sum, part) => sum + part.length, 0);
  const fields = headerV3.encode({
    magic,
    version: 3,
    ...(backing === undefined ? {} : { backingFileOffset: nameAt, backingFileSize: name.length }),
    clusterBits: settings.clusterBits,
    size,
    l1Size: places.l1Entries,
    l1TableOffset: places.l1Offset,
    refcountTableOffset: places.refcountTableOffset,
    refcountTableClusters: places.refcountTableClusters,
    incompatibleFeatures:
      (zstd ? incompatible.compressionType : 0n) | (settings.extendedL2 ? incompatible.extendedL2 : 0n),
    refcountOrder: 4,
    headerLength,
  });
  return Buffer.concat([fields, additional, ...extensions, name]);
}

/** qemu takes what stands before a colon for a protocol, unless a slash comes first. */
const plainFileName = (name: string): string => (/^[^/]*:/.test(name) ? `./${name}` : name);

function encodeBackingFormat(driver: string): Buffer {
  if (!backingFormats.includes(driver)) {
    throw new AppError('unsupported', `a qcow2 is not written over ${driver}`, {
      hint: `convert the backing image first; it may be ${backingFormats.join(', ')}`,
    });
  }
  const out = Buffer.alloc(8 + Math.ceil(driver.length / 8) * 8);
  out.writeUInt32BE(extensionType.backingFormat, 0);
  out.writeUInt32BE(driver.length, 4);
  out.write(driver, 8, 'latin1');
  return out;
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

/** Opens a QED image with its chain. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import { overlay } from '../../io/disk.ts';
import { safeNumber } from '../../io/struct.ts';
import { AppError } from '../../model/errors.ts';
import { KiB, MiB } from '../../model/units.ts';
import type { ImageInfo, OpenContext, OpenImage } from '../codec.ts';
import { mappedDisk } from '../mapped-disk.ts';
import { type TwoLevels, twoLevelPieces } from '../two-level-map.ts';
import { absentEntry, features, type Header, header, headerBytes, magic, zeroEntry } from './layout.ts';

const longestName = 4096;

export async function hasMagic(source: ByteSource, signal?: AbortSignal): Promise<boolean> {
  if (source.size < headerBytes) return false;
  return (await readBytes(source, 0, 4, signal)).readUInt32LE(0) === magic;
}

export async function openQed(source: ByteSource, context: OpenContext): Promise<OpenImage> {
  const h = await readHeader(source, context.signal);
  const backing = await backingName(source, h, context.signal);
  const disk = mappedDisk({
    source,
    size: h.imageSize,
    absent: backing === undefined ? 'zero' : 'hole',
    pieces: twoLevelPieces(mapOf(source, h)),
  });
  const info = infoOf(source, h, backing);
  if (backing === undefined) return { ...disk, info };
  const parent = await context.parent(backing, isSet(h, features.backingIsRaw) ? 'raw' : undefined);
  return { ...overlay(disk, parent), info: { ...info, parent: parent.info } };
}

export function mapOf(source: ByteSource, h: Header): TwoLevels {
  const entry = (bytes: Buffer, at: number): number => safeNumber(bytes.readBigUInt64LE(at));
  const aligned = (offset: number, what: string): number => {
    if (offset % h.clusterBytes === 0) return offset;
    throw new AppError('corrupt', `a QED ${what} at ${offset}, which is no cluster`, { where: source.name });
  };
  return {
    source,
    clusterBytes: h.clusterBytes,
    l1Offset: h.l1TableOffset,
    l2Entries: tableEntries(h),
    tableOf: (bytes, at) => aligned(entry(bytes, at), 'table'),
    placeOf(bytes, at) {
      const value = entry(bytes, at);
      if (value === absentEntry) return { kind: 'hole' };
      if (value === zeroEntry) return { kind: 'zero' };
      return { kind: 'data', host: aligned(value, 'cluster') };
    },
  };
}

const isSet = (h: Header, bit: bigint): boolean => (h.features & bit) !== 0n;
const tableEntries = (h: Header): number => (h.tableClusters * h.clusterBytes) / 8;
const isPowerOf2 = (value: number): boolean => Number.isInteger(Math.log2(value));

/** @throws AppError `corrupt`, `unsupported`. */
export async function readHeader(source: ByteSource, signal?: AbortSignal): Promise<Header> {
  const refuse = (kind: 'corrupt' | 'unsupported', message: string) =>
    new AppError(kind, message, { where: source.name });
  if (!(await hasMagic(source, signal))) throw refuse('corrupt', 'no QED image');
  const h = header.decode(await readBytes(source, 0, headerBytes, signal));
  const known = features.backingFile | features.needCheck | features.backingIsRaw;
  if ((h.features & ~known) !== 0n) {
    throw refuse(
      'unsupported',
      `QED features 0x${h.features.toString(16)}, 0x${known.toString(16)} are known`,
    );
  }
  if (!isPowerOf2(h.clusterBytes) || h.clusterBytes < 4 * KiB || h.clusterBytes > 64 * MiB) {
    throw refuse(
      'corrupt',
      `QED clusters of ${h.clusterBytes} bytes, a power of two from 4 KiB to 64 MiB is expected`,
    );
  }
  if (!isPowerOf2(h.tableClusters) || h.tableClusters < 1 || h.tableClusters > 16) {
    throw refuse('corrupt', `QED tables of ${h.tableClusters} clusters, 1, 2, 4, 8 or 16 are expected`);
  }
  if (h.imageSize % 512 !== 0) throw refuse('corrupt', `a QED image of ${h.imageSize} bytes`);
  if (h.imageSize > tableEntries(h) ** 2 * h.clusterBytes) {
    throw refuse('corrupt', `a QED image of ${h.imageSize} bytes, more than its tables hold`);
  }
  if (h.l1TableOffset === 0 || h.l1TableOffset % h.clusterBytes !== 0 || h.l1TableOffset >= source.size) {
    throw refuse('corrupt', `the QED table at ${h.l1TableOffset} is misplaced`);
  }
  return h;
}

async function backingName(source: ByteSource, h: Header, signal?: AbortSignal): Promise<string | undefined> {
  if (!isSet(h, features.backingFile)) return undefined;
  const { backingNameOffset, backingNameBytes } = h;
  if (
    backingNameBytes === 0 ||
    backingNameBytes > longestName ||
    backingNameOffset + backingNameBytes > source.size
  ) {
    throw new AppError('corrupt', `a QED backing name of ${backingNameBytes} bytes at ${backingNameOffset}`, {
      where: source.name,
    });
  }
  return (await readBytes(source, backingNameOffset, backingNameBytes, signal)).toString('utf8');
}

const infoOf = (source: ByteSource, h: Header, backing: string | undefined): ImageInfo => ({
  format: 'qed',
  details: {
    clusterBytes: h.clusterBytes,
    tableClusters: h.tableClusters,
    ...(backing === undefined ? {} : { backingFile: backing }),
  },
  virtualSizeBytes: h.imageSize,
  files: [source.name],
  findings: isSet(h, features.needCheck)
    ? [
        {
          rule: 'qed.need-check',
          severity: 'warning',
          message: 'the image was not closed properly, or is in use: the last writes may be missing',
          evidence: source.name,
          remedy: 'make sure that no machine is running on it',
        },
      ]
    : [],
});

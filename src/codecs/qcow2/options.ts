/** What an encoder of qcow2 can be told, and what follows from it. */
import { AppError } from '../../model/errors.ts';
import type { OptionSpec, Options } from '../../model/options.ts';
import { formatBytes } from '../../model/units.ts';
import {
  compressedOffsetLimit,
  defaultClusterBytes,
  maximumClusterBits,
  maximumL1Bytes,
  minimumClusterBits,
  minimumExtendedClusterBytes,
  sectorBytes,
  subclusters,
} from './layout.ts';

const clusterChoices = Array.from(
  { length: maximumClusterBits - minimumClusterBits + 1 },
  (_, i) => 2 ** (minimumClusterBits + i),
);

export const encodeOptions: readonly OptionSpec[] = [
  {
    key: 'clusterSize',
    label: 'Cluster size',
    help: 'the unit of allocation; 64K is what qemu takes',
    kind: 'bytes',
    min: clusterChoices[0]!,
    max: clusterChoices.at(-1)!,
    default: defaultClusterBytes,
    choices: clusterChoices,
  },
  {
    key: 'compression',
    label: 'Compression',
    help: 'zlib is read everywhere; zstd needs qemu 5.1 or later',
    kind: 'choice',
    choices: ['none', 'zlib', 'zstd'],
    default: 'none',
  },
  {
    key: 'compressionLevel',
    label: 'Compression level',
    help: '1 is fastest, 9 is smallest, 0 is the usual one of the method',
    onlyWith: { key: 'compression', values: ['zlib', 'zstd'] },
    kind: 'integer',
    min: 0,
    max: 9,
    default: 0,
  },
  {
    key: 'extendedL2',
    label: 'Subclusters',
    help: '32 parts of a cluster (16K or more) are stored apart: extended L2 entries; needs qemu 5.2 or later',
    kind: 'boolean',
    default: false,
  },
];

export interface EncodeSettings {
  readonly clusterBytes: number;
  readonly clusterBits: number;
  readonly compression: 'none' | 'zlib' | 'zstd';
  readonly level: number;
  readonly extendedL2: boolean;
  /** The least that has a state of its own, bytes: a cluster, or a part of one. */
  readonly grainBytes: number;
}

/** @throws AppError `usage` for options that exclude each other. */
export function encodeSettings(options: Options): EncodeSettings {
  const clusterBytes = Number(options.clusterSize);
  const extendedL2 = options.extendedL2 === true;
  if (extendedL2 && clusterBytes < minimumExtendedClusterBytes) {
    const message = `option extendedL2: not possible with clusters of ${formatBytes(clusterBytes)}`;
    throw new AppError('usage', message, {
      hint: `choose clusters of ${formatBytes(minimumExtendedClusterBytes)} or more, or leave it out`,
    });
  }
  return {
    clusterBytes,
    clusterBits: Math.log2(clusterBytes),
    compression: options.compression as EncodeSettings['compression'],
    level: Number(options.compressionLevel),
    extendedL2,
    // A compressed cluster is one whole.
    grainBytes: extendedL2 && options.compression === 'none' ? clusterBytes / subclusters : clusterBytes,
  };
}

export const entryBytes = ({ extendedL2 }: Pick<EncodeSettings, 'extendedL2'>): number =>
  extendedL2 ? 16 : 8;

/** Guest bytes of one L2 table. */
export const coveredBytes = (settings: Pick<EncodeSettings, 'clusterBytes' | 'extendedL2'>): number =>
  (settings.clusterBytes / entryBytes(settings)) * settings.clusterBytes;

/**
 * By qemu's limits for the L1 table and the refcount table. Both allow the same number of clusters; a 32nd part
 * is kept for the tables themselves.
 */
export function maximumBytes(options: Options): number {
  const settings = encodeSettings(options);
  const { clusterBytes, clusterBits, compression } = settings;
  const byTables = (maximumL1Bytes / 8) * coveredBytes(settings);
  const byOffset = compression === 'none' ? 2 ** 56 : compressedOffsetLimit(clusterBits);
  const most = Math.min(byTables, byOffset, Number.MAX_SAFE_INTEGER);
  return Math.floor((most * 31) / 32 / clusterBytes) * clusterBytes;
}

/** qemu counts in sectors of 512 bytes: it cuts a size that is no multiple of them. */
export const representableBytes = (size: number): number => Math.ceil(size / sectorBytes) * sectorBytes;

/** What an encoder of qcow2 can be told, and what follows from it. */
import type { OptionSpec, Options } from '../../model/options.ts';
import {
  compressedOffsetLimit,
  defaultClusterBytes,
  maximumClusterBits,
  maximumL1Bytes,
  minimumClusterBits,
  sectorBytes,
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
];

export interface EncodeSettings {
  readonly clusterBytes: number;
  readonly clusterBits: number;
  readonly compression: 'none' | 'zlib' | 'zstd';
  readonly level: number;
}

export function encodeSettings(options: Options): EncodeSettings {
  const clusterBytes = Number(options.clusterSize);
  return {
    clusterBytes,
    clusterBits: Math.log2(clusterBytes),
    compression: options.compression as EncodeSettings['compression'],
    level: Number(options.compressionLevel),
  };
}

/** Guest bytes of one L2 table of 8-byte entries. */
export const coveredBytes = (clusterBytes: number): number => (clusterBytes / 8) * clusterBytes;

/**
 * By qemu's limits for the L1 table and the refcount table. Both allow the same number of clusters; a 32nd part
 * is kept for the tables themselves.
 */
export function maximumBytes(options: Options): number {
  const { clusterBytes, clusterBits, compression } = encodeSettings(options);
  const byTables = (maximumL1Bytes / 8) * coveredBytes(clusterBytes);
  const byOffset = compression === 'none' ? 2 ** 56 : compressedOffsetLimit(clusterBits);
  const most = Math.min(byTables, byOffset, Number.MAX_SAFE_INTEGER);
  return Math.floor((most * 31) / 32 / clusterBytes) * clusterBytes;
}

/** qemu counts in sectors of 512 bytes: it cuts a size that is no multiple of them. */
export const representableBytes = (size: number): number => Math.ceil(size / sectorBytes) * sectorBytes;

/**
 * Raw: the disk's bytes, one behind the other, and nothing else. There is no mark to tell it by, so the probe
 * only ever says `maybe`. Holes of the file are zeros.
 */
import { type Disk, sourceDisk } from '../../io/disk.ts';
import type { EncodedFile } from '../../io/encoded-file.ts';
import type { OptionSpec, Options } from '../../model/options.ts';
import type { Codec, OpenImage } from '../codec.ts';
import { rawChunks } from './encode.ts';

const options: readonly OptionSpec[] = [
  {
    key: 'preallocation',
    label: 'Preallocation',
    help: 'off leaves holes where the disk is zero; full writes every byte',
    kind: 'choice',
    choices: ['off', 'full'],
    default: 'off',
  },
];

export const rawCodec: Codec = {
  id: 'raw',
  label: 'Raw disk',
  extensions: ['raw', 'img', 'dd', 'bin'],
  async probe() {
    return 'maybe';
  },
  async open(source): Promise<OpenImage> {
    return {
      ...sourceDisk(source),
      info: {
        format: 'raw',
        details: {},
        virtualSizeBytes: source.size,
        files: [source.name],
        findings: [],
      },
    };
  },
  encoder: {
    options,
    maximumBytes: () => Number.MAX_SAFE_INTEGER,
    representableBytes: (size) => size,
    async encode(disk: Disk, name: string, given: Options): Promise<EncodedFile[]> {
      const full = given.preallocation === 'full';
      return [
        {
          name,
          size: disk.size,
          late: false,
          chunks: (signal) => rawChunks(disk, full, signal),
        },
      ];
    },
  },
};

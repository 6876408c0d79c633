/**
 * Raw: the disk's bytes, one behind the other, and nothing else. There is no mark to tell it by, so the probe
 * only ever says `maybe`. Holes of the file are zeros.
 */
import { type Disk, sourceDisk } from '../../io/disk.ts';
import type { EncodedFile } from '../../io/encoded-file.ts';
import { mostParts } from '../../io/part-names.ts';
import type { OptionSpec, Options } from '../../model/options.ts';
import type { Codec, OpenImage } from '../codec.ts';
import { rawFile, rawParts } from './encode.ts';

const options: readonly OptionSpec[] = [
  {
    key: 'preallocation',
    label: 'Preallocation',
    help: 'off leaves holes where the disk is zero; full writes every byte',
    kind: 'choice',
    choices: ['off', 'full'],
    default: 'off',
  },
  {
    key: 'splitSize',
    label: 'Part size',
    help: 'cuts the disk into files of this size (.001, .002 …), for media that hold no larger ones; 0 for one file',
    kind: 'bytes',
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    default: 0,
    zero: 'one file',
  },
];

export const rawCodec: Codec = {
  id: 'raw',
  label: 'Raw disk',
  extensions: ['raw', 'img', 'dd', 'bin'],
  async probe() {
    return 'maybe';
  },
  forward: () => true,
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
    maximumBytes({ splitSize }) {
      return Number(splitSize) === 0
        ? Number.MAX_SAFE_INTEGER
        : Math.min(Number(splitSize) * mostParts, Number.MAX_SAFE_INTEGER);
    },
    representableBytes: (size) => size,
    steady: () => true,
    async encode(disk: Disk, name: string, given: Options): Promise<EncodedFile[]> {
      const full = given.preallocation === 'full';
      const splitSize = Number(given.splitSize ?? 0);
      if (splitSize === 0) return [{ ...rawFile(disk, name, full), ...(full ? {} : { linear: true }) }];
      return rawParts(disk, name, splitSize, full);
    },
  },
};

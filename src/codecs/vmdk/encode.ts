/**
 * What is written: the layouts of VMware Workstation (monolithic and split, sparse and flat), the stream of OVF
 * packages, and a flat disk as it lies on an ESXi datastore. The disk is read once, ascending.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import type { Disk } from '../../io/disk.ts';
import { type EncodedFile, textFile } from '../../io/encoded-file.ts';
import { AppError } from '../../model/errors.ts';
import type { OptionSpec, Options } from '../../model/options.ts';
import { GiB, MiB, TiB } from '../../model/units.ts';
import type { Encoder } from '../codec.ts';
import { descriptorText, noParent } from './descriptor.ts';
import { flatFile } from './encode-flat.ts';
import { sparseFile } from './encode-sparse.ts';
import { streamFile } from './encode-stream.ts';
import { sectorBytes } from './layout.ts';

const subformats = [
  'monolithicSparse',
  'streamOptimized',
  'monolithicFlat',
  'twoGbMaxExtentSparse',
  'twoGbMaxExtentFlat',
  'vmfs',
] as const;
type Subformat = (typeof subformats)[number];

/** Workstation's own split, so that no file passes 2 GiB with its tables. */
const splitBytes = 2047 * MiB;

const options: readonly OptionSpec[] = [
  {
    kind: 'choice',
    key: 'subformat',
    label: 'Layout',
    help: 'streamOptimized is for OVF packages and uploads, vmfs for an ESXi datastore, the others for Workstation',
    choices: subformats,
    default: 'monolithicSparse',
  },
  {
    kind: 'choice',
    key: 'adapter',
    label: 'Adapter',
    help: 'the controller that the disk is meant for',
    choices: ['lsilogic', 'ide', 'buslogic', 'pvscsi'],
    default: 'lsilogic',
  },
  {
    kind: 'integer',
    key: 'compressionLevel',
    label: 'Compression level',
    help: '1 is fast, 9 is small',
    onlyWith: { key: 'subformat', values: ['streamOptimized'] },
    min: 1,
    max: 9,
    default: 4,
  },
  {
    kind: 'integer',
    key: 'hwVersion',
    label: 'Hardware version',
    help: 'virtual hardware version noted in the descriptor',
    min: 3,
    max: 30,
    default: 4,
  },
  {
    kind: 'boolean',
    key: 'uuids',
    label: 'UUIDs',
    help: 'note in the descriptor the UUIDs by which VirtualBox knows its disks',
    default: false,
  },
];

export const vmdkEncoder: Encoder = {
  options,
  maximumBytes: ({ subformat }) => maximum(subformat as Subformat),
  representableBytes: (size) => Math.ceil(size / sectorBytes) * sectorBytes,
  steady: ({ subformat }) => subformat !== 'streamOptimized',
  async encode(disk, name, given) {
    const subformat = given.subformat as Subformat;
    if (disk.size > maximum(subformat)) {
      throw new AppError(
        'unsupported',
        `a ${subformat} VMDK holds at most ${maximum(subformat)} bytes, the disk has ${disk.size}`,
        {
          hint: 'choose the layout vmfs or monolithicFlat',
        },
      );
    }
    // The descriptor puts names between quotes and has no way to escape one.
    if (/["\r\n\0]/.test(name)) throw new AppError('usage', `a VMDK can't be named ${JSON.stringify(name)}`);
    return encodeAs(subformat, disk, name, given);
  },
};

/**
 * A sparse extent addresses its grains with 32 bits of sectors, the tables (2 × 128 MiB at 2 TiB) included.
 * Workstation's disks have at most 8 TiB, those of ESXi 62 TiB; a stream's limit is 2 TiB of compressed data.
 */
function maximum(subformat: Subformat): number {
  switch (subformat) {
    case 'monolithicSparse':
      return 2 * TiB - GiB;
    case 'twoGbMaxExtentSparse':
    case 'twoGbMaxExtentFlat':
      return 8 * TiB;
    default:
      return 62 * TiB;
  }
}

function encodeAs(subformat: Subformat, disk: Disk, name: string, given: Options): EncodedFile[] {
  const base = name.replace(/\.vmdk$/i, '');
  const describe = (extentLines: readonly string[]) =>
    descriptorText({
      createType: subformat,
      contentId: freshContentId(),
      extentLines,
      // VMware's products write lsilogic for a disk on a paravirtual adapter as well.
      adapterType: given.adapter === 'pvscsi' ? 'lsilogic' : String(given.adapter),
      hwVersion: Number(given.hwVersion),
      capacitySectors: sectorsOf(disk.size),
      ...(given.uuids === true ? { uuids: { image: randomUUID(), modification: randomUUID() } } : {}),
    });
  const described = (files: readonly EncodedFile[], lines: readonly string[]) => [
    textFile(name, describe(lines)),
    ...files,
  ];
  switch (subformat) {
    case 'monolithicSparse': {
      const descriptor = describe([`RW ${sectorsOf(disk.size)} SPARSE "${name}"`]);
      return [sparseFile(disk, name, { from: 0, to: disk.size, descriptor })];
    }
    case 'streamOptimized': {
      const descriptor = describe([`RW ${sectorsOf(disk.size)} SPARSE "${name}"`]);
      return [streamFile(disk, name, { descriptor, level: Number(given.compressionLevel) })];
    }
    case 'monolithicFlat':
    case 'vmfs': {
      const linear = disk.size % sectorBytes === 0 ? { linear: true as const } : {};
      const file = { ...flatFile(disk, `${base}-flat.vmdk`, 0, disk.size), ...linear };
      const type = subformat === 'vmfs' ? `VMFS "${file.name}"` : `FLAT "${file.name}" 0`;
      return described([file], [`RW ${sectorsOf(disk.size)} ${type}`]);
    }
    case 'twoGbMaxExtentSparse': {
      const parts = split(disk.size).map((range, i) => ({ ...range, file: `${base}-s${number(i)}.vmdk` }));
      return described(
        parts.map(({ from, to, file }) => sparseFile(disk, file, { from, to })),
        parts.map(({ from, to, file }) => `RW ${sectorsOf(to - from)} SPARSE "${file}"`),
      );
    }
    case 'twoGbMaxExtentFlat': {
      const parts = split(disk.size).map((range, i) => ({ ...range, file: `${base}-f${number(i)}.vmdk` }));
      return described(
        parts.map(({ from, to, file }) => flatFile(disk, file, from, to)),
        parts.map(({ from, to, file }) => `RW ${sectorsOf(to - from)} FLAT "${file}" 0`),
      );
    }
  }
}

const sectorsOf = (bytes: number): number => Math.ceil(bytes / sectorBytes);
const number = (index: number): string => String(index + 1).padStart(3, '0');

function split(size: number): { from: number; to: number }[] {
  const count = Math.max(1, Math.ceil(size / splitBytes));
  return Array.from({ length: count }, (_, i) => ({
    from: i * splitBytes,
    to: Math.min(size, (i + 1) * splitBytes),
  }));
}

/** Not 0xffffffff, which says that there is none, nor 0xfffffffe, which VMware keeps for its own use. */
function freshContentId(): number {
  for (;;) {
    const id = randomBytes(4).readUInt32LE(0);
    if (id < noParent - 1) return id;
  }
}

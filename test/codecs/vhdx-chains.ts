/** Differencing disks on a parent of ours, in all states that a block can have. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { vhdxCodec } from '../../src/codecs/vhdx/index.ts';
import { formatGuid } from '../../src/codecs/vhdx/layout.ts';
import { memorySource } from '../../src/io/byte-source.ts';
import { sourceDisk } from '../../src/io/disk.ts';
import { MiB } from '../../src/model/units.ts';
import { encodeToFile, rawContent } from '../conformance/images.ts';
import { randomBytes } from '../conformance/random.ts';
import { type ChildBlock, childFile, dataWriteGuidOf } from './vhdx-images.ts';

export interface ChildCase {
  readonly name: string;
  readonly sectorSize: number;
  readonly blockSize: number;
  /** With the linkage, in its braces. */
  locator(linkage: string): Record<string, string>;
  /** How much larger than its parent it is, bytes. */
  readonly grown?: number;
  readonly zeroBlocks?: boolean;
  /** Where libvhdi 20210425 does otherwise than the spec says. */
  readonly notByLibvhdi?: string;
}

/** As Hyper-V writes it; libvhdi goes by the absolute name. */
const hyperV = (linkage: string) => ({
  parent_linkage: linkage,
  relative_path: '.\\base.vhdx',
  volume_path: '\\\\?\\Volume{26a21bda-a627-11d7-9931-806e6f6e6963}\\vms\\base.vhdx',
  absolute_win32_path: '\\\\?\\C:\\vms\\base.vhdx',
});

export const childCases: readonly ChildCase[] = [
  { name: 'blocks of 1 MiB', sectorSize: 512, blockSize: MiB, locator: hyperV },
  { name: 'blocks of 2 MiB, sectors of 4096', sectorSize: 4096, blockSize: 2 * MiB, locator: hyperV },
  {
    name: 'blocks of zeros',
    sectorSize: 512,
    blockSize: MiB,
    locator: hyperV,
    zeroBlocks: true,
    notByLibvhdi: 'asks the parent for a block that is zero',
  },
  {
    name: 'larger than its parent',
    sectorSize: 512,
    blockSize: MiB,
    locator: hyperV,
    grown: 3 * MiB,
    notByLibvhdi: 'fails past the end of the parent',
  },
  {
    name: 'found by its absolute name, under its second linkage',
    notByLibvhdi: 'knows one linkage only',
    sectorSize: 512,
    blockSize: MiB,
    locator: (linkage) => ({
      parent_linkage: '{99999999-0000-4000-8000-000000000000}',
      parent_linkage2: linkage.toUpperCase(),
      relative_path: '..\\gone\\gone.vhdx',
      absolute_win32_path: '\\\\?\\C:\\vms\\base.vhdx',
    }),
  },
];

/** `base.vhdx` and `child.vhdx` in the folder, and what the child shows. */
export async function writeChain(
  folder: string,
  { sectorSize, blockSize, locator, grown = 0, zeroBlocks = false }: ChildCase,
): Promise<{ base: string; child: string; expected: Buffer }> {
  const content = Buffer.concat([rawContent('full'), rawContent('scrambled').subarray(0, 3 * MiB)]);
  const base = join(folder, 'base.vhdx');
  const below = sourceDisk(memorySource(content));
  await encodeToFile(vhdxCodec, below, base, { blockSize, logicalSectorSize: sectorSize });
  const expected = Buffer.concat([content, Buffer.alloc(grown)]);
  const blocks = new Map<number, ChildBlock>();
  const last = Math.ceil(expected.length / blockSize) - 1;
  // Not in their order, the last one among them.
  for (const [i, block] of [...new Set([3, 0, last])].entries()) {
    const bytes = randomBytes(blockSize, 70 + i);
    const sectors = Array.from(
      { length: blockSize / sectorSize },
      (_, s) => (s < 64 ? s : s >> 4) % 5 === i || s % 97 === 0,
    );
    blocks.set(block, { state: 'partiallyPresent', bytes, sectors });
    sectors.forEach((here, s) => {
      const at = s * sectorSize;
      if (here) bytes.copy(expected, block * blockSize + at, at, at + sectorSize);
    });
  }
  const full = randomBytes(blockSize, 80);
  blocks.set(2, { state: 'fullyPresent', bytes: full });
  full.copy(expected, 2 * blockSize);
  if (zeroBlocks) {
    for (const [block, state] of [
      [1, 'zero'],
      [5, 'unmapped'],
      [4, 'undefined'],
    ] as const) {
      blocks.set(block, { state });
      expected.fill(0, block * blockSize, (block + 1) * blockSize);
    }
  }
  const linkage = `{${formatGuid(dataWriteGuidOf(await readFile(base)))}}`;
  const size = expected.length;
  const child = join(folder, 'child.vhdx');
  await writeFile(child, childFile({ size, blockSize, sectorSize, blocks, locator: locator(linkage) }));
  return { base, child, expected };
}

/**
 * Snapshots as ESXi makes them, written by hand: no tool outside ESXi makes vmfsSparse (COWD) or seSparse extents.
 * COWD after VMware's "Virtual Disk Format 5.0"; seSparse after the facts in `se-sparse.ts`. QEMU reads both.
 */
import { cowdHeader } from '../../src/codecs/vmdk/cowd.ts';
import { seSparseHeader, volatileHeader } from '../../src/codecs/vmdk/se-sparse.ts';
import { randomNumbers, shuffled } from '../conformance/random.ts';

const sector = 512;

/** What a grain is: bytes of its own, or zeros said to be so in one of two ways; else the parent's. */
export type Grains = Map<number, Buffer | 'zero' | 'unmapped'>;

/** Some of the grains of `content`, in runs of random length. `zeros` with runs said to be zeros, too. */
export function someGrains(content: Buffer, grainBytes: number, seed: number, zeros: boolean): Grains {
  const random = randomNumbers(seed);
  const out: Grains = new Map();
  const count = Math.ceil(content.length / grainBytes);
  for (let grain = 0; grain < count; ) {
    const end = Math.min(count, grain + 1 + Math.floor(random() ** 3 * 300));
    const kind = random();
    for (; grain < end; grain++) {
      if (kind < 0.5) continue;
      const bytes = Buffer.alloc(grainBytes);
      content.copy(bytes, 0, grain * grainBytes, (grain + 1) * grainBytes);
      if (kind < 0.8 || !zeros) out.set(grain, bytes);
      else out.set(grain, kind < 0.9 ? 'zero' : 'unmapped');
    }
  }
  return out;
}

/** `parent` with the grains over it. */
export function withGrains(parent: Buffer, grains: Grains, grainBytes: number): Buffer {
  const out = Buffer.from(parent);
  for (const [grain, bytes] of grains) {
    const end = Math.min(out.length, (grain + 1) * grainBytes);
    if (typeof bytes === 'string') out.fill(0, grain * grainBytes, end);
    else bytes.copy(out, grain * grainBytes, 0, end - grain * grainBytes);
  }
  return out;
}

/** Runs stay together as ESXi keeps them; their order in the file is mixed. */
function fileOrder(grains: Grains): number[] {
  const runs: number[][] = [];
  for (const grain of [...grains.keys()].filter((g) => typeof grains.get(g) !== 'string')) {
    if (runs.at(-1)?.at(-1) === grain - 1 && runs.at(-1)!.length < 40) runs.at(-1)!.push(grain);
    else runs.push([grain]);
  }
  return shuffled(runs, 3).flat();
}

export function cowdExtent(sectors: number, grains: Grains, grainSectors = 1): Buffer {
  const coverage = 4096 * grainSectors;
  const entries = Math.ceil(sectors / coverage);
  const directorySectors = Math.ceil((entries * 4) / sector);
  const used = [...new Set([...grains.keys()].map((g) => Math.floor(g / 4096)))];
  const tablesAt = 4 + directorySectors;
  const directory = Buffer.alloc(directorySectors * sector);
  const tables = Buffer.alloc(used.length * 4096 * 4);
  shuffled(used, 2).forEach((table, i) => {
    directory.writeUInt32LE(tablesAt + i * 32, table * 4);
  });
  const dataAt = tablesAt + used.length * 32;
  const data: Buffer[] = [];
  fileOrder(grains).forEach((grain, i) => {
    const table = directory.readUInt32LE(Math.floor(grain / 4096) * 4) - tablesAt;
    tables.writeUInt32LE(dataAt + i * grainSectors, table * sector + (grain % 4096) * 4);
    data.push(grains.get(grain) as Buffer);
  });
  const header = cowdHeader.encode({
    ...{ magicNumber: 'COWD', version: 1, flags: 3, numSectors: sectors, grainSize: grainSectors },
    ...{ gdOffset: 4, numGDEntries: entries, freeSector: dataAt + data.length * grainSectors },
  });
  return Buffer.concat([header, directory, tables, ...data]);
}

export function seSparseExtent(sectors: number, grains: Grains): Buffer {
  const coverage = 4096 * 8;
  const needed = Math.ceil(sectors / coverage);
  const directorySectors = Math.ceil((needed * 8) / sector);
  const used = shuffled([...new Set([...grains.keys()].map((g) => Math.floor(g / 4096)))], 2);
  const places = {
    ...{ volatileHeaderOffset: 1, volatileHeaderSize: 1, journalHeaderOffset: 2, journalHeaderSize: 2 },
    ...{ journalOffset: 2048, journalSize: 2048, grainDirOffset: 4096, grainDirSize: directorySectors },
  };
  const grainTablesOffset = 4096 + directorySectors;
  const grainTablesSize = needed * 64;
  const freeBitmapOffset = grainTablesOffset + grainTablesSize;
  const freeBitmapSize = Math.ceil(needed / 8 / sector);
  const backmapOffset = freeBitmapOffset + freeBitmapSize;
  const grainsOffset = backmapOffset + grainTablesSize;
  const tail = Buffer.alloc((grainsOffset - 4096) * sector);
  used.forEach((table, i) => {
    tail.writeBigUInt64LE(0x1000000000000000n | BigInt(i), table * 8);
  });
  const entryAt = (grain: number) =>
    (directorySectors + used.indexOf(Math.floor(grain / 4096)) * 64) * sector + (grain % 4096) * 8;
  for (const [grain, kind] of grains) {
    if (kind === 'zero') tail.writeBigUInt64LE(0x2000000000000000n, entryAt(grain));
    if (kind === 'unmapped') tail.writeBigUInt64LE(0x1000000000000000n, entryAt(grain));
  }
  const data: Buffer[] = [];
  fileOrder(grains).forEach((grain, i) => {
    const entry = (3n << 60n) | (BigInt(i & 0xfff) << 48n) | BigInt(i >> 12);
    tail.writeBigUInt64LE(entry, entryAt(grain));
    data.push(grains.get(grain) as Buffer);
  });
  const header = seSparseHeader.encode({
    ...{ magic: 0xcafebaben, version: 0x200000001n, capacity: sectors, grainSize: 8, grainTableSize: 64 },
    ...places,
    ...{ grainTablesOffset, grainTablesSize, freeBitmapOffset, freeBitmapSize, backmapOffset },
    ...{ backmapSize: grainTablesSize, grainsOffset, grainsSize: needed * 4096 * 8 },
  });
  const state = volatileHeader.encode({ magic: 0xcafecafen });
  return Buffer.concat([header, state, Buffer.alloc(4094 * sector), tail, ...data]);
}

/** QEMU 7.2 counts an extent line twice that follows an empty line: there is a comment between. */
export function deltaDescriptor(
  type: 'vmfsSparse' | 'seSparse',
  sectors: number,
  extent: string,
  parent?: { readonly file: string; readonly cid: string },
): string {
  const below =
    parent === undefined
      ? 'parentCID=ffffffff'
      : `parentCID=${parent.cid}\nparentFileNameHint="${parent.file}"`;
  return `# Disk DescriptorFile\nversion=1\nCID=0badf00d\n${below}\ncreateType="${type}"\n\n# Extent description\nRW ${sectors} ${type.toUpperCase()} "${extent}"\n`;
}

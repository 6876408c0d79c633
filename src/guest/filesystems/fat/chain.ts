/** The table of clusters: which follows which, and which are free. fatgen103, "FAT Data Structure". */
import { AppError } from '../../../model/errors.ts';
import { bytesAt, type Looking } from '../../looking.ts';
import type { Budget } from '../files.ts';
import type { FatGeometry } from './layout.ts';

/** The clusters of a chain as places on the volume; nothing for cluster 0, which an empty file has. */
export async function* clusterChain(
  looking: Looking,
  geometry: FatGeometry,
  budget: Budget,
  first: number,
): AsyncGenerator<{ at: number; length: number }> {
  const { clusterBytes, clusters, dataAt } = geometry;
  for (let cluster = first; !isEnd(geometry, cluster); ) {
    if (cluster === 0 && first === 0) return;
    if (cluster < 2 || cluster > clusters + 1)
      throw new AppError('corrupt', `FAT cluster ${cluster} of ${clusters}`);
    budget.spend();
    yield { at: dataAt + (cluster - 2) * clusterBytes, length: clusterBytes };
    cluster = await fatEntry(looking, geometry, cluster);
  }
}

const isEnd = ({ bits }: FatGeometry, cluster: number): boolean =>
  cluster >= (bits === 12 ? 0xff8 : bits === 16 ? 0xfff8 : 0x0ffffff8);

/** The table's entry of a cluster; 12-bit entries share a byte with their neighbour. */
export async function fatEntry(looking: Looking, geometry: FatGeometry, cluster: number): Promise<number> {
  const { bits, fatAt } = geometry;
  const at = fatAt + Math.floor((cluster * bits) / 8);
  if (bits === 32) return (await bytesAt(looking, at, 4)).readUInt32LE(0) & 0x0fffffff;
  const two = (await bytesAt(looking, at, 2)).readUInt16LE(0);
  if (bits === 16) return two;
  return cluster % 2 === 0 ? two & 0xfff : two >> 4;
}

/** FAT32 keeps the number in a sector of its own, where it can be wrong; the smaller tables are counted. */
export async function freeClusters(
  looking: Looking,
  geometry: FatGeometry,
  sector: Buffer,
): Promise<number | undefined> {
  const { bits, clusters, fatAt, sectorBytes } = geometry;
  if (bits === 32) {
    const info = await bytesAt(looking, sector.readUInt16LE(48) * sectorBytes, 512);
    const free = info.readUInt32LE(488);
    return info.readUInt32LE(484) === 0x61417272 && free <= clusters ? free : undefined;
  }
  const table = await bytesAt(looking, fatAt, Math.ceil(((clusters + 2) * bits) / 8) + 1);
  let free = 0;
  for (let cluster = 2; cluster < clusters + 2; cluster++) {
    const two = table.readUInt16LE(Math.floor((cluster * bits) / 8));
    if ((bits === 16 ? two : cluster % 2 === 0 ? two & 0xfff : two >> 4) === 0) free++;
  }
  return free;
}

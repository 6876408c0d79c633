/** Read-only FAT12, FAT16 and FAT32, as far as small files need it. */
import { readBytes } from '../../../io/byte-source.ts';
import { AppError } from '../../../model/errors.ts';
import { bytesAt, type Looking } from '../../looking.ts';
import { Budget, type Files, type Nodes, walk } from '../files.ts';
import { decodeEntries, type FatEntry } from './folder.ts';
import { type FatGeometry, fatGeometry } from './layout.ts';

/** The specification's limit: 65536 entries of 32 bytes. */
const maxFolderBytes = 2 ** 21;
const clusterBudget = 50_000;

/** @throws AppError `corrupt`. */
export async function openFat(looking: Looking): Promise<Files> {
  const geometry = fatGeometry(await bytesAt(looking, 0, 512));
  if (geometry === undefined) throw new AppError('corrupt', 'no FAT boot sector');
  const chain = clusterChain(looking, geometry);
  const nodes: Nodes<FatEntry> = {
    root: { name: '', shortName: '', isFolder: true, cluster: 0, size: 0 },
    kind: (entry) => (entry.isFolder ? 'folder' : 'file'),
    async child(folder, name) {
      const wanted = name.toLowerCase();
      const entries = decodeEntries(await folderBytes(looking, geometry, chain, folder.cluster));
      return entries.find((e) => e.name.toLowerCase() === wanted || e.shortName.toLowerCase() === wanted);
    },
    async target() {
      throw new AppError('bug', 'FAT has no links');
    },
  };
  return {
    async stat(path) {
      const entry = await walk(nodes, path);
      return entry && { kind: nodes.kind(entry), size: entry.size };
    },
    async read(path, maxBytes) {
      const entry = await walk(nodes, path);
      if (entry === undefined || entry.isFolder) return undefined;
      const wanted = Math.min(entry.size, maxBytes);
      const bytes = await chain(entry.cluster, wanted);
      if (bytes.length < wanted) {
        throw new AppError(
          'corrupt',
          `FAT file of ${entry.size} bytes: its chain ends after ${bytes.length}`,
        );
      }
      return bytes.subarray(0, wanted);
    },
    async list(path) {
      const folder = await walk(nodes, path);
      if (!folder?.isFolder) return [];
      return decodeEntries(await folderBytes(looking, geometry, chain, folder.cluster)).map((e) => e.name);
    },
  };
}

type Chain = (cluster: number, maxBytes: number) => Promise<Buffer>;

/** The root folder, which is what cluster 0 means. Also for reading the label. */
export function rootFolder(looking: Looking, geometry: FatGeometry): Promise<Buffer> {
  return folderBytes(looking, geometry, clusterChain(looking, geometry), 0);
}

async function folderBytes(
  looking: Looking,
  geometry: FatGeometry,
  chain: Chain,
  cluster: number,
): Promise<Buffer> {
  if (cluster !== 0) return chain(cluster, maxFolderBytes);
  if (geometry.bits === 32) return chain(geometry.rootCluster, maxFolderBytes);
  return bytesAt(looking, geometry.rootAt, Math.min(geometry.rootBytes, maxFolderBytes));
}

/** Reads chains; a chain that comes to no end runs into `maxBytes` or the budget. */
function clusterChain(looking: Looking, geometry: FatGeometry): Chain {
  const budget = new Budget(clusterBudget, 'clusters of a FAT volume');
  const { clusterBytes, clusters, dataAt } = geometry;
  return async (first, maxBytes) => {
    const parts: Buffer[] = [];
    let cluster = first;
    for (let length = 0; length < maxBytes; length += clusterBytes) {
      if (cluster === 0 && parts.length === 0) break; // an empty file has no cluster
      if (isEnd(geometry, cluster)) break;
      if (cluster < 2 || cluster > clusters + 1) {
        throw new AppError('corrupt', `FAT cluster ${cluster} of ${clusters}`);
      }
      budget.spend();
      parts.push(
        await readBytes(looking.disk, dataAt + (cluster - 2) * clusterBytes, clusterBytes, looking.signal),
      );
      cluster = await fatEntry(looking, geometry, cluster);
    }
    return Buffer.concat(parts);
  };
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

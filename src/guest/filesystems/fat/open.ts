/** Read-only FAT12, FAT16 and FAT32. */
import { AppError } from '../../../model/errors.ts';
import { bytesAt, type Looking } from '../../looking.ts';
import { given, plainText, serialAt } from '../../text.ts';
import { Budget, type VolumeFacts, type VolumeFiles } from '../files.ts';
import { filesOf, type Reader } from '../reader.ts';
import { type Run, readRuns } from '../runs.ts';
import { clusterChain, fatEntry, freeClusters } from './chain.ts';
import { decodeEntries, type FatEntry, labelIn } from './folder.ts';
import { extendedBoot, type FatGeometry, fatGeometry } from './layout.ts';

export { fatEntry };

/** The specification's limit: 65536 entries of 32 bytes. */
const maxFolderBytes = 2 ** 21;
const clusterBudget = 50_000;

/** @throws AppError `corrupt`. */
export async function openFat(looking: Looking): Promise<VolumeFiles> {
  const sector = await bytesAt(looking, 0, 512);
  const geometry = fatGeometry(sector);
  if (geometry === undefined) throw new AppError('corrupt', 'no FAT boot sector');
  const budget = new Budget(clusterBudget, 'clusters of a FAT volume');
  const reader: Reader<FatEntry> = {
    root: { name: '', shortName: '', isFolder: true, cluster: 0, size: 0, modifiedAt: 0 },
    facts: await factsOf(looking, geometry, sector),
    budget,
    key: (folder) => folder.cluster,
    stat: ({ isFolder, size, modifiedAt }) => ({ kind: isFolder ? 'folder' : 'file', size, modifiedAt }),
    async *entries(folder) {
      for (const entry of decodeEntries(await folderBytes(looking, geometry, budget, folder.cluster))) {
        const kind = entry.isFolder ? 'folder' : 'file';
        yield { name: entry.name, alias: entry.shortName, kind, node: async () => entry };
      }
    },
    fold: () => (name) => name.toLowerCase(),
    readInto: (file, target, offset) => {
      budget.refill(Math.ceil((offset + target.length) / 512));
      return readRuns(looking, target, fileRuns(looking, geometry, budget, file, offset));
    },
    async target() {
      throw new AppError('bug', 'FAT has no links');
    },
  };
  return filesOf(reader);
}

async function factsOf(looking: Looking, geometry: FatGeometry, sector: Buffer): Promise<VolumeFacts> {
  const at = geometry.bits === 32 ? 64 : 36;
  const extended = extendedBoot.decode(sector, at);
  const known = extended.bootSignature === 0x29;
  const label = labelIn(await rootFolder(looking, geometry)) ?? (known ? extended.label : '');
  const free = await freeClusters(looking, geometry, sector);
  // The second entry has a bit that is cleared while mounted; FAT12 has no room for it.
  const mark = geometry.bits === 12 ? 1 : await fatEntry(looking, geometry, 1);
  const cleanBits = { 12: 1, 16: 0x8000, 32: 0x08000000 }[geometry.bits];
  return {
    ...given('label', plainText(label === 'NO NAME' ? '' : label)),
    ...(known ? { uuid: serialAt(sector, at + 3, 4) } : {}),
    blockBytes: geometry.clusterBytes,
    sizeBytes: geometry.totalBytes,
    ...(free === undefined ? {} : { freeBytes: free * geometry.clusterBytes }),
    state: (mark & cleanBits) === 0 ? 'dirty' : 'clean',
    notes: [],
  };
}

/** The root folder, which is what cluster 0 means. Also for reading the label. */
export function rootFolder(looking: Looking, geometry: FatGeometry): Promise<Buffer> {
  return folderBytes(looking, geometry, new Budget(clusterBudget, 'clusters of a FAT volume'), 0);
}

async function folderBytes(
  looking: Looking,
  geometry: FatGeometry,
  budget: Budget,
  cluster: number,
): Promise<Buffer> {
  if (cluster === 0 && geometry.bits !== 32)
    return bytesAt(looking, geometry.rootAt, Math.min(geometry.rootBytes, maxFolderBytes));
  const runs: Run[] = [];
  let length = 0;
  const first = cluster || geometry.rootCluster;
  for await (const run of clusterChain(looking, geometry, budget, first)) {
    runs.push(run);
    length += run.length;
    if (length >= maxFolderBytes) break;
  }
  const bytes = Buffer.alloc(length);
  await readRuns(looking, bytes, runs);
  return bytes;
}

/** Where the last read of a file ended: the next one goes on there, not at the start of the chain. */
const resumed = new WeakMap<FatEntry, { start: number; cluster: number }>();

/** The file's bytes from `offset` on. @throws AppError `corrupt` when the chain ends before the file does. */
async function* fileRuns(
  looking: Looking,
  geometry: FatGeometry,
  budget: Budget,
  file: FatEntry,
  offset: number,
): AsyncGenerator<Run> {
  const before = resumed.get(file);
  let { start, cluster } =
    before !== undefined && before.start <= offset ? before : { start: 0, cluster: file.cluster };
  for await (const { at, length } of clusterChain(looking, geometry, budget, cluster)) {
    cluster = (at - geometry.dataAt) / geometry.clusterBytes + 2;
    resumed.set(file, { start, cluster });
    const skip = Math.max(0, Math.min(length, offset - start));
    start += length;
    if (skip < length) yield { at: at + skip, length: length - skip };
  }
  throw new AppError('corrupt', `FAT file of ${file.size} bytes: its chain ends after ${start}`);
}

/** Read-only ISO 9660, by the names of Rock Ridge, else of Joliet, else its own. */
import { AppError } from '../../../model/errors.ts';
import { bytesAt, type Looking } from '../../looking.ts';
import { fixedText, given, utf16be } from '../../text.ts';
import { Budget, type FileKind, type FileStat, type VolumeFacts, type VolumeFiles } from '../files.ts';
import { nameOf } from '../names.ts';
import { type Entry, filesOf, type Reader } from '../reader.ts';
import { checkInside, type Run, readRuns } from '../runs.ts';
import { type Descriptor, readDescriptors, sectorBytes } from './descriptors.ts';
import { decodeFolderRecord, type FolderRecord, recordsIn } from './record.ts';
import { type RockRidge, rockRidgeOf, sharingSkip } from './rock-ridge.ts';

interface IsoNode {
  readonly stat: FileStat;
  /** Where its bytes are, one piece behind the other. */
  readonly runs: readonly Run[];
  readonly target: string | undefined;
  readonly isPacked: boolean;
}

interface IsoVolume {
  readonly looking: Looking;
  readonly descriptor: Descriptor;
  readonly isJoliet: boolean;
  /** Bytes to leave out in front of Rock Ridge's fields; undefined: there are none. */
  readonly skip: number | undefined;
}

/** Some hundred thousand names. */
const maxFolderBytes = 64 * 2 ** 20;

/** @throws AppError `corrupt`. */
export async function openIso9660(looking: Looking): Promise<VolumeFiles> {
  const { primary, joliet, hasUdf } = await readDescriptors(looking);
  const skip = await rockRidgeSkip(looking, primary);
  const useJoliet = skip === undefined && joliet !== undefined;
  const volume: IsoVolume = { looking, descriptor: useJoliet ? joliet : primary, isJoliet: useJoliet, skip };
  const reader: Reader<IsoNode> = {
    root: nodeOf(volume, [decodeFolderRecord(volume.descriptor.root)], undefined),
    facts: factsOf(primary, joliet, hasUdf),
    budget: new Budget(50_000, 'steps through an ISO 9660 volume'),
    key: (node) => node.runs[0]?.at ?? -1,
    stat: (node) => node.stat,
    entries: (folder) => entriesOf(volume, folder),
    fold: () => (skip === undefined ? (name) => name.toLowerCase() : undefined),
    async readInto(file, target, offset) {
      if (file.isPacked)
        throw new AppError('unsupported', 'ISO 9660: a file compressed by mkzftree (zisofs)');
      await readRuns(looking, target, runsFrom(file.runs, offset));
    },
    target: async (link) => link.target ?? '',
  };
  return filesOf(reader);
}

/** The first record of the root, which is the root itself, says whether Rock Ridge is there. */
async function rockRidgeSkip(
  looking: Looking,
  { root, blockBytes }: Descriptor,
): Promise<number | undefined> {
  const sector = await bytesAt(looking, decodeFolderRecord(root).extent * blockBytes, sectorBytes);
  const [self] = recordsIn(sector);
  return self === undefined ? undefined : sharingSkip(self.systemUse);
}

function factsOf(primary: Descriptor, joliet: Descriptor | undefined, hasUdf: boolean): VolumeFacts {
  const { bytes, blockBytes } = primary;
  // As blkid writes it: the time of the last change.
  const time = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)/.exec(bytes.toString('latin1', 830, 846));
  const label = joliet === undefined ? '' : utf16be(joliet.bytes, 40, 32);
  return {
    ...given('label', label || fixedText(bytes, 40, 32, 'latin1')),
    ...given('uuid', time?.slice(1).join('-')),
    blockBytes,
    sizeBytes: bytes.readUInt32LE(80) * blockBytes,
    freeBytes: 0,
    state: 'clean',
    notes: hasUdf ? ['it has UDF as well, where more files may be: that is not read here'] : [],
  };
}

function* runsFrom(runs: readonly Run[], offset: number): Generator<Run> {
  let start = 0;
  for (const { at, length } of runs) {
    const skip = Math.max(0, Math.min(length, offset - start));
    start += length;
    if (skip < length) yield { at: at! + skip, length: length - skip };
  }
}

async function* entriesOf(volume: IsoVolume, folder: IsoNode): AsyncGenerator<Entry<IsoNode>> {
  const { size } = folder.stat;
  if (size > maxFolderBytes) throw new AppError('corrupt', `ISO 9660: a folder of ${size} bytes`);
  for (const run of folder.runs) checkInside(volume.looking, run.at!, run.length);
  const bytes = Buffer.alloc(size);
  await readRuns(volume.looking, bytes, folder.runs);
  let pieces: FolderRecord[] = [];
  for (const record of recordsIn(bytes)) {
    const isSelfOrParent = record.name.length === 1 && record.name[0]! < 2;
    if (isSelfOrParent || record.isAssociated) continue;
    pieces.push(record);
    if (record.goesOn) continue;
    const entry = await entryOf(volume, pieces);
    if (entry !== undefined) yield entry;
    pieces = [];
  }
}

async function entryOf(
  volume: IsoVolume,
  pieces: readonly FolderRecord[],
): Promise<Entry<IsoNode> | undefined> {
  const [record] = pieces;
  const { looking, descriptor, skip } = volume;
  const extra =
    skip === undefined
      ? undefined
      : await rockRidgeOf(looking, descriptor.blockBytes, record!.systemUse.subarray(skip));
  if (extra?.isMoved) return undefined;
  const name = extra?.name === undefined ? plainName(volume, record!.name) : nameOf(extra.name);
  if (extra?.movedTo !== undefined) {
    const place = extra.movedTo;
    return { name, kind: 'folder', node: () => movedFolder(volume, place, extra) };
  }
  const node = nodeOf(volume, pieces, extra);
  return { name, kind: node.stat.kind, node: async () => node };
}

/** Its size is in its own first record. */
async function movedFolder(volume: IsoVolume, block: number, extra: RockRidge): Promise<IsoNode> {
  const at = block * volume.descriptor.blockBytes;
  checkInside(volume.looking, at, sectorBytes);
  const [self] = recordsIn(await bytesAt(volume.looking, at, sectorBytes));
  if (self === undefined || !self.isFolder)
    throw new AppError('corrupt', `ISO 9660: no folder in block ${block}`);
  const { mode } = await rockRidgeOf(volume.looking, volume.descriptor.blockBytes, self.systemUse);
  return nodeOf(volume, [self], mode === undefined ? extra : { ...extra, mode });
}

const kinds: Readonly<Record<number, FileKind>> = { 16384: 'folder', 32768: 'file', 40960: 'link' };

function nodeOf(volume: IsoVolume, pieces: readonly FolderRecord[], extra: RockRidge | undefined): IsoNode {
  const [first] = pieces;
  const { blockBytes } = volume.descriptor;
  const runs = pieces.map(({ extent, bytes }) => ({ at: extent * blockBytes, length: bytes }));
  const target = extra?.target === undefined ? undefined : nameOf(extra.target);
  const plain: FileKind = first!.isFolder ? 'folder' : 'file';
  // What the records say counts for where the bytes are; a mode can't make a folder of a file.
  const told = extra?.mode === undefined ? plain : (kinds[extra.mode & 0xf000] ?? 'other');
  const kind = target !== undefined ? 'link' : first!.isFolder || told === 'folder' ? plain : told;
  const { mode, uid, gid, modifiedAt = first!.recordedAt } = extra ?? {};
  return {
    stat: {
      kind,
      size: target === undefined ? runs.reduce((sum, run) => sum + run.length, 0) : Buffer.byteLength(target),
      ...(mode === undefined ? {} : { mode: mode & 0o7777 }),
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
      modifiedAt,
    },
    runs,
    target,
    isPacked: extra?.isPacked === true,
  };
}

/** `NAME.EXT;1`, the dot also where there is no extension. */
function plainName(volume: IsoVolume, bytes: Buffer): string {
  const text = volume.isJoliet
    ? Buffer.from(bytes.subarray(0, bytes.length & ~1))
        .swap16()
        .toString('utf16le')
    : nameOf(bytes);
  const name = text.replace(/;\d+$/, '');
  return volume.isJoliet ? name : name.replace(/\.$/, '');
}

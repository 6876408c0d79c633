/**
 * Read-only ext2/3/4: linear and hashed folders (a hashed one is a linear one with its index hidden in empty
 * entries), links, extents, indirect blocks, inline data.
 * A journal that holds changes is replayed in memory (journal.ts).
 */
import { cached } from '../../../io/cached.ts';
import { AppError } from '../../../model/errors.ts';
import type { Looking } from '../../looking.ts';
import { fixedText, given, uuidAt } from '../../text.ts';
import type { FileKind, VolumeFacts, VolumeFiles } from '../files.ts';
import { nameOf } from '../names.ts';
import { type Entry, filesOf, type Reader } from '../reader.ts';
import { readRuns } from '../runs.ts';
import { runsOf } from './blocks.ts';
import { checkPlain, type Inode, inlineData, isCasefolded, isFastLink, isInline, statOf } from './inode.ts';
import { replayJournal } from './journal.ts';
import { checkReadable, findSuperblock, geometryOf, incompat, type Superblock } from './superblock.ts';
import { type ExtVolume, extVolume } from './volume.ts';

const rootInode = 2;
const maxLinkBytes = 4096;
/** Past this no folder is one: it would hold tens of millions of names. */
const maxFolderBytes = 2 ** 30;

/** @throws AppError `corrupt`, `unsupported` (unknown features). */
export async function openExt(looking: Looking): Promise<VolumeFiles> {
  const found = await findSuperblock(looking);
  if (found === undefined) throw new AppError('corrupt', 'no ext superblock at 1024');
  checkReadable(found.sb, found.bytes);
  if ((found.sb.featureIncompat & incompat.recover) === 0) return openWhole(looking, found, []);
  const journal = found.bytes.readUInt32LE(224);
  const old = extVolume(looking, found.sb, geometryOf(found.sb));
  // 0: it is on another disk.
  if (journal === 0)
    return openWhole(looking, found, ['its journal is elsewhere: the latest changes may be missing']);
  const { disk, transactions } = await replayJournal(old, await old.inode(journal));
  const replayed = { ...looking, disk: cached(disk) };
  return openWhole(replayed, (await findSuperblock(replayed)) ?? found, [
    `read with the ${transactions} transactions of its journal`,
  ]);
}

async function openWhole(
  looking: Looking,
  found: { sb: Superblock; bytes: Buffer },
  notes: readonly string[],
): Promise<VolumeFiles> {
  checkReadable(found.sb, found.bytes);
  const volume = extVolume(looking, found.sb, geometryOf(found.sb));
  const reader: Reader<Inode> = {
    root: await volume.inode(rootInode),
    facts: factsOf(found.sb, found.bytes, notes),
    budget: volume.budget,
    key: (inode) => inode.number,
    stat: statOf,
    entries: (folder) => entriesOf(volume, folder, (found.sb.featureIncompat & incompat.filetype) !== 0),
    fold: (folder) => (isCasefolded(folder) ? casefold : undefined),
    readInto: (file, target, offset) => readInto(volume, file, target, offset),
    target: async (link) => nameOf(await linkTarget(volume, link)),
  };
  return filesOf(reader);
}

function factsOf(sb: Superblock, bytes: Buffer, notes: readonly string[]): VolumeFacts {
  const { blockBytes, blocksCount, freeBlocks } = geometryOf(sb);
  // state: bit 0 cleanly unmounted, bit 1 errors seen.
  const clean = (sb.state & 3) === 1 && (sb.featureIncompat & incompat.recover) === 0;
  return {
    ...given('label', fixedText(bytes, 120, 16)),
    ...given('uuid', uuidAt(bytes, 104)),
    blockBytes,
    sizeBytes: blocksCount * blockBytes,
    ...(freeBlocks <= blocksCount ? { freeBytes: freeBlocks * blockBytes } : {}),
    inodes: sb.inodesCount,
    freeInodes: Math.min(sb.freeInodesCount, sb.inodesCount),
    state: clean ? 'clean' : 'dirty',
    notes,
  };
}

/** Unicode's case folding as the kernel does it (utf8-12.1), but for a handful of letters. */
const casefold = (name: string): string => name.normalize('NFD').toLowerCase();

async function readInto(volume: ExtVolume, file: Inode, target: Buffer, offset: number): Promise<void> {
  checkPlain(file);
  if (isInline(file)) inlineData(file).copy(target, 0, offset);
  else await readRuns(volume.looking, target, runsOf(volume, file, offset, offset + target.length));
}

async function linkTarget(volume: ExtVolume, link: Inode): Promise<Buffer> {
  if (isFastLink(link)) return link.block.subarray(0, link.size);
  if (link.size > maxLinkBytes)
    throw new AppError('corrupt', `ext inode ${link.number}: a link of ${link.size} bytes`);
  const target = Buffer.alloc(link.size);
  await readInto(volume, link, target, 0);
  return target;
}

async function* entriesOf(
  volume: ExtVolume,
  folder: Inode,
  withKinds: boolean,
): AsyncGenerator<Entry<Inode>> {
  checkPlain(folder);
  const decode = (bytes: Buffer) => entriesIn(volume, folder, bytes, withKinds);
  if (isInline(folder)) {
    // Four bytes of the parent's number, entries up to 60, and more of them in the attribute.
    const data = inlineData(folder);
    yield* decode(data.subarray(4, 60));
    yield* decode(data.subarray(60));
    return;
  }
  if (folder.size > maxFolderBytes) {
    throw new AppError('corrupt', `ext inode ${folder.number}: a folder of ${folder.size} bytes`);
  }
  const { blockBytes } = volume.geometry;
  for await (const run of runsOf(volume, folder, 0, folder.size)) {
    if (run.at === undefined) continue;
    for (let inside = 0; inside < run.length; inside += blockBytes) {
      yield* decode(await volume.block((run.at + inside) / blockBytes));
    }
  }
}

const kinds: Readonly<Record<number, FileKind>> = { 1: 'file', 2: 'folder', 7: 'link' };

/** Inode, length of the entry, length of the name, kind, name; inode 0 is an unused entry. */
function* entriesIn(
  volume: ExtVolume,
  folder: Inode,
  bytes: Buffer,
  withKinds: boolean,
): Generator<Entry<Inode>> {
  for (let at = 0; at + 8 <= bytes.length; ) {
    const inode = bytes.readUInt32LE(at);
    const entryBytes = lengthOf(bytes.readUInt16LE(at + 4));
    const nameBytes = bytes[at + 6]!;
    const kind = withKinds ? bytes[at + 7]! : 0;
    if (entryBytes < 8 + nameBytes || entryBytes % 4 !== 0 || at + entryBytes > bytes.length) {
      throw new AppError(
        'corrupt',
        `ext inode ${folder.number}: folder entry of ${entryBytes} bytes at ${at}`,
      );
    }
    if (inode !== 0 && nameBytes > 0)
      yield {
        name: nameOf(bytes.subarray(at + 8, at + 8 + nameBytes)),
        ...(kind === 0 ? {} : { kind: kinds[kind] ?? 'other' }),
        node: () => volume.inode(inode),
      };
    at += entryBytes;
  }
}

/** 64 KiB does not fit into 16 bits: 0 and 0xFFFF both mean it (dir rec_len of blocks of that size). */
const lengthOf = (field: number): number => (field === 0 || field === 0xffff ? 65536 : field);

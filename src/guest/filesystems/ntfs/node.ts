/** A file as it is seen from outside: its kind, its size, and where it leads. */
import { AppError } from '../../../model/errors.ts';
import type { FileStat } from '../files.ts';
import { nameOf } from '../names.ts';
import { types } from './record.ts';
import type { Stream } from './stream.ts';
import { type NtfsFile, type NtfsVolume, wholeOf } from './volume.ts';

export interface NtfsNode {
  readonly file: NtfsFile;
  readonly stat: FileStat;
  /** Of a link. */
  readonly target?: string;
  /** Why its content can't be read. */
  readonly refused?: string;
}

/** [MS-FSCC] 2.1.2.1 */
const tags = {
  symlink: 0xa000000c,
  mountPoint: 0xa0000003,
  linuxLink: 0xa000001d,
  packed: 0x80000017,
} as const;
/** Kinds of storage whose content is elsewhere or in a form of its own; any other tag leaves the data as it is. */
const away: Readonly<Record<number, string>> = {
  2147483667: 'deduplicated',
  [tags.packed]: 'compressed by the Windows overlay filter (compact /exe)',
  2147483681: 'a file of OneDrive that is not here',
  2147483657: 'kept in a virtual hard disk',
};
const cloud = (tag: number): boolean => (tag & 0xffff0fff) >>> 0 === 0x9000001a;
const maxReparseBytes = 16 * 1024 + 8;

export async function nodeOf(volume: NtfsVolume, file: NtfsFile): Promise<NtfsNode> {
  const { modifiedAt, isSystem } = standardOf(file);
  const data = file.isFolder ? undefined : volume.stream(file, types.data);
  const plain: FileStat = {
    kind: file.isFolder ? 'folder' : 'file',
    size: data?.size ?? 0,
    ...(modifiedAt === undefined ? {} : { modifiedAt }),
  };
  const reparse = volume.stream(file, types.reparsePoint);
  if (reparse === undefined) {
    const target = isSystem && data !== undefined ? await interixLink(data) : undefined;
    return target === undefined ? { file, stat: plain } : linkTo(file, plain, target);
  }
  const bytes = await wholeOf(reparse, maxReparseBytes);
  if (bytes.length < 8)
    throw new AppError('corrupt', `NTFS file ${file.number}: a reparse point of ${bytes.length} bytes`);
  const target = targetIn(file, bytes);
  if (target !== undefined) return linkTo(file, plain, target);
  const tag = bytes.readUInt32LE(0);
  const refused = away[tag] ?? (cloud(tag) ? 'a file of a cloud storage' : undefined);
  return { file, stat: plain, ...(refused === undefined ? {} : { refused }) };
}

const linkTo = (file: NtfsFile, plain: FileStat, target: string): NtfsNode => ({
  file,
  stat: { ...plain, kind: 'link', size: Buffer.byteLength(target) },
  target,
});

const interixMark = 'IntxLNK\x01';

/** Links as Services for Unix and ntfs-3g write them: a small system file with a mark. */
async function interixLink(data: Stream): Promise<string | undefined> {
  if (data.size <= 8 || data.size > 8 + 2 * 4096) return undefined;
  const bytes = await wholeOf(data, data.size);
  return bytes.toString('latin1', 0, 8) === interixMark ? bytes.toString('utf16le', 8) : undefined;
}

/** Times count 100 ns since 1601. */
function standardOf(file: NtfsFile): { modifiedAt?: number; isSystem: boolean } {
  const found = file.attributes.find((a) => a.type === types.standardInformation)?.content;
  if (!found?.resident || found.value.length < 36) return { isSystem: false };
  return {
    modifiedAt: Number(found.value.readBigUInt64LE(8) / 10_000_000n) - 11_644_473_600,
    isSystem: (found.value.readUInt32LE(32) & 4) !== 0,
  };
}

/**
 * A relative path with slashes; what begins at a drive comes as `/??/C:/Users`, which no volume has: only who
 * knows the drives can go on.
 */
function targetIn(file: NtfsFile, bytes: Buffer): string | undefined {
  const tag = bytes.readUInt32LE(0);
  if (tag === tags.linuxLink)
    return bytes.length < 12 ? undefined : nameOf(bytes.subarray(12, 8 + bytes.readUInt16LE(4)));
  if (tag !== tags.symlink && tag !== tags.mountPoint) return undefined;
  const names = tag === tags.symlink ? 20 : 16;
  const at = bytes.length < names ? 0 : names + bytes.readUInt16LE(8);
  const end = bytes.length < names ? 1 : at + bytes.readUInt16LE(10);
  if (end > bytes.length) throw new AppError('corrupt', `NTFS file ${file.number}: a link past its end`);
  return bytes.toString('utf16le', at, end).replaceAll('\\', '/');
}

/** Folders: a B-tree of names in the order of the upcase table. libyal, "NTFS documentation", The index. */
import { AppError } from '../../../model/errors.ts';
import type { Entry } from '../reader.ts';
import type { NtfsNode } from './node.ts';
import { applyFixups, types } from './record.ts';
import type { Stream } from './stream.ts';
import { type NtfsFile, type NtfsVolume, wholeOf } from './volume.ts';

const indexName = '$I30';
/** A tree of this height would hold more names than there can be files. */
const maxHeight = 16;
const namespaceDos = 2;
const flagChild = 1;
const flagLast = 2;
const attributeFolder = 0x10000000;
const attributeReparse = 0x400;
const attributeSystem = 0x4;
/** Records of NTFS itself, such as $MFT. */
const firstUserRecord = 24;

interface IndexEntry {
  readonly last: boolean;
  /** Number of the block with the names before this one. */
  readonly child: number | undefined;
  readonly record: number;
  readonly sequence: number;
  readonly name: string;
  readonly isDos: boolean;
  readonly flags: number;
}

interface Index {
  readonly root: readonly IndexEntry[];
  readonly blocks: Stream | undefined;
  readonly blockBytes: number;
  /** What the numbers of blocks count in. */
  readonly vcnBytes: number;
}

type Load = (record: number, sequence: number) => Promise<NtfsNode>;

/** Names of DOS beside long ones are left out, and so are the volume's own files. */
export async function* entriesOf(
  volume: NtfsVolume,
  folder: NtfsFile,
  load: Load,
): AsyncGenerator<Entry<NtfsNode>> {
  const index = await openIndex(volume, folder);
  const seen = new Set<number>();
  yield* below(index.root, 0);

  async function* below(entries: readonly IndexEntry[], height: number): AsyncGenerator<Entry<NtfsNode>> {
    for (const entry of entries) {
      if (entry.child !== undefined) {
        if (height >= maxHeight || seen.has(entry.child)) throw broken(folder, 'its tree has a loop');
        seen.add(entry.child);
        yield* below(await block(volume, folder, index, entry.child), height + 1);
      }
      if (entry.last || entry.isDos || entry.record < firstUserRecord) continue;
      const known = (entry.flags & (attributeReparse | attributeSystem)) === 0;
      yield {
        name: entry.name,
        ...(known ? { kind: (entry.flags & attributeFolder) !== 0 ? 'folder' : 'file' } : {}),
        node: () => load(entry.record, entry.sequence),
      };
    }
  }
}

/** By the tree; case counts for as little as it does for Windows. */
export async function childOf(
  volume: NtfsVolume,
  folder: NtfsFile,
  name: string,
  upcase: Uint16Array,
): Promise<IndexEntry | undefined> {
  const index = await openIndex(volume, folder);
  let entries = index.root;
  for (let height = 0; height <= maxHeight; height++) {
    let next: number | undefined;
    for (const entry of entries) {
      const order = entry.last ? -1 : compare(name, entry.name, upcase);
      if (order === 0) return entry;
      if (order > 0) continue;
      next = entry.child;
      break;
    }
    if (next === undefined) return undefined;
    entries = await block(volume, folder, index, next);
  }
  throw broken(folder, 'its tree has a loop');
}

const broken = (folder: NtfsFile, what: string) =>
  new AppError('corrupt', `NTFS file ${folder.number}: ${what}`);

function compare(a: string, b: string, upcase: Uint16Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const order = upcase[a.charCodeAt(i)]! - upcase[b.charCodeAt(i)]!;
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

async function openIndex(volume: NtfsVolume, folder: NtfsFile): Promise<Index> {
  const rootStream = volume.stream(folder, types.indexRoot, indexName);
  if (rootStream === undefined) throw broken(folder, 'a folder without an index');
  const root = await wholeOf(rootStream, volume.layout.recordBytes);
  if (root.length < 32) throw broken(folder, `an index root of ${root.length} bytes`);
  const blockBytes = root.readUInt32LE(8);
  if (blockBytes < 512 || blockBytes > 65536 || (blockBytes & (blockBytes - 1)) !== 0)
    throw broken(folder, `index blocks of ${blockBytes} bytes`);
  const { clusterBytes } = volume.layout;
  return {
    root: entriesIn(folder, root, 16),
    blocks: volume.stream(folder, types.indexAllocation, indexName),
    blockBytes,
    vcnBytes: clusterBytes <= blockBytes ? clusterBytes : 512,
  };
}

async function block(volume: NtfsVolume, folder: NtfsFile, index: Index, vcn: number): Promise<IndexEntry[]> {
  volume.budget.spend();
  const { blocks, blockBytes, vcnBytes } = index;
  const offset = vcn * vcnBytes;
  if (blocks === undefined || !(offset + blockBytes <= blocks.size))
    throw broken(folder, `index block ${vcn} is not there`);
  const bytes = Buffer.alloc(blockBytes);
  await blocks.readInto(bytes, offset);
  applyFixups(bytes, 'INDX', `index block ${vcn} of file ${folder.number}`);
  if (Number(bytes.readBigUInt64LE(16)) !== vcn) throw broken(folder, `another block in place of ${vcn}`);
  return entriesIn(folder, bytes, 24);
}

/** Offset and end of the entries, counted from the header; the last one has no name. */
function entriesIn(folder: NtfsFile, bytes: Buffer, header: number): IndexEntry[] {
  const end = header + bytes.readUInt32LE(header + 4);
  if (end > bytes.length) throw broken(folder, 'an index that goes past its end');
  const entries: IndexEntry[] = [];
  for (let at = header + bytes.readUInt32LE(header); ; ) {
    const length = at + 16 <= end ? bytes.readUInt16LE(at + 8) : 0;
    if (length < 16 || length % 8 !== 0 || at + length > end)
      throw broken(folder, `an index entry of ${length} bytes at ${at}`);
    const entry = decodeEntry(folder, bytes.subarray(at, at + length));
    entries.push(entry);
    if (entry.last) return entries;
    at += length;
  }
}

/** Reference, lengths, flags, then a file name attribute: its length at 64, namespace, name at 66. */
function decodeEntry(folder: NtfsFile, bytes: Buffer): IndexEntry {
  const flags = bytes.readUInt16LE(12);
  const last = (flags & flagLast) !== 0;
  const hasChild = (flags & flagChild) !== 0;
  const keyEnd = 16 + bytes.readUInt16LE(10);
  const need = (last ? 16 : keyEnd) + (hasChild ? 8 : 0);
  const nameEnd = last || keyEnd < 82 || need > bytes.length ? 0 : 82 + bytes[80]! * 2;
  if (need > bytes.length || (!last && (keyEnd < 84 || nameEnd > keyEnd)))
    throw broken(folder, 'an index entry whose name goes past its end');
  return {
    last,
    child: hasChild ? Number(bytes.readBigUInt64LE(bytes.length - 8)) : undefined,
    record: bytes.readUIntLE(0, 6),
    sequence: bytes.readUInt16LE(6),
    name: last ? '' : bytes.toString('utf16le', 82, nameEnd),
    isDos: !last && bytes[81] === namespaceDos,
    flags: last ? 0 : bytes.readUInt32LE(72),
  };
}

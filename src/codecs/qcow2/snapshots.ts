/** An image's internal snapshots: each has an L1 table of its own, and may have another size than the image. */
import { type ByteSource, checkRange, readBytes } from '../../io/byte-source.ts';
import { struct, u16, u32, u64 } from '../../io/struct.ts';
import { AppError } from '../../model/errors.ts';
import { formatBytes } from '../../model/units.ts';
import type { Header } from './header.ts';
import { maximumL1Bytes } from './layout.ts';

const entry = struct('qcow2 snapshot table entry', 40, 'be', {
  l1TableOffset: [0, u64],
  l1Size: [8, u32],
  idLength: [12, u16],
  nameLength: [14, u16],
  extraDataLength: [36, u32],
});

// As qemu: block/qcow2-snapshot.c.
const maximumExtraData = 1024;
/** More than this are of no use to anybody; a table of that many is read in a moment. */
const mostSnapshots = 1000;
/** In the extra data: the virtual size, from version 3 on always there. */
const sizeAt = 8;

export interface Snapshot {
  readonly id: string;
  readonly name: string;
  readonly l1TableOffset: number;
  readonly l1Size: number;
  /** Virtual size, bytes; absent where an old program wrote it: it is the image's then. */
  readonly size?: number;
}

/** @throws AppError `corrupt` when the table is not inside the file. */
export async function readSnapshots(
  source: ByteSource,
  header: Header,
  signal?: AbortSignal,
): Promise<Snapshot[]> {
  const { count, offset } = header.snapshots;
  if (count === 0) return [];
  if (offset % header.clusterBytes !== 0) {
    throw new AppError('corrupt', `snapshot table at ${offset} is not aligned`, { where: source.name });
  }
  const found: Snapshot[] = [];
  for (let at = offset; found.length < Math.min(count, mostSnapshots); ) {
    checkRange(source, at, entry.bytes);
    const fields = entry.decode(await readBytes(source, at, entry.bytes, signal));
    const { extraDataLength, idLength, nameLength, l1TableOffset, l1Size } = fields;
    if (extraDataLength > maximumExtraData) {
      const message = `snapshot ${found.length}: ${extraDataLength} bytes of extra data`;
      throw new AppError('corrupt', message, { where: source.name });
    }
    const length = extraDataLength + idLength + nameLength;
    checkRange(source, at + entry.bytes, length);
    const rest = await readBytes(source, at + entry.bytes, length, signal);
    const text = (from: number, bytes: number) =>
      rest.toString('utf8', from, from + bytes).replace(/\p{Cc}/gu, '?');
    found.push({
      id: text(extraDataLength, idLength),
      name: text(extraDataLength + idLength, nameLength),
      l1TableOffset,
      l1Size,
      ...(extraDataLength < sizeAt + 8 ? {} : { size: sizeOf(rest, source) }),
    });
    at += Math.ceil((entry.bytes + length) / 8) * 8;
  }
  return found;
}

function sizeOf(extra: Buffer, source: ByteSource): number {
  const size = extra.readBigUInt64BE(sizeAt);
  if (size <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(size);
  throw new AppError('corrupt', `a snapshot of ${size} bytes`, { where: source.name });
}

/**
 * The image's header as it was when the snapshot was taken; `wanted` is an id or, where none is so called, a name.
 * @throws AppError `not-found`, `corrupt`.
 */
export function headerAt(
  header: Header,
  snapshots: readonly Snapshot[],
  wanted: string,
  source: ByteSource,
): Header {
  const where = source.name;
  const snapshot = snapshots.find((s) => s.id === wanted) ?? snapshots.find((s) => s.name === wanted);
  if (snapshot === undefined) {
    const names = snapshots.map((s) => s.name || s.id);
    throw new AppError('not-found', `the image has no snapshot "${wanted}"`, {
      where,
      hint: names.length === 0 ? 'it has none at all' : `it has: ${names.join(', ')}`,
    });
  }
  const { l1TableOffset, l1Size, size = header.size } = snapshot;
  const entryBytes = header.extendedL2 ? 16 : 8;
  const l1Entries = Math.ceil(size / ((header.clusterBytes / entryBytes) * header.clusterBytes));
  const misplaced = l1TableOffset % header.clusterBytes !== 0 || l1TableOffset > source.size - l1Entries * 8;
  if (l1Entries > l1Size || l1Size * 8 > maximumL1Bytes || misplaced) {
    const message = `snapshot "${snapshot.name}": L1 table of ${l1Size} entries at ${l1TableOffset}, for ${formatBytes(size)}`;
    throw new AppError('corrupt', message, { where });
  }
  return { ...header, size, l1TableOffset, l1Entries };
}

/** Where the L1 tables of internal snapshots are, for the check. */
import { type ByteSource, checkRange, readBytes } from '../../io/byte-source.ts';
import { struct, u16, u32, u64 } from '../../io/struct.ts';
import { AppError } from '../../model/errors.ts';
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

export interface SnapshotTables {
  /** Of the snapshot table, whole. */
  readonly bytes: number;
  readonly tables: readonly { readonly name: string; readonly offset: number; readonly entries: number }[];
}

/** @throws AppError `corrupt` when the table is not inside the file, or names a table that no image has. */
export async function readSnapshotTables(
  source: ByteSource,
  header: Header,
  signal?: AbortSignal,
): Promise<SnapshotTables> {
  const { count, offset } = header.snapshots;
  const tables: SnapshotTables['tables'][number][] = [];
  let at = offset;
  for (let i = 0; i < count; i++) {
    checkRange(source, at, entry.bytes);
    const fields = entry.decode(await readBytes(source, at, entry.bytes, signal));
    if (fields.extraDataLength > maximumExtraData || fields.l1Size * 8 > maximumL1Bytes) {
      throw new AppError(
        'corrupt',
        `snapshot ${i}: ${fields.extraDataLength} bytes of extra data, an L1 table of ${fields.l1Size} entries`,
        { where: source.name },
      );
    }
    const idAt = at + entry.bytes + fields.extraDataLength;
    checkRange(source, idAt, fields.idLength + fields.nameLength);
    const name = await readBytes(source, idAt + fields.idLength, fields.nameLength, signal);
    tables.push({
      name: `"${name.toString('utf8').replace(/\p{Cc}/gu, '?')}"`,
      offset: fields.l1TableOffset,
      entries: fields.l1Size,
    });
    const end = idAt + fields.idLength + fields.nameLength;
    at += Math.ceil((end - at) / 8) * 8;
  }
  return { bytes: at - offset, tables };
}

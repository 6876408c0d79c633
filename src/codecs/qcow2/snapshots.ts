/** The names of an image's internal snapshots. Their content is not read: a conversion takes the active state. */
import { type ByteSource, checkRange, readBytes } from '../../io/byte-source.ts';
import { struct, u16, u32, u64 } from '../../io/struct.ts';
import { AppError } from '../../model/errors.ts';
import type { Header } from './header.ts';

const entry = struct('qcow2 snapshot table entry', 40, 'be', {
  l1TableOffset: [0, u64],
  l1Size: [8, u32],
  idLength: [12, u16],
  nameLength: [14, u16],
  extraDataLength: [36, u32],
});

// As qemu: block/qcow2-snapshot.c.
const maximumExtraData = 1024;
/** More names than this are of no use to anybody. */
const namesShown = 100;

/** @throws AppError `corrupt` when the table is not inside the file. */
export async function snapshotNames(
  source: ByteSource,
  header: Header,
  signal?: AbortSignal,
): Promise<string[]> {
  const { count, offset } = header.snapshots;
  if (count === 0) return [];
  if (offset % header.clusterBytes !== 0) {
    throw new AppError('corrupt', `snapshot table at ${offset} is not aligned`, { where: source.name });
  }
  const names: string[] = [];
  for (let at = offset; names.length < Math.min(count, namesShown); ) {
    checkRange(source, at, entry.bytes);
    const fields = entry.decode(await readBytes(source, at, entry.bytes, signal));
    if (fields.extraDataLength > maximumExtraData) {
      throw new AppError(
        'corrupt',
        `snapshot ${names.length}: ${fields.extraDataLength} bytes of extra data`,
        {
          where: source.name,
        },
      );
    }
    const nameAt = at + entry.bytes + fields.extraDataLength + fields.idLength;
    checkRange(source, nameAt, fields.nameLength);
    const name = await readBytes(source, nameAt, fields.nameLength, signal);
    names.push(name.toString('utf8').replace(/\p{Cc}/gu, '?'));
    at += Math.ceil((nameAt + fields.nameLength - at) / 8) * 8;
  }
  return names;
}

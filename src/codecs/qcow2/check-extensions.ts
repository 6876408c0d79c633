/** What header extensions refer to: persistent bitmaps, and the header of encrypted images. */
import { checkRange, readBytes } from '../../io/byte-source.ts';
import { safeNumber } from '../../io/struct.ts';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { type CheckState, isAffordable, referAligned } from './check-tables.ts';
import { headerV3 } from './layout.ts';

const bitmapsType = 0x23852875;
const cryptoType = 0x0537be77;
/** Of the autoclear features: the bitmaps are as they were left. Otherwise nobody looks at them any more. */
const bitmapsValid = 1n;
// As qemu: block/qcow2-bitmap.c.
const largestDirectory = 64 * MiB;
const mostTableEntries = 2 ** 27;

/** @throws AppError `corrupt`. */
export async function referExtensions(state: CheckState): Promise<void> {
  const { source, header, signal } = state;
  if (header.version === 2) return;
  const cluster = await readBytes(source, 0, Math.min(source.size, header.clusterBytes), signal);
  const fields = headerV3.decode(cluster);
  const { backingFileOffset: name } = fields;
  const end = name > 0 ? Math.min(cluster.length, name) : cluster.length;
  for (let at = fields.headerLength; at + 8 <= end; ) {
    const type = cluster.readUInt32BE(at);
    const length = cluster.readUInt32BE(at + 4);
    if (type === 0 || length > end - at - 8) return;
    const data = cluster.subarray(at + 8, at + 8 + length);
    if (type === cryptoType && length >= 16) {
      const offset = safeNumber(data.readBigUInt64BE(0));
      referAligned(state, 'the encryption header', offset, safeNumber(data.readBigUInt64BE(8)));
    }
    if (type === bitmapsType && length >= 24 && (fields.autoclearFeatures & bitmapsValid) !== 0n) {
      await referBitmaps(state, data);
    }
    at += 8 + Math.ceil(length / 8) * 8;
  }
}

async function referBitmaps(state: CheckState, data: Buffer): Promise<void> {
  const { source, notes, signal } = state;
  const count = data.readUInt32BE(0);
  const bytes = safeNumber(data.readBigUInt64BE(8));
  const offset = safeNumber(data.readBigUInt64BE(16));
  if (bytes > largestDirectory) {
    throw new AppError('corrupt', `a bitmap directory of ${bytes} bytes`, { where: source.name });
  }
  if (!referAligned(state, 'the bitmap directory', offset, bytes)) return;
  const directory = await readBytes(source, offset, bytes, signal);
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 24 > bytes) return notes.error('bitmaps', `bitmap ${i} is not in its directory`);
    const table = safeNumber(directory.readBigUInt64BE(at));
    const entries = directory.readUInt32BE(at + 8);
    await referBitmap(state, `bitmap ${i}`, table, entries);
    const length = 24 + directory.readUInt32BE(at + 20) + directory.readUInt16BE(at + 18);
    at += Math.ceil(length / 8) * 8;
  }
}

async function referBitmap(state: CheckState, what: string, offset: number, entries: number): Promise<void> {
  const { source, header, notes, signal } = state;
  if (entries > mostTableEntries) return notes.error('bitmaps', `${what} has a table of ${entries} entries`);
  if (!isAffordable(state, entries * 8)) return;
  if (!referAligned(state, `the table of ${what}`, offset, entries * 8)) return;
  checkRange(source, offset, entries * 8);
  for (let from = 0; from < entries; from += MiB / 8) {
    const table = await readBytes(source, offset + from * 8, Math.min(MiB, (entries - from) * 8), signal);
    for (let i = 0; i < table.length; i += 8) {
      const host = safeNumber(table.readBigUInt64BE(i) & 0x00ff_ffff_ffff_fe00n);
      if (host !== 0) referAligned(state, `a cluster of ${what}`, host, header.clusterBytes);
    }
  }
}

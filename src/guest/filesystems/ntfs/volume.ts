/** The file table: a record by its number, with all attributes of the file wherever they are kept. */
import { readBytes } from '../../../io/byte-source.ts';
import { AppError } from '../../../model/errors.ts';
import { bytesAt, type Looking } from '../../looking.ts';
import { Budget } from '../files.ts';
import { checkInside } from '../runs.ts';
import { type NtfsLayout, readBoot } from './boot.ts';
import { decodeRecord, type FileRecord, types } from './record.ts';
import { type Stream, streamOf } from './stream.ts';

/** Steps for one thing asked for. */
const stepBudget = 50_000;
/** Windows' own limit of an attribute list. */
const maxListBytes = 256 * 1024;

export interface NtfsFile extends FileRecord {
  readonly number: number;
}

export interface NtfsVolume {
  readonly looking: Looking;
  readonly layout: NtfsLayout;
  readonly budget: Budget;
  /** @throws AppError `corrupt` when there is none; a sequence of 0 fits all. */
  file(number: number, sequence?: number): Promise<NtfsFile>;
  /** Undefined when the file has no such attribute. */
  stream(file: NtfsFile, type: number, name?: string): Stream | undefined;
}

/** @throws AppError `corrupt`. */
export async function openVolume(looking: Looking): Promise<NtfsVolume> {
  const layout = readBoot(await bytesAt(looking, 0, 512));
  const budget = new Budget(stepBudget, 'steps through an NTFS volume');
  const { recordBytes, clusterBytes, mftCluster } = layout;

  const stream = (file: NtfsFile, type: number, name = ''): Stream | undefined => {
    const pieces = file.attributes.filter((a) => a.type === type && a.name === name);
    return pieces.length === 0
      ? undefined
      : streamOf(looking, layout, pieces, `file ${file.number}, attribute 0x${type.toString(16)}`);
  };
  const table = (file: NtfsFile): Stream => {
    const data = stream(file, types.data);
    if (data === undefined) throw new AppError('corrupt', 'NTFS: the file table has no data');
    return data;
  };
  const record = async (from: Stream, number: number): Promise<NtfsFile> => {
    budget.spend();
    if ((number + 1) * recordBytes > from.size)
      throw new AppError('corrupt', `NTFS file record ${number} of ${Math.floor(from.size / recordBytes)}`);
    const bytes = Buffer.alloc(recordBytes);
    await from.readInto(bytes, number * recordBytes);
    return { ...decodeRecord(number, bytes), number };
  };

  // The table lists its own records: the first says where the next ones are.
  checkInside(looking, mftCluster * clusterBytes, recordBytes);
  const firstBytes = await readBytes(looking.disk, mftCluster * clusterBytes, recordBytes, looking.signal);
  const base: NtfsFile = { ...decodeRecord(0, firstBytes), number: 0 };
  let mft = table(base);
  const all = async (file: NtfsFile): Promise<NtfsFile> => {
    const list = file.attributes.filter((a) => a.type === types.attributeList);
    if (list.length === 0) return file;
    const bytes = await wholeOf(
      streamOf(looking, layout, list, `file ${file.number}, attribute list`),
      maxListBytes,
    );
    let attributes = file.attributes;
    for (const number of recordsIn(bytes, file.number)) {
      attributes = [...attributes, ...(await record(mft, number)).attributes];
      if (file.number === 0) mft = table({ ...file, attributes });
    }
    return { ...file, attributes };
  };
  mft = table(await all(base));

  return {
    looking,
    layout,
    budget,
    stream,
    async file(number, sequence = 0) {
      const found = await record(mft, number);
      if (!found.inUse || (sequence !== 0 && sequence !== found.sequence))
        throw new AppError('corrupt', `NTFS file record ${number} is not in use, or by another file`);
      return all(found);
    },
  };
}

/** @throws AppError `corrupt` past `maxBytes`. */
export async function wholeOf(stream: Stream, maxBytes: number): Promise<Buffer> {
  if (stream.size > maxBytes)
    throw new AppError('corrupt', `NTFS: ${stream.size} bytes where ${maxBytes} are the most`);
  const bytes = Buffer.alloc(stream.size);
  if (bytes.length > 0) await stream.readInto(bytes, 0);
  return bytes;
}

/** The other records that an attribute list names, each once, in its order. */
function recordsIn(list: Buffer, own: number): Set<number> {
  const numbers = new Set<number>();
  for (let at = 0; at + 26 <= list.length; ) {
    const length = list.readUInt16LE(at + 4);
    if (length < 26 || at + length > list.length)
      throw new AppError('corrupt', `NTFS file ${own}: an entry of ${length} bytes in its attribute list`);
    const number = list.readUIntLE(at + 16, 6);
    if (number !== own) numbers.add(number);
    at += length;
  }
  return numbers;
}

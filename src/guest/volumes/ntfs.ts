/**
 * Label and dirty flag of an NTFS volume: the attributes $VOLUME_NAME (0x60) and $VOLUME_INFORMATION (0x70) of
 * record 3 of the MFT. libyal "NTFS documentation", MFT entry and attributes.
 */
import { bytesAt, type Looking } from '../looking.ts';
import { fixedText } from '../text.ts';

export interface NtfsFacts {
  readonly label?: string;
  /** Undefined when the record can't be found. */
  readonly dirty?: boolean;
}

const volumeRecord = 3;
const maxRecordBytes = 65536;

export async function ntfsVolumeFacts(looking: Looking, boot: Buffer): Promise<NtfsFacts> {
  const clusterBytes = boot.readUInt16LE(11) * powerOrCount(boot.readInt8(13));
  const field = boot.readInt8(64);
  const recordBytes = field < 0 ? 2 ** -field : field * clusterBytes;
  const offset = Number(boot.readBigUInt64LE(48)) * clusterBytes + volumeRecord * recordBytes;
  if (!(recordBytes >= 512 && recordBytes <= maxRecordBytes) || recordBytes % 512 !== 0) return {};
  if (!Number.isSafeInteger(offset) || offset + recordBytes > looking.disk.size) return {};
  const record = await bytesAt(looking, offset, recordBytes);
  return record.toString('latin1', 0, 4) === 'FILE' && applyFixups(record) ? factsIn(record) : {};
}

/** Sectors per cluster; from 0x80 on it is 2 to the power of the negated value. */
const powerOrCount = (value: number): number => (value < 0 ? 2 ** -value : value);

/** The last two bytes of each sector were replaced by a number that shows whether all were written. */
function applyFixups(record: Buffer): boolean {
  const at = record.readUInt16LE(4);
  const count = record.readUInt16LE(6);
  if (count !== record.length / 512 + 1 || at + count * 2 > 510) return false;
  for (let i = 1; i < count; i++) {
    const end = i * 512 - 2;
    if (record.readUInt16LE(end) !== record.readUInt16LE(at)) return false;
    record.copy(record, end, at + i * 2, at + i * 2 + 2);
  }
  return true;
}

function factsIn(record: Buffer): NtfsFacts {
  let facts: NtfsFacts = {};
  for (let at = record.readUInt16LE(20); at + 24 <= record.length; ) {
    const type = record.readUInt32LE(at);
    const length = record.readUInt32LE(at + 4);
    if (type === 0xffffffff || length < 24 || at + length > record.length) break;
    const valueBytes = record.readUInt32LE(at + 16);
    const valueAt = record.readUInt16LE(at + 20);
    const resident = record[at + 8] === 0 && valueAt + valueBytes <= length;
    if (resident && type === 0x60)
      facts = { ...facts, label: fixedText(record, at + valueAt, valueBytes, 'utf16le') };
    if (resident && type === 0x70 && valueBytes >= 12) {
      facts = { ...facts, dirty: (record.readUInt16LE(at + valueAt + 10) & 1) !== 0 };
    }
    at += length;
  }
  return facts;
}

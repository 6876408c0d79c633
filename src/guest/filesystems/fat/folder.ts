/** Folder entries: 32 bytes each, long names in entries before the short one (fatgen103, "FAT Long Directory Entries"). */

export interface FatEntry {
  readonly name: string;
  /** The 8.3 name, which is an equal name of the same file. */
  readonly shortName: string;
  readonly isFolder: boolean;
  readonly cluster: number;
  readonly size: number;
  /** Local time of the guest, taken as UTC: seconds since 1970. */
  readonly modifiedAt: number;
}

const entryBytes = 32;
const attrVolume = 0x08;
const attrFolder = 0x10;
const attrLong = 0x0f;
const lastLong = 0x40;

/** Files and folders; `.` and `..` are left out, and so is the label. */
export function decodeEntries(bytes: Buffer): FatEntry[] {
  const found: FatEntry[] = [];
  let long = new LongName();
  for (let at = 0; at + entryBytes <= bytes.length; at += entryBytes) {
    const first = bytes[at]!;
    if (first === 0) break;
    const attributes = bytes[at + 11]!;
    if (first !== 0xe5 && (attributes & 0x3f) === attrLong) {
      long.add(bytes, at);
      continue;
    }
    const name = long.nameFor(bytes, at);
    long = new LongName();
    if (first === 0xe5 || first === 0x2e || (attributes & attrVolume) !== 0) continue;
    const shortName = shortNameAt(bytes, at);
    found.push({
      name: name ?? shortName,
      shortName,
      isFolder: (attributes & attrFolder) !== 0,
      cluster: bytes.readUInt16LE(at + 26) + (bytes.readUInt16LE(at + 20) & 0x0fff) * 65536,
      size: bytes.readUInt32LE(at + 28),
      modifiedAt: timeAt(bytes, at),
    });
  }
  return found;
}

/** Years from 1980, two-second steps ("FAT Directory Structure", DIR_WrtDate). */
function timeAt(bytes: Buffer, at: number): number {
  const time = bytes.readUInt16LE(at + 22);
  const date = bytes.readUInt16LE(at + 24);
  const day = Date.UTC(1980 + (date >> 9), ((date >> 5) & 15) - 1, date & 31);
  return day / 1000 + (time >> 11) * 3600 + ((time >> 5) & 63) * 60 + (time & 31) * 2;
}

/** The label kept in the root folder, which tools change and the boot sector's does not follow. */
export function labelIn(bytes: Buffer): string | undefined {
  for (let at = 0; at + entryBytes <= bytes.length && bytes[at] !== 0; at += entryBytes) {
    const attributes = bytes[at + 11]!;
    if (bytes[at] !== 0xe5 && (attributes & 0x3f) !== attrLong && (attributes & attrVolume) !== 0) {
      return bytes.toString('latin1', at, at + 11).trim();
    }
  }
  return undefined;
}

function shortNameAt(bytes: Buffer, at: number): string {
  // 0x05 stands for 0xE5, which means "deleted".
  const first = bytes[at] === 0x05 ? '\xe5' : String.fromCharCode(bytes[at]!);
  const base = (first + bytes.toString('latin1', at + 1, at + 8)).trimEnd();
  const extension = bytes.toString('latin1', at + 8, at + 11).trimEnd();
  // Windows NT marks names that were all lower case in a byte that DOS left free.
  const marks = bytes[at + 12]!;
  const name = (marks & 0x08) !== 0 ? base.toLowerCase() : base;
  return extension === '' ? name : `${name}.${(marks & 0x10) !== 0 ? extension.toLowerCase() : extension}`;
}

/** Parts come last first, 13 characters each, with the checksum of the short name that they belong to. */
class LongName {
  #parts: string[] = [];
  #next = 0;
  #checksum = -1;

  add(bytes: Buffer, at: number): void {
    const order = bytes[at]!;
    const checksum = bytes[at + 13]!;
    if ((order & lastLong) !== 0) {
      this.#parts = [];
      this.#next = order & 0x3f;
      this.#checksum = checksum;
    }
    if (this.#next === 0 || (order & 0x3f) !== this.#next || checksum !== this.#checksum) {
      this.#checksum = -1;
      return;
    }
    const text = [
      [1, 11],
      [14, 26],
      [28, 32],
    ].map(([from, to]) => bytes.toString('utf16le', at + from!, at + to!));
    this.#parts.unshift(text.join(''));
    this.#next--;
  }

  nameFor(bytes: Buffer, at: number): string | undefined {
    if (this.#parts.length === 0 || this.#next !== 0) return undefined;
    let sum = 0;
    for (let i = 0; i < 11; i++) sum = (((sum & 1) << 7) + (sum >> 1) + bytes[at + i]!) & 0xff;
    if (sum !== this.#checksum) return undefined;
    const all = this.#parts.join('');
    const end = all.indexOf('\0');
    return end < 0 ? all : all.slice(0, end);
  }
}

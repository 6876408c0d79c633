/** An SQLite write-ahead log (fileformat2.html, 4): pages of transactions that ended, later ones over earlier ones. */

export interface WalPages {
  readonly pages: ReadonlyMap<number, Buffer>;
  /** Pages of the database after the last transaction; undefined where none has ended. */
  readonly pageCount: number | undefined;
}

const headBytes = 32;
const frameHeadBytes = 24;

type Sum = readonly [number, number];

/** 4.2, "Checksum Algorithm", over pairs of words. */
function sumOf(bytes: Buffer, [first, second]: Sum, big: boolean): Sum {
  let [a, b] = [first, second];
  for (let at = 0; at + 8 <= bytes.length; at += 8) {
    a = (a + (big ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at)) + b) >>> 0;
    b = (b + (big ? bytes.readUInt32BE(at + 4) : bytes.readUInt32LE(at + 4)) + a) >>> 0;
  }
  return [a, b];
}

/** What is broken, or of an earlier use of the file, ends the log, as it does for SQLite. */
export function walPages(wal: Buffer, pageSize: number): WalPages {
  const pages = new Map<number, Buffer>();
  const none: WalPages = { pages, pageCount: undefined };
  if (wal.length < headBytes) return none;
  const magic = wal.readUInt32BE(0);
  if ((magic & ~1) >>> 0 !== 0x377f0682 || wal.readUInt32BE(8) !== pageSize) return none;
  const big = (magic & 1) === 1;
  let sum = sumOf(wal.subarray(0, 24), [0, 0], big);
  if (sum[0] !== wal.readUInt32BE(24) || sum[1] !== wal.readUInt32BE(28)) return none;
  const salts = wal.subarray(16, 24);
  let pageCount: number | undefined;
  let open: [number, Buffer][] = [];
  for (let at = headBytes; at + frameHeadBytes + pageSize <= wal.length; at += frameHeadBytes + pageSize) {
    const head = wal.subarray(at, at + frameHeadBytes);
    const page = wal.subarray(at + frameHeadBytes, at + frameHeadBytes + pageSize);
    if (!head.subarray(8, 16).equals(salts)) break;
    sum = sumOf(page, sumOf(head.subarray(0, 8), sum, big), big);
    if (sum[0] !== head.readUInt32BE(16) || sum[1] !== head.readUInt32BE(20)) break;
    open.push([head.readUInt32BE(0), page]);
    if (head.readUInt32BE(4) === 0) continue;
    pageCount = head.readUInt32BE(4);
    for (const [number, bytes] of open) pages.set(number, bytes);
    open = [];
  }
  return { pages, pageCount };
}

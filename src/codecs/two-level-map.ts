/** Two levels of tables of 64-bit entries, read in bounded pages: what QED and the first qcow have in common. */
import { type ByteSource, readBytes } from '../io/byte-source.ts';
import { throwIfAborted } from '../io/in-order.ts';
import { AppError } from '../model/errors.ts';
import { KiB } from '../model/units.ts';
import { type Piece, pushPiece } from './mapped-disk.ts';

const pageBytes = 64 * KiB;
const pagesKept = 256;

/** Where a cluster is: `host` for data, with `load` where it is not stored plainly. */
export interface Place {
  readonly kind: Piece['kind'];
  readonly host?: number;
  readonly load?: Piece['load'];
}

export interface TwoLevels {
  readonly source: ByteSource;
  readonly clusterBytes: number;
  readonly l1Offset: number;
  readonly l2Entries: number;
  /** Offset of the second table by an entry of the first; 0 for none. @throws AppError `corrupt`. */
  tableOf(entries: Buffer, at: number): number;
  /** The cluster at `start` of the disk by its entry. @throws AppError `corrupt`. */
  placeOf(entries: Buffer, at: number, start: number): Place;
}

export function twoLevelPieces(map: TwoLevels) {
  const { source, clusterBytes, l2Entries } = map;
  const covered = l2Entries * clusterBytes;
  const kept = new Map<number, Buffer>();
  /** The page of the table of `entries` entries at `table` that entry `index` is in. */
  const page = async (table: number, entries: number, index: number) => {
    const first = index - (index % (pageBytes / 8));
    const offset = table + first * 8;
    const bytes = Math.min(pageBytes, (entries - first) * 8);
    if (offset + bytes > source.size) {
      throw new AppError('corrupt', `a table at ${table} goes past the end (${source.size} bytes)`, {
        where: source.name,
        hint: 'the file is cut short; fetch it again',
      });
    }
    const found = kept.get(offset);
    // Hostile tables may overlap: the same place is then read with another length.
    const buffer = found?.length === bytes ? found : await readBytes(source, offset, bytes);
    kept.delete(offset);
    kept.set(offset, buffer);
    if (kept.size > pagesKept) kept.delete(kept.keys().next().value!);
    return { buffer, first, end: first + bytes / 8 };
  };

  return async function* pieces(from: number, to: number, signal?: AbortSignal): AsyncGenerator<Piece[]> {
    const l1Entries = Math.ceil(to / covered);
    for (let at = from; at < to; ) {
      throwIfAborted(signal);
      const out: Piece[] = [];
      const index = Math.floor(at / covered);
      const l1 = await page(map.l1Offset, l1Entries, index);
      const table = map.tableOf(l1.buffer, (index - l1.first) * 8);
      const end = Math.min(to, (index + 1) * covered);
      if (table === 0) {
        pushPiece(out, 'hole', at, end - at);
        at = end;
      } else {
        const l2 = await page(table, l2Entries, Math.floor((at - index * covered) / clusterBytes));
        const pageEnd = Math.min(end, index * covered + l2.end * clusterBytes);
        for (; at < pageEnd; ) {
          const cluster = Math.floor((at - index * covered) / clusterBytes);
          const start = index * covered + cluster * clusterBytes;
          const stop = Math.min(pageEnd, start + clusterBytes);
          const { kind, host = 0, load } = map.placeOf(l2.buffer, (cluster - l2.first) * 8, start);
          if (kind === 'data' && load === undefined && host + stop - start > source.size) {
            throw new AppError(
              'corrupt',
              `the cluster at ${start} lies at ${host}, past the end (${source.size})`,
              {
                where: source.name,
                hint: 'the file is cut short; fetch it again',
              },
            );
          }
          pushPiece(out, kind, at, stop - at, load === undefined ? host + at - start : host, load);
          at = stop;
        }
      }
      yield out;
    }
  };
}

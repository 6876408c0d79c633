/** Runs of clusters: a byte with two lengths, a count, and a signed step from the run before. */
import { AppError } from '../../../model/errors.ts';
import type { Piece } from './record.ts';

export interface ClusterRun {
  readonly vcn: number;
  readonly count: number;
  /** Undefined where nothing is stored. */
  readonly lcn: number | undefined;
}

/** More runs than this in one stream are not taken apart. */
const maxRuns = 2 ** 20;

/**
 * The runs of all pieces, which must lie one behind the other from 0 on.
 * @throws AppError `corrupt`.
 */
export function decodeRuns(pieces: readonly Piece[], clusters: number, what: string): ClusterRun[] {
  const bad = (detail: string) => new AppError('corrupt', `NTFS ${what}: ${detail}`);
  const runs: ClusterRun[] = [];
  let vcn = 0;
  for (const piece of pieces.toSorted((a, b) => a.firstVcn - b.firstVcn)) {
    if (piece.firstVcn !== vcn) throw bad(`a piece from cluster ${piece.firstVcn}, ${vcn} expected`);
    const { list } = piece;
    let lcn = 0;
    for (let at = 0; at < list.length && list[at] !== 0; ) {
      const countBytes = list[at]! & 15;
      const stepBytes = list[at]! >> 4;
      const end = at + 1 + countBytes + stepBytes;
      if (countBytes === 0 || countBytes > 8 || stepBytes > 8 || end > list.length) throw bad('a broken run');
      const count = Number(littleEndian(list, at + 1, countBytes, false));
      const step = Number(littleEndian(list, at + 1 + countBytes, stepBytes, true));
      lcn += step;
      if (count < 1 || !Number.isSafeInteger(vcn + count)) throw bad(`a run of ${count} clusters`);
      if (stepBytes > 0 && (lcn < 0 || lcn + count > clusters))
        throw bad(`clusters ${lcn}+${count} of ${clusters}`);
      if (runs.push({ vcn, count, lcn: stepBytes === 0 ? undefined : lcn }) > maxRuns)
        throw bad(`more than ${maxRuns} runs`);
      vcn += count;
      at = end;
    }
    if (vcn !== piece.lastVcn + 1) throw bad(`runs up to cluster ${vcn}, ${piece.lastVcn + 1} expected`);
  }
  return runs;
}

function littleEndian(bytes: Buffer, at: number, length: number, signed: boolean): bigint {
  let value = 0n;
  for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[at + i]!);
  return signed && length > 0 ? BigInt.asIntN(length * 8, value) : value;
}

/** The run that holds the cluster. */
export function runAt(runs: readonly ClusterRun[], vcn: number): number {
  let low = 0;
  let high = runs.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (runs[middle]!.vcn <= vcn) low = middle;
    else high = middle;
  }
  return low;
}

/** The bytes of an attribute: in its record, or in clusters, some of them sparse or compressed. */
import { AppError } from '../../../model/errors.ts';
import type { Looking } from '../../looking.ts';
import { type Run, readRuns } from '../runs.ts';
import type { NtfsLayout } from './boot.ts';
import { unpackLznt1 } from './lznt1.ts';
import type { Attribute, Piece } from './record.ts';
import { type ClusterRun, decodeRuns, runAt } from './run-list.ts';

const compressedMask = 0xff;
const methodLznt1 = 1;
const encrypted = 0x4000;

export interface Stream {
  readonly size: number;
  /** @throws AppError `unsupported` when it is encrypted. The range must be inside. */
  readInto(target: Buffer, offset: number): Promise<void>;
}

/** `pieces` are all of one attribute. @throws AppError `corrupt`. */
export function streamOf(
  looking: Looking,
  layout: NtfsLayout,
  pieces: readonly Attribute[],
  what: string,
): Stream {
  const [first] = pieces;
  if (first?.content.resident) {
    const { value } = first.content;
    return { size: value.length, readInto: async (target, offset) => void value.copy(target, 0, offset) };
  }
  const contents = pieces.map((p) => p.content).filter((c): c is Piece => !c.resident);
  const head = contents.find((c) => c.firstVcn === 0);
  if (first === undefined || head === undefined)
    throw new AppError('corrupt', `NTFS ${what}: no first piece`);
  // Taken apart when it is read: many a file is only listed.
  let runs: ClusterRun[] | undefined;
  return {
    size: head.size,
    async readInto(target, offset) {
      const { flags } = first;
      if ((flags & encrypted) !== 0) throw new AppError('unsupported', `NTFS ${what} is encrypted (EFS)`);
      runs ??= decodeRuns(contents, layout.clusters, what);
      const written = Math.max(0, Math.min(target.length, head.initialised - offset));
      target.fill(0, written);
      if (written === 0) return;
      const part = target.subarray(0, written);
      if ((flags & compressedMask) === 0 || head.unitShift === 0) {
        await readRuns(looking, part, runsFrom(layout, runs, offset));
      } else if ((flags & compressedMask) !== methodLznt1) {
        throw new AppError('unsupported', `NTFS ${what}: compression of kind ${flags & compressedMask}`);
      } else
        await readUnits({ looking, layout, runs, unitClusters: 2 ** head.unitShift, what }, part, offset);
    },
  };
}

/** From the byte `offset` on; past the last run there are zeros. */
function* runsFrom(
  { clusterBytes }: NtfsLayout,
  runs: readonly ClusterRun[],
  offset: number,
): Generator<Run> {
  const first = runAt(runs, Math.floor(offset / clusterBytes));
  for (let i = first; i < runs.length; i++) {
    const { vcn, count, lcn } = runs[i]!;
    const skip = Math.max(0, offset - vcn * clusterBytes);
    const length = count * clusterBytes - skip;
    if (length > 0) yield { length, at: lcn === undefined ? undefined : lcn * clusterBytes + skip };
  }
  yield { length: Number.MAX_SAFE_INTEGER, at: undefined };
}

interface Packed {
  readonly looking: Looking;
  readonly layout: NtfsLayout;
  readonly runs: readonly ClusterRun[];
  readonly unitClusters: number;
  readonly what: string;
}

async function readUnits(packed: Packed, target: Buffer, offset: number): Promise<void> {
  const unitBytes = packed.unitClusters * packed.layout.clusterBytes;
  const unit = Buffer.alloc(unitBytes);
  for (let done = 0; done < target.length; ) {
    const at = offset + done;
    const inside = at % unitBytes;
    await readUnit(packed, unit, Math.floor(at / unitBytes) * packed.unitClusters);
    done += unit.copy(target, done, inside);
  }
}

/** A unit without holes is stored as it is; one that is all hole is zeros; else its first clusters are packed. */
async function readUnit(
  { looking, layout, runs, unitClusters, what }: Packed,
  unit: Buffer,
  vcn: number,
): Promise<void> {
  let stored = 0;
  for (let i = runAt(runs, vcn); i < runs.length && runs[i]!.vcn < vcn + unitClusters; i++) {
    const { vcn: start, count, lcn } = runs[i]!;
    const here = Math.min(start + count, vcn + unitClusters) - Math.max(start, vcn);
    if (lcn === undefined || here <= 0) continue;
    if (stored !== Math.max(start, vcn) - vcn)
      throw new AppError('corrupt', `NTFS ${what}: a hole inside the compression unit at cluster ${vcn}`);
    stored += here;
  }
  if (stored === 0) {
    unit.fill(0);
    return;
  }
  const bytes = stored === unitClusters ? unit : Buffer.alloc(stored * layout.clusterBytes);
  await readRuns(looking, bytes, runsFrom(layout, runs, vcn * layout.clusterBytes));
  if (stored < unitClusters) unpackLznt1(bytes, unit);
}

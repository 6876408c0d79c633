/** The snapshots of a machine: its .vmsd, a dictionary as well. Pure. */
import type { Snapshot } from '../../model/machine.ts';
import { type Dictionary, wholeNumber } from './dictionary.ts';

export interface VmwareSnapshot extends Snapshot {
  readonly uid: string;
  /** The disk files of then: node → file as the .vmsd writes it. */
  readonly disks: ReadonlyMap<string, string>;
}

/** Workstation takes at most 100 in a row; more than this are nobody's. */
const mostSnapshots = 4096;
const mostDisks = 256;

export function readSnapshots(vmsd: Dictionary): VmwareSnapshot[] {
  const count = Math.min(wholeNumber(vmsd.get('snapshot.numSnapshots')) ?? 0, mostSnapshots);
  const current = vmsd.get('snapshot.current');
  return Array.from({ length: count }, (_, n) => n).flatMap((n) => {
    const get = (key: string) => vmsd.get(`snapshot${n}.${key}`);
    const uid = get('uid');
    if (uid === undefined) return [];
    const createdAt = timeOf(get('createTimeHigh'), get('createTimeLow'));
    const description = get('description') ?? '';
    return [
      {
        uid,
        name: get('displayName') || `snapshot ${uid}`,
        ...(createdAt === undefined ? {} : { createdAt }),
        ...(uid === current ? { current: true } : {}),
        ...(description === '' ? {} : { description }),
        disks: disksOf(get),
      },
    ];
  });
}

function disksOf(get: (key: string) => string | undefined): Map<string, string> {
  const disks = new Map<string, string>();
  const count = Math.min(wholeNumber(get('numDisks')) ?? 0, mostDisks);
  for (let i = 0; i < count; i++) {
    const [node, file] = [get(`disk${i}.node`)?.toLowerCase(), get(`disk${i}.fileName`)];
    if (node !== undefined && file !== undefined && file !== '') disks.set(node, file);
  }
  return disks;
}

/** Microseconds since 1970 in two halves, each written as a signed number of 32 bits. */
function timeOf(high: string | undefined, low: string | undefined): number | undefined {
  if (!/^-?\d{1,10}$/.test(high ?? '') || !/^-?\d{1,10}$/.test(low ?? '')) return undefined;
  return Math.floor((Number(high) * 2 ** 32 + (Number(low) >>> 0)) / 1e6);
}

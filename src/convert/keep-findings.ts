/** Whether the store of kept copies has the room for them, before a byte moves. */
import { stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { toAppError } from '../model/errors.ts';
import type { Finding } from '../model/finding.ts';
import type { Plan } from '../model/plan.ts';
import { formatBytes } from '../model/units.ts';
import { isFolder } from './make-plan.ts';
import { usualReserve } from './watch-free.ts';

/**
 * Of a store here; a store behind SSH is asked when it is written. `bytes`: the most that one copy takes. The store
 * stands back where not all fits, so that alone is a warning; where the destination lies on the same filesystem and would
 * suffer, it is more.
 */
export async function keepFindings(plan: Plan, bytes: number): Promise<Finding[]> {
  const { keep } = plan;
  if (keep === undefined || 'environment' in keep.place) return [];
  const store = await filesystemOf(keep.place.folder);
  if (store === undefined) return [];
  const { freeBytes } = store;
  const reserve = keep.reserveBytes ?? usualReserve(store);
  const wanted = keep.stages.length * bytes;
  const { folder = '.' } = plan.destination.settings;
  const beside = isFolder(plan) && (await filesystemOf(folder))?.device === store.device;
  const both = beside ? wanted + bytes : wanted;
  if (both <= freeBytes - reserve) return [];
  const evidence = keep.place.folder;
  const remedy =
    'remove kept copies that are done with (vmferry kept), or choose another place with --keep-in';
  if (beside && bytes <= freeBytes && both > freeBytes) {
    const message = `up to ${formatBytes(bytes)} will be written and ${formatBytes(wanted)} kept on the same filesystem, where ${formatBytes(freeBytes)} are free`;
    return [{ rule: 'keep.no-space-for-both', severity: 'blocker', message, evidence, remedy }];
  }
  const message = `up to ${formatBytes(wanted)} are to be kept, where ${formatBytes(freeBytes)} are free and ${formatBytes(reserve)} stay in reserve: what does not fit is left out`;
  return [{ rule: 'keep.no-space', severity: 'warning', message, evidence, remedy }];
}

/** Of the folder, or of the nearest one above that is there. */
async function filesystemOf(folder: string) {
  for (let path = folder; ; path = dirname(path)) {
    try {
      const [{ dev }, { bavail, blocks, bsize }] = await Promise.all([stat(path), statfs(path)]);
      return { device: dev, freeBytes: bavail * bsize, totalBytes: blocks * bsize };
    } catch (error) {
      // What else is wrong with it is told when it is written to.
      if (toAppError(error).kind !== 'not-found' || dirname(path) === path) return undefined;
    }
  }
}

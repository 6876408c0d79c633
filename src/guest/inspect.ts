/** What is inside one disk by itself. */
import type { Disk } from '../io/disk.ts';
import type { GuestReport } from '../model/guest-report.ts';
import { openGuest } from './open-guest.ts';

/** @throws AppError `cancelled` only; what can't be read is said in `findings`. The disk stays open. */
export async function inspectDisk(disk: Disk, signal?: AbortSignal): Promise<GuestReport> {
  const { reports } = await openGuest([disk], { signal });
  return reports[0]!;
}

/** What the guest's filesystems do not use is left out: it reads as zeros, and zeros are not carried. */
import { freeExtents } from '../guest/filesystems/free-extents.ts';
import { openVolumes, type Volume } from '../guest/volumes/open-volumes.ts';
import { cached } from '../io/cached.ts';
import { bytesOf, type Extent } from '../io/extents.ts';
import type { Overlay, WritableDisk } from '../io/writable-disk.ts';
import { toAppError } from '../model/errors.ts';
import type { Finding } from '../model/finding.ts';

/** The header of a swap space is a page, of at most 64 KiB. */
const swapHeaderBytes = 64 * 1024;

export interface Shrunk {
  /** Bytes that held data and are no longer carried. */
  readonly bytes: number;
  readonly findings: readonly Finding[];
}

/** Of volumes that lie on the disks as they are, and were left clean. @throws AppError `cancelled`. */
export async function shrink(overlays: readonly Overlay[], signal: AbortSignal): Promise<Shrunk> {
  const { volumes } = await openVolumes(
    overlays.map((disk) => cached(disk)),
    { signal },
  );
  const findings: Finding[] = [];
  let bytes = 0;
  for (const volume of volumes) {
    try {
      bytes += await shrinkVolume(volume, overlays, signal);
    } catch (error) {
      const { kind, message } = toAppError(error);
      if (kind === 'cancelled') throw error;
      findings.push({
        rule: 'guest.not-shrunk',
        severity: 'note',
        message: `all of it is carried, also what is free: ${message}`,
        evidence: volume.name,
      });
    }
  }
  return { bytes, findings };
}

async function shrinkVolume(
  volume: Volume,
  overlays: readonly WritableDisk[],
  signal: AbortSignal,
): Promise<number> {
  const { disk, pieces, volume: seen } = volume;
  if (disk === undefined || pieces === undefined || seen === undefined) return 0;
  // All first: numbers that don't agree may show at the end only, and then nothing is free.
  const free: { offset: number; length: number }[] = [];
  if (seen.kind === 'swap') {
    if (seen.state !== 'hibernated')
      free.push({ offset: swapHeaderBytes, length: disk.size - swapHeaderBytes });
  } else {
    for await (const extent of (await freeExtents({ disk, signal, findings: [] }, seen.kind)) ?? [])
      free.push(extent);
  }
  let bytes = 0;
  for (const { offset, length } of free) {
    let start = 0;
    for (const piece of pieces) {
      const from = Math.max(offset, start);
      const to = Math.min(offset + length, start + piece.length);
      if (from < to) {
        const at = piece.offset + from - start;
        const overlay = overlays[piece.disk]!;
        const there: Extent[] = await overlay.extents(at, at + to - from, signal);
        const data = bytesOf(there, 'data');
        if (data > 0) await overlay.zero(at, to - from, signal);
        bytes += data;
      }
      start += piece.length;
    }
  }
  return bytes;
}

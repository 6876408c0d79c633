/**
 * Which copy of a mirrored volume is current: told by the superblock in each leg's own small metadata volume
 * (kernel, Documentation/admin-guide/device-mapper/dm-raid.rst; `struct dm_raid_superblock`).
 */
import { readBytes } from '../../io/byte-source.ts';
import type { Disk } from '../../io/disk.ts';
import { bits64, struct, u32 } from '../../io/struct.ts';
import { AppError } from '../../model/errors.ts';

const superblock = struct('dm-raid superblock', 64, 'le', {
  magic: [0, u32],
  compatFeatures: [4, u32],
  numDevices: [8, u32],
  arrayPosition: [12, u32],
  events: [16, bits64],
  failedDevices: [24, bits64],
  diskRecoveryOffset: [32, bits64],
});
/** "DmRd". */
const magic = 0x64526d44;
const recovered = 0xffff_ffff_ffff_ffffn;

export interface RaidLeg {
  readonly index: number;
  /** Undefined where it can't be read: its physical volume is missing. */
  readonly superblock: Awaited<ReturnType<typeof readRaidSuperblock>>;
}

/** Undefined where the array has never been started. */
export async function readRaidSuperblock(meta: Disk, signal: AbortSignal | undefined) {
  if (meta.size < superblock.bytes) return undefined;
  const found = superblock.decode(await readBytes(meta, 0, superblock.bytes, signal));
  return found.magic === magic ? found : undefined;
}

/** The legs that hold all that was written, in their order. */
export function currentLegs(legs: readonly RaidLeg[]): number[] {
  const known = legs.flatMap((leg) => (leg.superblock === undefined ? [] : [{ ...leg, sb: leg.superblock }]));
  if (known.length === 0) return legs.map((leg) => leg.index);
  const newest = known.reduce((max, { sb }) => (sb.events > max ? sb.events : max), 0n);
  const current = known.filter(({ sb }) => sb.events === newest);
  const failed = current.reduce((all, { sb }) => all | sb.failedDevices, 0n);
  return current
    .filter(
      ({ index, sb }) => (failed & (1n << BigInt(index % 64))) === 0n && sb.diskRecoveryOffset === recovered,
    )
    .map((leg) => leg.index);
}

export const noCurrentLeg = (): AppError =>
  new AppError('unsupported', 'none of the copies that are there is known to be current', {
    hint: 'give all disks of the group, or let the guest repair the volume',
  });

/** A machine's disks, looked into and kept open: the systems on them, each with its files as it sees them itself. */
import type { Finding } from '../model/finding.ts';
import type { GuestReport, InstalledSystem } from '../model/guest-report.ts';
import type { VolumeIdentity } from './change/linux/stable-names.ts';
import type { VolumeFiles } from './filesystems/files.ts';
import type { Mount, MountedFiles } from './mounted-files.ts';

/** Plain pieces of the disks that a volume lies on, one behind the other. */
export interface DiskPiece {
  /** Number of the disk in the machine, from 0. */
  readonly disk: number;
  /** Bytes, on the disk. */
  readonly offset: number;
  readonly length: number;
}

export interface GuestMount extends Mount {
  readonly files: VolumeFiles;
  /** For messages: `disk 1 partition 2`, `vg0/root`. */
  readonly name: string;
  /** `ext4`, `xfs`, `vfat` … */
  readonly kind: string;
  /** Where its bytes lie; absent where they are not there as they are (encrypted, striped). */
  readonly pieces?: readonly DiskPiece[];
  /** As libguestfs calls it: `/dev/sda1`, `/dev/vg0/root`, `/dev/mapper/…`. */
  readonly device: string;
  /** Device of the LUKS container on the way, as libguestfs calls it. */
  readonly encrypted?: string;
  readonly readOnly: boolean;
}

export interface GuestSystemFiles {
  readonly system: InstalledSystem;
  readonly files: MountedFiles<GuestMount>;
}

export interface OpenGuest {
  /** What each disk says by itself, in the order of the disks. */
  readonly reports: readonly GuestReport[];
  /** Best known first. */
  readonly systems: readonly GuestSystemFiles[];
  /** Every partition and whole disk with what it is called by. */
  readonly identities: readonly VolumeIdentity[];
  readonly findings: readonly Finding[];
  /** Bytes read from all disks so far. */
  readonly bytesRead: number;
}

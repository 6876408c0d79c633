/** A machine's disks, looked into and kept open: the systems on them, each with its files as it sees them itself. */
import type { Finding } from '../model/finding.ts';
import type { GuestReport, InstalledSystem, VolumeInside } from '../model/guest-report.ts';
import type { VolumeIdentity } from './change/linux/stable-names.ts';
import type { VolumeFiles } from './filesystems/files.ts';
import type { Mount, MountedFiles } from './mounted-files.ts';
import type { VolumePiece } from './volumes/open-volumes.ts';

export interface GuestMount extends Mount {
  readonly files: VolumeFiles;
  /** For messages: `disk 1 partition 2`, `vg0/root`. */
  readonly name: string;
  /** `ext4`, `xfs`, `vfat` … */
  readonly kind: string;
  /** Where its bytes lie; absent where they are not there as they are (encrypted, striped). */
  readonly pieces?: readonly VolumePiece[];
  /** As libguestfs calls it: `/dev/sda1`, `/dev/vg0/root`, `/dev/mapper/…`. */
  readonly device: string;
  /** Device of the LUKS container on the way, as libguestfs calls it. */
  readonly encrypted?: string;
  readonly readOnly: boolean;
  /** btrfs: what is mounted of it, as a path from the top or a number. */
  readonly subvolume?: string;
}

export interface GuestSystemFiles {
  readonly system: InstalledSystem;
  /** Absent where the system was only concluded. */
  readonly files?: MountedFiles<GuestMount>;
}

/** A volume whose files can be read, whether a system mounts it or not. */
export interface FileVolume {
  /** For messages first, then what it is called by: `partition 2`, `/dev/sda2`. */
  readonly names: readonly string[];
  readonly kind: string;
  readonly files: VolumeFiles;
}

export interface OpenGuest {
  /** What each disk says by itself, in the order of the disks. */
  readonly reports: readonly GuestReport[];
  /** Best known first. */
  readonly systems: readonly GuestSystemFiles[];
  readonly fileVolumes: readonly FileVolume[];
  /** What lies in partitions, or across them: LVM2, MD, opened LUKS. */
  readonly volumes: readonly VolumeInside[];
  /** Every partition and whole disk with what it is called by. */
  readonly identities: readonly VolumeIdentity[];
  readonly findings: readonly Finding[];
  /** Bytes read from all disks so far. */
  readonly bytesRead: number;
}

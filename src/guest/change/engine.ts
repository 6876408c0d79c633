/** The contract of an engine: what writes planned edits into a guest's volumes. */
import type { WritableDisk } from '../../io/writable-disk.ts';
import type { Edit } from './edit.ts';

/** A filesystem of the guest and what is to be done in it. */
export interface EngineVolume {
  /** For messages: `disk 1 partition 2`, `vg0/root`. */
  readonly name: string;
  /** `ext4`, `vfat`, `xfs` … */
  readonly kind: string;
  /** Where the running guest mounts it: `/`, `/boot/efi`. */
  readonly mountPoint: string;
  /** btrfs: what is mounted of it, as a path from the top or a number. */
  readonly subvolume?: string;
  /**
   * The filesystem alone, writable, where it lies on the disks as plain pieces (a partition, a linear logical volume);
   * absent where it does not (encrypted, striped).
   */
  readonly disk?: WritableDisk;
  /** As libguestfs calls it, with the disks attached in their order: `/dev/sda1`, `/dev/vg0/root`. */
  readonly device: string;
  /** Device of the LUKS container that is opened on the way, as libguestfs calls it. */
  readonly encrypted?: string;
  /** Edits in it, in order; paths are the guest's own and lie below `mountPoint`. */
  readonly edits: readonly Edit[];
}

export interface EngineWork {
  /** All disks of the machine, whole, writable: overlays. */
  readonly disks: readonly WritableDisk[];
  /** Those that are mounted first come first. */
  readonly volumes: readonly EngineVolume[];
  /** Opens what is encrypted; at the moment of use. */
  passphrase?(): Promise<string>;
}

export interface EngineContext {
  readonly signal: AbortSignal;
  report(step: string): void;
}

export interface Engine {
  readonly id: 'builtin' | 'libguestfs';
  /** Why it can't be used here at all; undefined when it can. Looked at once. */
  missing(signal: AbortSignal): Promise<string | undefined>;
  /** Why it can't write these edits to this volume, which may be looked into; undefined when it can. */
  refuses(
    volume: Omit<EngineVolume, 'edits'>,
    edits: readonly Edit[],
    signal: AbortSignal,
  ): Promise<string | undefined>;
  /** Either all of it is written to the overlays, or it throws and they are to be thrown away. @throws AppError. */
  apply(work: EngineWork, context: EngineContext): Promise<void>;
}

/** What is changed inside a guest, as plain data: for a person to judge, for `--json`, the state and the history. */

/** `needed`: without it the guest does not start or is not reached. `asked`: the operator wants it. */
export type ChangeNeed = 'needed' | 'advised' | 'asked';

export interface FileChange {
  /** As the running guest sees it; of the registry `HKLM\SYSTEM\…`. */
  readonly path: string;
  readonly kind: 'new' | 'changed' | 'appended' | 'copied' | 'removed' | 'linked' | 'folder' | 'registry';
  /** Unified, for text. */
  readonly diff?: string;
  /** What it holds is shown to nobody. */
  readonly secret?: boolean;
  /** Bytes that are written. */
  readonly bytes?: number;
}

export interface GuestChange {
  /** Stable: `fstab.uuid`, `initramfs.drivers`. What `--without` names. */
  readonly id: string;
  readonly title: string;
  readonly reason: string;
  readonly need: ChangeNeed;
  readonly files: readonly FileChange[];
}

import type { Failure } from './errors.ts';
import type { Finding } from './finding.ts';

/** What a check of one layer's file structure has found. Plain data. */
export interface CheckReport {
  /** The codec's id. */
  readonly format: string;
  /** Names of the files looked at, the image itself first. */
  readonly files: readonly string[];
  /** Corruption: wrong data can be read, or can come to be by the next write. The first ones of `errorCount`. */
  readonly errors: readonly Finding[];
  readonly errorCount: number;
  /** Space that is taken by nothing; it harms no data. Absent where the format can't have any. */
  readonly leaks?: { readonly count: number; readonly bytes: number };
  readonly warnings: readonly Finding[];
  /** What was counted, named as `qemu-img check` names it where it does. */
  readonly facts: Readonly<Record<string, number>>;
}

export interface DiskCheck {
  readonly id: string;
  readonly name: string;
  /** The image first, then what lies below it. */
  readonly layers: readonly CheckReport[];
  /** Why not all of it could be looked at. */
  readonly failure?: Failure;
}

export interface MachineCheck {
  readonly disks: readonly DiskCheck[];
  /** Of a package: what its manifest says of its files, and what they are. */
  readonly manifest?: { readonly failure?: Failure };
}

/** Whether nothing is wrong; leaks and warnings are no harm. */
export const isSound = (check: MachineCheck): boolean =>
  check.manifest?.failure === undefined &&
  check.disks.every((disk) => disk.failure === undefined && disk.layers.every((l) => l.errorCount === 0));

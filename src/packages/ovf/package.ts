/**
 * What an OVF package says, in neutral words (DMTF DSP0243 1.x). The descriptor is read by `descriptor.ts`,
 * written by `write-descriptor.ts`; an OVA is the same files in one tar archive (`tar.ts`).
 */
import type { Finding } from '../../model/finding.ts';
import type { Machine } from '../../model/machine.ts';

export interface OvfFile {
  readonly id: string;
  /** Relative to the descriptor, as written. */
  readonly href: string;
  /** Bytes as stored (compressed, where it is). */
  readonly sizeBytes?: number;
  readonly compression: 'none' | 'gzip';
  /** Where set, the file lies in pieces of this many bytes: `href.000000000`, `href.000000001` … */
  readonly chunkSizeBytes?: number;
}

export interface OvfDisk {
  readonly diskId: string;
  /** Virtual size. */
  readonly capacityBytes?: number;
  /** Absent for a disk that is to be created empty. */
  readonly file?: OvfFile;
  /** The URI (or oVirt's word) that names the format, as written. */
  readonly format?: string;
  /** The codec's id that the format URI means, where it is known. */
  readonly codec?: string;
  readonly populatedBytes?: number;
  /** The disk below, where this is a delta disk. */
  readonly parentRef?: string;
}

/**
 * A machine of the package. `id` is its ovf:id. Each of `disks` has as `id` the `diskId` of one of the package's
 * disks, as `name` and only member of `files` the file's href (none for an empty disk).
 */
export type OvfMachine = Omit<Machine, 'state' | 'packaging'>;

export interface OvfPackage {
  /** `1.0`, `1.1`, `2.0`: by the envelope's namespace. */
  readonly version: string;
  readonly files: readonly OvfFile[];
  readonly disks: readonly OvfDisk[];
  readonly networks: readonly string[];
  readonly machines: readonly OvfMachine[];
  /** What concerns the whole package. Those of one machine are in its `findings`. */
  readonly findings: readonly Finding[];
}

/** A disk file of a package to be written. */
export interface PackedDisk {
  /** The file's name in the package. */
  readonly fileName: string;
  /** Virtual size. */
  readonly capacityBytes: number;
  /** The id of the disk in `Machine.disks` that this file holds. */
  readonly machineDisk: string;
}

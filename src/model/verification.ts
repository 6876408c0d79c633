/** What came of comparing a machine's disks with the digests of an earlier run. */
import type { Failure } from './errors.ts';

export interface DiskVerification {
  readonly id: string;
  readonly name: string;
  /** The disk of the run that it was compared with. */
  readonly against: string;
  readonly algorithm: string;
  /** Of that disk, bytes. */
  readonly size: number;
  /** Absent: the same bytes. Else the first difference, or why it could not be read. */
  readonly failure?: Failure;
}

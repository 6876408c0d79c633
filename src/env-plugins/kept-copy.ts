/**
 * A kept copy of a machine: a folder `<run>-<stage>` with the image files and `copy.json`, which appears together with
 * them when all are whole.
 */
import type { Machine } from '../model/machine.ts';
import type { CopyOf, KeepStage, PlanSource } from '../model/plan.ts';
import { MiB } from '../model/units.ts';

export const copyFileName = 'copy.json';
export const largestCopyFile = 16 * MiB;

const idPattern = /^(\d{8}-\d{6}-[0-9a-f]{4})-(extracted|changed|converted)$/;

export const copyId = ({ run, stage }: Pick<CopyOf, 'run' | 'stage'>): string => `${run}-${stage}`;

/** Undefined for a name that no copy has. */
export function splitCopyId(id: string): { readonly run: string; readonly stage: KeepStage } | undefined {
  const [, run, stage] = idPattern.exec(id) ?? [];
  return run === undefined ? undefined : { run, stage: stage as KeepStage };
}

/** What an unfinished delivery of that run leaves: `.disk.qcow2.vmferry-<run>.part`. */
export const isUnfinishedFile = (name: string, run: string): boolean =>
  name.startsWith('.') && name.includes(`.vmferry-${run}.part`);

export interface KeptFile {
  readonly name: string;
  readonly bytes: number;
}

export interface KeptDisk {
  /** As the machine names it. */
  readonly id: string;
  /** Its first file. */
  readonly file: string;
  readonly format: string;
  /** What the guest sees. */
  readonly virtualSizeBytes: number;
  readonly allocatedSizeBytes: number;
  /** Of the whole disk, as the guest sees it: `xxh3-128 …`, as in the history. */
  readonly digest?: string;
}

export interface KeptCopy extends Pick<CopyOf, 'run' | 'stage' | 'title'> {
  readonly version: 1;
  /** ISO 8601, UTC: when it was whole. */
  readonly keptAt: string;
  readonly source: Pick<PlanSource, 'environment' | 'profile' | 'settings' | 'machine'>;
  readonly machine: Machine;
  /** The package that holds the disks; absent where they are files of their own. */
  readonly package?: string;
  readonly disks: readonly KeptDisk[];
  readonly files: readonly KeptFile[];
  /** The file with the firmware's variables. */
  readonly nvram?: string;
  readonly whole: true;
}

export const formatCopy = (copy: KeptCopy): string => `${JSON.stringify(copy, null, 2)}\n`;

/** What every change of a Linux guest is worked out from. */
import type { Finding } from '../../../model/finding.ts';
import type { GuestPlan } from '../../../model/guest-plan.ts';
import type { GuestReport, InstalledSystem } from '../../../model/guest-report.ts';
import type { MountedFiles } from '../../mounted-files.ts';
import type { GuestTarget, TargetNic } from '../target.ts';
import type { PlannedTree } from '../tree.ts';
import type { MovedPartition, VolumeIdentity } from './stable-names.ts';

export interface LinuxContext {
  readonly system: InstalledSystem;
  /** As it is on the disks; `tree` is as it will be. */
  readonly files: MountedFiles;
  readonly target: GuestTarget;
  /** The NICs that it had, in the order of `target.nics`. */
  readonly nics: readonly TargetNic[];
  readonly volumes: readonly VolumeIdentity[];
  /** What each disk says by itself. */
  readonly reports: readonly Pick<GuestReport, 'partitionTable' | 'partitions' | 'firmware'>[];
  /** Where those volumes were before, where they lay elsewhere. */
  readonly moves?: readonly MovedPartition[];
  readonly wish: GuestPlan;
  /** The new password of a user. What is shown does not depend on it. */
  password?(user: string): Promise<string>;
  readonly signal: AbortSignal;
}

/** One family of changes: puts what it plans into the tree; what it can't do is a finding. */
export type LinuxChange = (tree: PlannedTree, context: LinuxContext) => Promise<Finding[]>;

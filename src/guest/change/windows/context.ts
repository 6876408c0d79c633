/** What every change of a Windows is worked out from. */
import type { Finding } from '../../../model/finding.ts';
import type { GuestPlan } from '../../../model/guest-plan.ts';
import type { GuestReport, InstalledSystem } from '../../../model/guest-report.ts';
import type { Files } from '../../filesystems/files.ts';
import type { Hive } from '../../formats/registry/open-hive.ts';
import type { GuestTarget, TargetNic } from '../target.ts';
import type { PlannedTree } from '../tree.ts';
import type { DriverFolder } from './driver-folder.ts';

export interface WindowsRequest {
  readonly system: InstalledSystem;
  /** As it is on the disks; `tree` is as it will be. */
  readonly files: Files;
  readonly reports: readonly GuestReport[];
  readonly target: GuestTarget;
  /** The NICs that it had, in the order of `target.nics`. */
  readonly nics: readonly TargetNic[];
  readonly wish: GuestPlan;
  readonly signal: AbortSignal;
}

export interface WindowsContext extends WindowsRequest {
  readonly release: WindowsRelease;
  readonly systemHive: Hive;
  readonly softwareHive: Hive;
  /** `ControlSet001`: the one that it starts with. */
  readonly controlSet: string;
  /** What the user gave. */
  readonly drivers?: DriverFolder;
}

export interface WindowsRelease {
  /** 6.1 is Windows 7 and Server 2008 R2, 6.2 Windows 8 and Server 2012. */
  readonly major: number;
  readonly minor: number;
  readonly build: number;
  readonly isServer: boolean;
  /** As folders of drivers call it. */
  readonly architecture: 'amd64' | 'x86' | 'arm64';
}

export const atLeast = (
  { major, minor }: WindowsRelease,
  wantedMajor: number,
  wantedMinor: number,
): boolean => major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);

export type WindowsChange = (tree: PlannedTree, context: WindowsContext) => Promise<Finding[]>;

/** The system whose files these are, with all that is known of it. */
import type { InstalledSystem } from '../../model/guest-report.ts';
import type { GuestMount } from '../guest.ts';
import type { Looking } from '../looking.ts';
import type { MountedFiles } from '../mounted-files.ts';
import type { Volume } from '../volumes/open-volumes.ts';
import { bsdSystem } from './bsd.ts';
import { linuxSystem } from './linux.ts';
import { windowsSystem } from './windows.ts';

export interface SystemContext {
  /** Of the root volume; findings go there. */
  readonly looking: Looking;
  readonly root: Volume;
  readonly volumes: readonly Volume[];
  /** Every kernel's initramfs, not only that of the default one. */
  readonly thorough: boolean;
  /** What it is called, and no more. */
  readonly filesOnly: boolean;
}

/** Undefined when it is none that is known here. */
export async function readSystem(
  files: MountedFiles<GuestMount>,
  context: SystemContext,
): Promise<InstalledSystem | undefined> {
  return (
    (await linuxSystem(files, context)) ?? (await windowsSystem(files, context)) ?? bsdSystem(files, context)
  );
}

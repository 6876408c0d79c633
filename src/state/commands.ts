/** Wishes. Screens and the command line send the same ones. A command may carry a secret; it is never kept. */
import type { Plan } from '../model/plan.ts';
import type { ReportFormat } from './history/export.ts';
import type { HistoryFilter } from './history/filter.ts';
import type { RunWhen, RunWish } from './runs.ts';
import type { DraftChange, MachineEdit, ScreenId, SecretStoreChoice } from './state.ts';

export type Command =
  | { readonly type: 'go'; readonly screen: ScreenId }
  /** Reads profiles, preferences, history and looks for a secret store. Sent once at the start. */
  | { readonly type: 'load' }
  /** Loads the plugins from outside, once. */
  | { readonly type: 'load-plugins' }
  /** The user's word for a plugin that is left out, by its key; it is loaded then. */
  | { readonly type: 'trust-plugin'; readonly key: string }
  | { readonly type: 'dismiss' }
  // Credentials
  | { readonly type: 'choose-secret-store'; readonly choice: SecretStoreChoice }
  /** Opens the vault, or makes it with this passphrase when there is none yet. */
  | { readonly type: 'unlock-vault'; readonly passphrase: string }
  | {
      readonly type: 'save-profile';
      /** Absent for a new one. */
      readonly id?: string;
      readonly name: string;
      readonly environment: string;
      readonly settings: Readonly<Record<string, string>>;
      /** By field; an absent field keeps the secret that it has. */
      readonly secrets: Readonly<Record<string, string>>;
    }
  | { readonly type: 'delete-profile'; readonly id: string }
  | { readonly type: 'test-profile'; readonly id: string }
  /** Absent id: continue without. */
  | { readonly type: 'choose-profile'; readonly id?: string }
  // Environment
  | {
      readonly type: 'connect';
      readonly environment: string;
      readonly profile?: string;
      /** Over the profile's own. */
      readonly settings?: Readonly<Record<string, string>>;
    }
  | { readonly type: 'cancel-connect' }
  /** `text`: the line that was asked for; not `yes` refuses to give one. */
  | { readonly type: 'answer'; readonly id: number; readonly yes: boolean; readonly text?: string }
  // Destination
  /** Another environment takes the machines. What was set of the one before is put away. */
  | {
      readonly type: 'connect-destination';
      readonly environment: string;
      readonly profile?: string;
      /** Over the profile's own. */
      readonly settings?: Readonly<Record<string, string>>;
    }
  /** A folder here again. */
  | { readonly type: 'leave-destination' }
  // Image
  | { readonly type: 'list' }
  | { readonly type: 'stop-list' }
  /** Keeps the list as the environment says it is, where that tells. Sent at the end of each list where somebody looks at it. */
  | { readonly type: 'watch' }
  /** Adds one machine by its id; on this computer a path. With `byName` its name will do. */
  | {
      readonly type: 'add-machine';
      readonly id: string;
      readonly select: boolean;
      readonly byName?: boolean;
    }
  /** Answers with a `machine-named` event. */
  | { readonly type: 'find-machine'; readonly name: string }
  /** Opens the disks of those whose survey is for later. */
  | { readonly type: 'look-into'; readonly ids: readonly string[] }
  /** Verifies the structure of its images; with `deep` all data is read as well. Need not be in the list. */
  | { readonly type: 'check-machine'; readonly id: string; readonly deep: boolean }
  /** Compare its disks with the digests of an earlier run; `disk`: that one of the run. */
  | { readonly type: 'verify-machine'; readonly id: string; readonly run: string; readonly disk?: string }
  | { readonly type: 'stop-check' }
  /** Where it can run, by the rules; it is in the list. `destinations`: ids of packs of rules; absent: all. */
  | { readonly type: 'judge-machine'; readonly id: string; readonly destinations?: readonly string[] }
  /** Tells the extents of its disks, as `machine-extents` events. */
  | { readonly type: 'map-machine'; readonly id: string }
  /**
   * Serves its disks by NBD to programs of this computer until `stop-serve`; tells each in a `disk-served` event.
   * `disks`: their ids or names; absent: all. With `writable` what is written goes to an overlay that is forgotten.
   */
  | {
      readonly type: 'serve-machine';
      readonly id: string;
      readonly disks?: readonly string[];
      readonly listen?: { readonly path: string } | { readonly port: number };
      readonly writable: boolean;
    }
  | { readonly type: 'stop-serve' }
  /** What is in a folder of the guest, as a `guest-entries` event. `volume`: of this one alone, not the system. */
  | {
      readonly type: 'list-files';
      readonly id: string;
      readonly path: string;
      readonly volume?: string;
      /** With sizes, times and where links lead. */
      readonly long: boolean;
    }
  /** What is installed in the guest, as a `guest-packages` event. */
  | { readonly type: 'list-packages'; readonly id: string; readonly volume?: string }
  /** `take` is given the bytes in order; the next ones come when it has resolved. */
  | {
      readonly type: 'read-file';
      readonly id: string;
      readonly path: string;
      readonly volume?: string;
      readonly take: (bytes: Uint8Array) => Promise<void>;
    }
  /** Copies a file or a folder of the guest to a path here; tells what in a `files-copied` event. */
  | {
      readonly type: 'copy-files';
      readonly id: string;
      readonly path: string;
      readonly volume?: string;
      readonly to: string;
      readonly recursive: boolean;
      readonly force: boolean;
    }
  | { readonly type: 'select'; readonly ids: readonly string[] }
  // Configuration
  | { readonly type: 'draft'; readonly change: DraftChange }
  /** Merged into the machine's edit; a value of undefined takes the change back. */
  | {
      readonly type: 'edit-machine';
      readonly id: string;
      readonly change: { [K in keyof MachineEdit]?: MachineEdit[K] | undefined };
    }
  /** The public keys of a file here may log in as this user of the guest. @throws AppError `usage`. */
  | { readonly type: 'add-ssh-keys'; readonly id: string; readonly user: string; readonly file: string }
  /** Sets the plans that are ready aside for the same run: one more destination may be chosen. @throws AppError `usage`. */
  | { readonly type: 'also' }
  /** Forgets those that were set aside last. */
  | { readonly type: 'drop-also' }
  // Run
  | { readonly type: 'run'; readonly plans: readonly Plan[]; readonly when?: RunWhen }
  | { readonly type: 'pause' }
  | { readonly type: 'resume' }
  | { readonly type: 'cancel' }
  /** The word: the machine under way, which is copied while it runs, is asked to shut down for its last pass. */
  | { readonly type: 'shut-down' }
  /** Bytes a second that the run may read at most; absent: as many as come. */
  | { readonly type: 'rate'; readonly bytesPerSecond?: number }
  // Runs in processes of their own
  /** Begins one and leaves it at once; answers with a `run-left` event. */
  | { readonly type: 'run-away'; readonly plans: readonly Plan[]; readonly when?: RunWhen }
  /** Shows one, by its id or that of one of its machines in the history, until it ends or is left. */
  | { readonly type: 'attach'; readonly id: string }
  /** Leaves the run that is shown: it goes on. */
  | { readonly type: 'detach' }
  /** Answers with a `live-runs` event. */
  | { readonly type: 'runs' }
  /** For one that is not shown. */
  | { readonly type: 'steer-run'; readonly id: string; readonly wish: RunWish }
  /** Puts a finished run away and starts over at the environments. */
  | { readonly type: 'another' }
  // History
  /** With a filter: those alone. */
  | { readonly type: 'history'; readonly filter?: HistoryFilter }
  | { readonly type: 'history-open'; readonly id: string }
  /**
   * Those that run stay, and without `force` those that another run could go on with.
   * @throws AppError `conflict` for the first of these.
   */
  | { readonly type: 'history-remove'; readonly ids: readonly string[]; readonly force?: boolean }
  /** One as a report, several, or all that a filter leaves; to a file, or piece by piece to `take`. */
  | {
      readonly type: 'history-export';
      readonly of: { readonly ids: readonly string[] } | { readonly filter: HistoryFilter };
      readonly format: ReportFormat;
      readonly to:
        | { readonly path: string; readonly force: boolean }
        | { readonly take: (text: string) => Promise<void> };
    }
  /** Answers with a `resumable` event: runs that were cut, and what they have left. */
  | { readonly type: 'resumable' }
  /** Goes on with one. @throws AppError `conflict`, `unsupported` where that can't be. */
  | {
      readonly type: 'resume-run';
      readonly id: string;
      readonly when?: RunWhen;
      /** In a process of its own, which is left at once: as `run-away`. */
      readonly away?: true;
    }
  /** Removes what one has left at its destination; answers with a `discarded` event. */
  | { readonly type: 'discard-run'; readonly id: string }
  /** Runs the plan of an earlier conversion again. */
  | { readonly type: 'history-rerun'; readonly id: string }
  // Kept copies
  /** Of the store here, or of one in another folder. */
  | { readonly type: 'kept'; readonly folder?: string }
  /** For good; each that is gone is told as `kept-removed`. @throws AppError `not-found`, `conflict`. */
  | { readonly type: 'kept-remove'; readonly ids: readonly string[]; readonly folder?: string }
  /** Answers with a `status` event. */
  | { readonly type: 'status' }
  /** Cancels what runs here, closes what is open, and ends. A run in a process of its own goes on. */
  | {
      readonly type: 'terminate';
      /** The run on the screen is cancelled first, wherever it lives. */
      readonly stop?: true;
      /** What can be gone on with stays at the destination. */
      readonly keep?: true;
    };

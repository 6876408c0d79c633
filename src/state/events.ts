/** Facts. `reduce` makes the next state of them; the journal and `--json` print some. Never a secret. */
import type { MachineCheck } from '../model/check-report.ts';
import type { Failure } from '../model/errors.ts';
import type { GuestReport } from '../model/guest-report.ts';
import type { ImageInfo } from '../model/image-info.ts';
import type { Judgement } from '../model/judgement.ts';
import type { Leftover } from '../model/leftover.ts';
import type { Machine } from '../model/machine.ts';
import type { DiskVerification } from '../model/verification.ts';
import type { KeptState } from './kept.ts';
import type {
  AlsoPlanned,
  Catalog,
  Destination,
  DraftChange,
  HistoryEntry,
  HistorySummary,
  LeftOutPlugin,
  LiveRun,
  LogLine,
  MachineEdit,
  Notice,
  Planned,
  Profile,
  Question,
  ResumableRun,
  Run,
  RunItem,
  RunStatus,
  ScreenId,
  SecretStoreInfo,
  Waiting,
} from './state.ts';

export interface GuestPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture?: string;
}

export interface GuestEntry {
  readonly name: string;
  readonly kind?: 'file' | 'folder' | 'link' | 'other';
  readonly size?: number;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Seconds since 1970. */
  readonly modifiedAt?: number;
  /** Where a link leads. */
  readonly target?: string;
}

export type Event =
  | { readonly type: 'went'; readonly screen: ScreenId }
  | { readonly type: 'catalog'; readonly catalog: Catalog }
  | { readonly type: 'plugins-left-out'; readonly plugins: readonly LeftOutPlugin[] }
  | { readonly type: 'notice'; readonly notice?: Notice }
  | { readonly type: 'secret-store'; readonly store: SecretStoreInfo }
  | { readonly type: 'profiles'; readonly profiles: readonly Profile[] }
  | { readonly type: 'profile-chosen'; readonly id?: string }
  | {
      readonly type: 'profile-test';
      readonly profile: string;
      readonly status: 'busy' | 'passed' | 'failed';
      readonly text: string;
    }
  | { readonly type: 'question'; readonly question?: Question }
  | {
      readonly type: 'connecting';
      readonly environment: string;
      readonly profile?: string;
      readonly step: string;
    }
  | {
      readonly type: 'connected';
      readonly environment: string;
      readonly profile?: string;
      readonly label: string;
    }
  | {
      readonly type: 'connect-failed';
      readonly environment: string;
      readonly profile?: string;
      readonly failure: Failure;
    }
  | { readonly type: 'disconnected' }
  | { readonly type: 'destination'; readonly destination: Destination }
  /** The id of the machine that was asked for by its name. */
  | { readonly type: 'machine-named'; readonly id: string }
  | { readonly type: 'listing' }
  | {
      readonly type: 'machine-found';
      readonly machine: Machine;
      readonly byHand?: true;
      readonly later?: true;
    }
  /** It is another now in what a list shows; what was found inside of it is as it was. */
  | { readonly type: 'machine-changed'; readonly machine: Machine }
  | { readonly type: 'machine-survey'; readonly id: string; readonly status: 'waiting' | 'busy' }
  | {
      readonly type: 'machine-surveyed';
      readonly machine: Machine;
      readonly images: Readonly<Record<string, ImageInfo>>;
      readonly reports: Readonly<Record<string, GuestReport>>;
      readonly failure?: Failure;
    }
  /** What looking into a machine is doing where it takes long, and how much of that is done (0 to 1): not kept. */
  | { readonly type: 'machine-look'; readonly id: string; readonly step: string; readonly share?: number }
  /** What a check is doing, and how much of that is done (0 to 1). */
  | { readonly type: 'machine-check'; readonly id: string; readonly step: string; readonly share?: number }
  /** Without a result: it was given up. */
  | { readonly type: 'machine-checked'; readonly id: string; readonly result?: MachineCheck }
  | { readonly type: 'machine-verified'; readonly id: string; readonly result: readonly DiskVerification[] }
  /** `broken`: the user's rules that could not be used, by file. */
  | {
      readonly type: 'machine-judged';
      readonly id: string;
      readonly judgements: readonly Judgement[];
      readonly broken: readonly { readonly where: string; readonly reason: string }[];
    }
  /** A piece of a map: not kept. */
  /** Of a folder in the guest: not kept. Names are as they are, and may hold anything. */
  | {
      readonly type: 'guest-entries';
      readonly machine: string;
      readonly path: string;
      readonly entries: readonly GuestEntry[];
    }
  /** Not kept: there may be thousands. */
  | { readonly type: 'guest-packages'; readonly machine: string; readonly packages: readonly GuestPackage[] }
  | {
      readonly type: 'files-copied';
      readonly machine: string;
      readonly files: number;
      readonly folders: number;
      readonly links: number;
      readonly bytes: number;
      readonly skipped: number;
    }
  /** What was chosen or left out with the files of a guest: not kept. */
  | { readonly type: 'guest-remark'; readonly machine: string; readonly text: string }
  | {
      readonly type: 'machine-extents';
      readonly machine: string;
      readonly disk: string;
      readonly extents: readonly {
        readonly kind: 'data' | 'zero' | 'hole';
        readonly offset: number;
        readonly length: number;
      }[];
    }
  /** A disk can be reached: not kept. Size in bytes. */
  | {
      readonly type: 'disk-served';
      readonly machine: string;
      readonly disk: string;
      readonly uri: string;
      readonly size: number;
      readonly writable: boolean;
    }
  /** What an operator should know of one that is served, such as an error of its storage: not kept. */
  | { readonly type: 'serve-remark'; readonly machine: string; readonly text: string }
  /** These belong to other machines in the list (extents, parents). */
  | { readonly type: 'machines-merged'; readonly ids: readonly string[] }
  /** These were not found again. */
  | { readonly type: 'machines-gone'; readonly ids: readonly string[] }
  | { readonly type: 'listed'; readonly failure?: Failure }
  | { readonly type: 'selected'; readonly ids: readonly string[] }
  | { readonly type: 'drafted'; readonly change: DraftChange }
  | {
      readonly type: 'machine-edited';
      readonly id: string;
      readonly change: { [K in keyof MachineEdit]?: MachineEdit[K] | undefined };
    }
  | { readonly type: 'also'; readonly also: readonly AlsoPlanned[] }
  | { readonly type: 'planning' }
  | { readonly type: 'planned'; readonly planned: Planned }
  | {
      readonly type: 'run-started';
      readonly id: string;
      readonly at: number;
      readonly items: readonly RunItem[];
    }
  | { readonly type: 'run-status'; readonly status: RunStatus; readonly at: number }
  | { readonly type: 'run-item'; readonly index: number; readonly change: Partial<Omit<RunItem, 'plan'>> }
  /** At most 10 a second. Bytes are allocated bytes. */
  | {
      readonly type: 'progress';
      readonly index: number;
      readonly disks: readonly { readonly id: string; readonly bytesDone: number }[];
      readonly rate: number;
      readonly secondsLeft?: number;
    }
  | { readonly type: 'run-log'; readonly line: LogLine }
  | { readonly type: 'run-cleared' }
  /** The run has not begun, and why. */
  | { readonly type: 'run-waiting'; readonly waiting: Waiting }
  /** Bytes a second; absent: no limit any more. */
  | { readonly type: 'run-limit'; readonly bytesPerSecond?: number }
  /** A run in a process of its own, as it is when it is entered. */
  | { readonly type: 'run-entered'; readonly run: Run }
  /** It is not looked at any more, and goes on. */
  | { readonly type: 'run-left'; readonly id: string }
  | { readonly type: 'live-runs'; readonly runs: readonly LiveRun[] }
  | { readonly type: 'history'; readonly entries: readonly HistorySummary[] }
  | { readonly type: 'resumable'; readonly runs: readonly ResumableRun[] }
  /** What could not be removed; not kept. */
  | { readonly type: 'discarded'; readonly id: string; readonly leftovers: readonly Leftover[] }
  | { readonly type: 'history-entry'; readonly entry?: HistoryEntry }
  | { readonly type: 'kept'; readonly kept: KeptState }
  /** Not kept: the list follows. */
  | { readonly type: 'kept-removed'; readonly id: string; readonly bytes: number }
  | { readonly type: 'status'; readonly text: string }
  | { readonly type: 'terminating' };

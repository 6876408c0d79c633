/** Everything the screens show, as plain data: no socket, no handle, no secret. Changed by `reduce` alone. */
import type { MachineCheck } from '../model/check-report.ts';
import type { Failure } from '../model/errors.ts';
import type { Field } from '../model/field.ts';
import type { Finding } from '../model/finding.ts';
import type { GuestChange } from '../model/guest-change.ts';
import type { GuestReport } from '../model/guest-report.ts';
import type { ImageInfo } from '../model/image-info.ts';
import type { Judgement } from '../model/judgement.ts';
import type { Firmware, Machine } from '../model/machine.ts';
import type { OptionSpec, Options } from '../model/options.ts';
import type { Container, Keep, MachineEdit, Plan, Proof, Warm } from '../model/plan.ts';
import type { KeptState } from './kept.ts';
import type { AlsoPlanned, HistoryEntry, HistorySummary, LiveRun, ResumableRun, Run } from './run-state.ts';

export type {
  AlsoPlanned,
  DiskProgress,
  HistoryEntry,
  HistorySummary,
  JournalCondition,
  LiveRun,
  LogLine,
  ResumableRun,
  Run,
  RunItem,
  RunStatus,
  Waiting,
} from './run-state.ts';
export { hasSameDisks, isActive } from './run-state.ts';

export type { Field, MachineEdit };

export const steps = ['credentials', 'environment', 'image', 'configuration', 'run'] as const;
export type Step = (typeof steps)[number];
export type ScreenId = Step | 'history';

export interface EnvironmentInfo {
  readonly id: string;
  readonly label: string;
  readonly summary: string;
  readonly roles: readonly ('source' | 'destination')[];
  readonly fields: readonly Field[];
}

/** A plugin from outside that is not loaded. */
export interface LeftOutPlugin {
  /** What the user's word for it is recorded under. */
  readonly key: string;
  readonly name: string;
  /** `untrusted`, `changed`: it can be trusted (again). */
  readonly status: 'untrusted' | 'changed' | 'broken';
  readonly version?: string;
  /** Such as `plugin folder`, `package`. */
  readonly origin: string;
  /** The folder, or the command in words. */
  readonly where: string;
  readonly reason: string;
}

export interface Profile {
  readonly id: string;
  readonly name: string;
  readonly environment: string;
  readonly settings: Readonly<Record<string, string>>;
  /** Keys of the fields whose value is in the secret store. */
  readonly secretFields: readonly string[];
}

export type SecretStoreChoice = 'auto' | 'keychain' | 'vault' | 'memory';

export interface SecretStoreInfo {
  readonly kind: 'keychain' | 'vault' | 'memory';
  /** Said plainly: `the system keychain`, `an encrypted file, /home/…`, `memory only: forgotten when vmferry ends`. */
  readonly description: string;
  /** `locked`: a vault that waits for its passphrase; `absent`: a vault that the first passphrase will make. */
  readonly status: 'ready' | 'locked' | 'absent';
  readonly choice: SecretStoreChoice;
  /** What was tried before and why it was not taken, a line each. */
  readonly tried: readonly string[];
  /** Why the last unlock failed. */
  readonly failure?: Failure;
}

export type Connection =
  | { readonly status: 'none' }
  | {
      readonly status: 'connecting';
      readonly environment: string;
      readonly profile?: string;
      readonly step: string;
    }
  | {
      readonly status: 'connected';
      readonly environment: string;
      readonly profile?: string;
      readonly label: string;
    }
  | {
      readonly status: 'failed';
      readonly environment: string;
      readonly profile?: string;
      readonly failure: Failure;
    };

/** The environment that is to take the machines; a folder here needs no connection. */
export type Destination =
  | { readonly status: 'folder' }
  | (DestinationOf & { readonly status: 'connecting'; readonly step: string })
  | (DestinationOf & { readonly status: 'connected' } & DestinationOffer)
  | (DestinationOf & { readonly status: 'failed'; readonly failure: Failure });

interface DestinationOf {
  readonly environment: string;
  readonly profile?: string;
  /** Its name for people: the profile's, else the environment's. */
  readonly label: string;
}

/** What it said of itself when it was connected, see `DestinationRole`. */
export interface DestinationOffer {
  /** Of the connection, without secrets. */
  readonly settings: Readonly<Record<string, string>>;
  readonly product?: string;
  readonly formats?: readonly string[];
  readonly options?: Readonly<Record<string, Options>>;
  /** The form of a delivery. */
  readonly fields: readonly Field[];
  readonly networks?: readonly string[];
}

/** A machine in the list, with what opening its disks has told so far. */
export interface MachineItem {
  readonly machine: Machine;
  /** `waiting`, `busy`: its disks are still being looked into. `later`: when it is chosen. */
  readonly survey: 'later' | 'waiting' | 'busy' | 'done' | 'failed';
  readonly failure?: Failure;
  /** Added by its path: looking again does not find it, and that does not mean that it is gone. */
  readonly byHand?: true;
  /** By disk id: what the image is, and what is inside it. */
  readonly images: Readonly<Record<string, ImageInfo>>;
  readonly reports: Readonly<Record<string, GuestReport>>;
  /** What a check of its images is doing, or has found. */
  readonly check?: MachineItemCheck;
  /** Where it can run, by the rules, in the order of the packs. */
  readonly judgements?: readonly Judgement[];
}

export type MachineItemCheck =
  | { readonly status: 'busy'; readonly step: string; readonly share?: number }
  | { readonly status: 'done'; readonly result: MachineCheck };

/** What the machine starts by, as far as its disks tell; the first one that does decides. */
export const firmwareOf = ({ machine, reports }: MachineItem): Firmware['kind'] | undefined =>
  machine.disks
    .map((disk) => reports[disk.id]?.firmware)
    .find((firmware) => firmware === 'bios' || firmware === 'uefi');

export interface MachineList {
  readonly status: 'idle' | 'listing' | 'done' | 'failed';
  readonly items: readonly MachineItem[];
  readonly failure?: Failure;
}

/** A product that opens the result, and what it takes. Data of `convert/products.ts`. */
export interface ProductInfo {
  readonly id: string;
  readonly label: string;
  readonly summary: string;
  /** Possible containers and formats, the default first. */
  readonly containers: readonly Container[];
  readonly formats: readonly string[];
}
export interface FormatInfo {
  readonly id: string;
  readonly label: string;
  readonly extension: string;
  readonly options: readonly OptionSpec[];
  /** It can be laid over another image. */
  readonly backing?: true;
}
export interface Catalog {
  readonly environments: readonly EnvironmentInfo[];
  readonly products: readonly ProductInfo[];
  readonly formats: readonly FormatInfo[];
  /** A path of the sample machine that comes along. */
  readonly sample?: string;
}

/** What the configuration screen edits. Absent fields follow the product's defaults. */
export interface Draft {
  readonly product: string;
  readonly folder: string;
  /** The first file's name, where it was given (`--to`); otherwise made from the machine's. */
  readonly file?: string;
  readonly container?: Container;
  readonly format?: string;
  readonly options: Options;
  /** For whom the image is encrypted: public keys of age. */
  readonly recipients?: readonly string[];
  /** A path: only what differs from that image is stored. */
  readonly backing?: string;
  /** See `PlanDestination`. */
  readonly splitBytes?: number;
  readonly force: boolean;
  readonly sync: boolean;
  /** The form of the destination, where that is an environment: what differs from its defaults. */
  readonly delivery?: Readonly<Record<string, string>>;
  /** Start the machines when they are there. */
  readonly start?: boolean;
  /** Copied while they run. */
  readonly warm?: Warm;
  /** Read back, and sums beside the files. */
  readonly proof?: Proof;
  /** Copies that are kept beside it. */
  readonly keep?: KeepDraft;
  readonly edits: Readonly<Record<string, MachineEdit>>;
}

/** As in a plan; without a place: the store here. */
export type KeepDraft = Omit<Keep, 'machine' | 'place'> & Partial<Pick<Keep, 'place'>>;

type Optional<T, K extends keyof T> = Omit<T, K> & { readonly [P in K]?: T[P] | undefined };

/** A change of the draft; undefined takes a field back to its default. */
export type DraftChange = Optional<
  Partial<Omit<Draft, 'edits'>>,
  | 'container'
  | 'format'
  | 'file'
  | 'recipients'
  | 'backing'
  | 'splitBytes'
  | 'delivery'
  | 'start'
  | 'warm'
  | 'keep'
  | 'proof'
>;

/** The name of an environment for people: its profile's, else its own. */
export function placeName(
  { profiles, catalog, destination }: State,
  { environment, profile }: { readonly environment: string; readonly profile?: string },
): string {
  // The command line has not loaded the profiles; who connected has looked it up.
  const open = destination.status !== 'folder' && destination.environment === environment;
  if (open && destination.profile === profile) return destination.label;
  const own = catalog.environments.find((e) => e.id === environment)?.label ?? environment;
  return profiles.find((p) => p.id === profile)?.name ?? own;
}

/** What the draft comes to: computed anew after each change of the draft or the selection. */
export interface Planned {
  readonly status: 'idle' | 'busy' | 'ready' | 'failed';
  readonly plans: readonly Plan[];
  readonly findings: readonly Finding[];
  /** The plan in words, a line each. */
  readonly text: readonly string[];
  /** Bytes to read, where known. */
  readonly bytes: number;
  /** What is changed inside, by the machine's id in its plan's source; of those alone that are to be changed. */
  readonly guests?: Readonly<Record<string, PlannedGuest>>;
  readonly failure?: Failure;
}

export interface PlannedGuest {
  readonly changes: readonly GuestChange[];
  /** Not made because the user said so. */
  readonly leftOut: readonly GuestChange[];
}

/** Asked of whoever is there. The answer is never in the state. */
export interface Question {
  readonly id: number;
  readonly text: string;
  /** Who asks: the name of the environment. */
  readonly from: string;
  /** A line is wanted, such as a one-time code; `hidden`: not to be shown as it is typed. Absent: yes or no. */
  readonly entry?: 'shown' | 'hidden';
}

export interface Notice {
  readonly level: 'info' | 'warning' | 'error';
  readonly text: string;
}

export interface State {
  readonly screen: ScreenId;
  readonly catalog: Catalog;
  readonly leftOutPlugins: readonly LeftOutPlugin[];
  /** The last thing to tell, shown above the keys until the next command. */
  readonly notice?: Notice;
  readonly secretStore?: SecretStoreInfo;
  readonly profiles: readonly Profile[];
  /** Id of the profile in use; absent for "without". */
  readonly profile?: string;
  readonly profileTest?: {
    readonly profile: string;
    readonly status: 'busy' | 'passed' | 'failed';
    readonly text: string;
  };
  /** What an environment wants to know. Others may wait behind it. */
  readonly question?: Question;
  readonly connection: Connection;
  readonly destination: Destination;
  readonly machines: MachineList;
  /** Ids of the chosen machines. */
  readonly selected: readonly string[];
  readonly draft: Draft;
  readonly planned: Planned;
  /** Other destinations of the run that is being configured. */
  readonly also: readonly AlsoPlanned[];
  readonly run?: Run;
  /** Those in processes of their own, in the order of their turns. */
  readonly liveRuns: readonly LiveRun[];
  readonly history: readonly HistorySummary[];
  readonly historyEntry?: HistoryEntry;
  readonly resumable: readonly ResumableRun[];
  /** The store of kept copies, as it was when it was last looked at. */
  readonly kept?: KeptState;
  /** Set by `terminate`: everything is being ended. */
  readonly terminating: boolean;
}

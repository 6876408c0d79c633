/** The contract of an environment. See ARCHITECTURE.md, "An environment plugin". */
import type { ByteSink, ByteSource } from '../io/byte-source.ts';
import type { Field } from '../model/field.ts';
import type { Finding } from '../model/finding.ts';
import type { Leftover } from '../model/leftover.ts';
import type { Machine, PowerState } from '../model/machine.ts';
import type { Options } from '../model/options.ts';
import type { ByteWindow } from '../model/window.ts';

export type { Field, Leftover };

/** Values of all fields but the secret ones, as text; several folders are separated by `:`. */
export type Settings = Readonly<Record<string, string>>;

export interface PluginContext {
  readonly signal: AbortSignal;
  /**
   * The secret of a field, at the moment of use; never to be stored, logged or put into an error.
   * @throws AppError `auth` when there is none.
   */
  secret(key: string): Promise<string>;
  /** A short line for the screen: what is being waited for. */
  report(step: string): void;
  /** A line for the run's log: a link that failed and was tried again. Absent where nobody keeps one. */
  note?(text: string): void;
  /** A question with yes and no, such as an unknown host key. Headless runs answer no. */
  confirm(question: string): Promise<boolean>;
  /**
   * A line that only somebody at the screen can give, such as a one-time code; `hidden`: it is not shown as it is
   * typed. Never to be stored. Absent where nobody can be asked.
   */
  ask?(prompt: { readonly text: string; readonly hidden: boolean }): Promise<string>;
}

/** A disk ready to be read: its bytes, the codec to read them with, and its neighbours. */
export interface OpenDisk {
  readonly source: ByteSource;
  /** The codec's id where it is known; probed otherwise. */
  readonly format?: string;
  /** It was reached by a name that leads out of the first image's folder: not to be trusted blindly. */
  readonly outside?: boolean;
  /** The bytes are compressed with gzip as a whole and must be unpacked before a codec can read them. */
  readonly gzip?: boolean;
  /** What the user should know of how it is read. They become the opened image's. */
  readonly findings?: readonly Finding[];
  /**
   * A file named inside the image (an extent, a parent); `name` as the image writes it.
   * @throws AppError `not-found`, `unsupported`.
   */
  sibling(name: string): Promise<OpenDisk>;
  /**
   * Names of the files beside this one, each for `sibling`; for formats that know their parent by an id only.
   * Absent where the place can't be listed.
   */
  neighbours?(): Promise<string[]>;
}

export interface ListOptions {
  readonly signal: AbortSignal;
  /** Called for each machine as it is found; `list` resolves when all are. */
  found(machine: Machine): void;
}

export interface WatchOptions {
  readonly signal: AbortSignal;
  /** One that is new, or not as it was told the last time. */
  found(machine: Machine): void;
  /** One that is not there any more. */
  gone(id: string): void;
}

/** How a running machine is to be read. */
export interface HoldOptions {
  /** Names what is made for it, so that it is known for ours, also after a crash. */
  readonly runId: string;
  readonly signal: AbortSignal;
  report(step: string): void;
}

/** A point in time of a machine, at which all its disks can be read while it runs on. */
export interface Hold {
  /** The machine as it was then; its disks are opened by `SourceRole.open` as ever, until `release`. */
  readonly machine: Machine;
  /** What the user should know: not quiesced, what was left by an earlier run was removed … */
  readonly findings: readonly Finding[];
  /**
   * Asked when all is read, before anything is final: the point in time still stands, nobody took it away meanwhile.
   * @throws AppError `conflict` when it does not.
   */
  verify?(signal: AbortSignal): Promise<void>;
  /** Leaves the machine as it was. Never throws; what can't be undone is in what it resolves to, in words. */
  release(): Promise<string[]>;
}

/** Where the disks stood at a pass: by the disk's id, in the environment's own words. Plain data, fit for a file. */
export type Marks = Readonly<Record<string, string>>;

/** Ranges in ascending order that do not overlap; or why nobody knows, and all of the disk has to be compared. */
export type Changed = { readonly ranges: readonly ByteWindow[] } | { readonly unknown: string };

/** A point in time of a machine that is copied while it runs. */
export interface TrackedPass extends Hold {
  /** The machine is off: nothing changes after this. */
  readonly final: boolean;
  /** Of those disks that can be asked for what changed after this. */
  readonly marks: Marks;
  /**
   * What of the disk may be different from how it was at `since`; without `since`, what is not known to be zeros.
   * `size` is the disk's, in bytes.
   */
  changed(
    disk: { readonly id: string; readonly size: number },
    since: Marks | undefined,
    signal: AbortSignal,
  ): Promise<Changed>;
  /**
   * Asked before the disk is opened, where it can be sent as what is different from `since`. Undefined, or absent: it is
   * opened, and `changed` is asked.
   */
  delta?(
    disk: { readonly id: string; readonly size: number },
    since: Marks,
    signal: AbortSignal,
  ): Promise<Delta | undefined>;
}

/** What of a disk is different, with its bytes. */
export interface Delta {
  readonly ranges: readonly ByteWindow[];
  /** As large as the disk; only bytes of the ranges are read, ascending. Whoever got it closes it. */
  readonly source: ByteSource;
}

/** A machine that is copied in passes: all of it, then what changed, and once more when it is off. */
export interface Tracking {
  readonly findings: readonly Finding[];
  /** One at a time: the pass before has been released. @throws AppError as `SourceRole.hold`. */
  pass(options: HoldOptions): Promise<TrackedPass>;
  /** Asked again and again while the machine's end is waited for: in one small call. */
  state(signal: AbortSignal): Promise<PowerState>;
  /** Asks the system inside to shut down, and does not wait for that. @throws AppError `unsupported`. */
  shutDown(signal: AbortSignal): Promise<void>;
  /** Undoes what `track` did to the machine; as `Hold.release`. */
  close(): Promise<string[]>;
}

export interface TrackOptions extends HoldOptions {
  /** The user's word: what the machine needs for it and has not may be turned on. Else that is asked for. */
  readonly turnOn: boolean;
}

export interface SourceRole {
  /** There may be thousands of machines, each a while away: the disks are looked into of those that are chosen. */
  readonly lookWhenChosen?: boolean;
  list(options: ListOptions): Promise<void>;
  /**
   * Tells what changes from the last whole `list` on, until the signal is aborted: that is no failure. Absent where only
   * a new list tells. @throws AppError when nothing can be told any more.
   */
  watch?(options: WatchOptions): Promise<void>;
  /** Everything known of one machine. @throws AppError `not-found`. */
  inspect(id: string, signal: AbortSignal): Promise<Machine>;
  /** @throws AppError `not-found`, `unsupported`. */
  open(machine: Machine, diskId: string, signal: AbortSignal): Promise<OpenDisk>;
  /**
   * Checks what the package itself promises (checksums); runs beside the conversion, which is committed only
   * when this has ended well. @throws AppError `corrupt`.
   */
  verify?(machine: Machine, signal: AbortSignal): Promise<void>;
  /**
   * Called before the disks of a machine that is not off are opened. Absent where a running machine can't be read.
   * @throws AppError `unsupported` when this machine can't be held; the hint says what to do (shut it down).
   */
  hold?(machine: Machine, options: HoldOptions): Promise<Hold>;
  /** Called instead of `hold` for a machine that is to be copied while it runs. Absent where nothing tells what changed. */
  track?(machine: Machine, options: TrackOptions): Promise<Tracking>;
  /** The firmware's variables of a UEFI machine; undefined where it has none. */
  nvram?(machine: Machine, signal: AbortSignal): Promise<Uint8Array | undefined>;
}

/** What will be delivered, as far as it is known beforehand. */
export interface DeliveryRequest {
  readonly name: string;
  readonly machine: Machine;
  readonly settings: Settings;
  /** Replace what has the same name. */
  readonly force: boolean;
  /** Flush to the medium before names become final. */
  readonly sync: boolean;
  /** Files at the destination's own computer that the conversion reads: never replaced, not even by `force`. */
  readonly reading?: readonly string[];
  /** Names the temporary files, so that they are known for ours. */
  readonly runId: string;
  /** It was begun before, and suspended or cut: the files that grew under `runId` are there, and are gone on with. */
  readonly resume?: true;
  /** The firmware's variables, where the source has them. */
  readonly nvram?: Uint8Array;
  readonly signal: AbortSignal;
}

/** Of a filesystem or the like, in bytes. */
export interface Space {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** A whole machine or nothing: names are final only after `commit`. */
export interface Delivery {
  /**
   * `begun`: in a delivery that resumes, this file has been begun and must be there.
   * @throws AppError `conflict`, `auth`, `no-space`, `not-found` when what was begun is gone.
   */
  sink(file: {
    readonly name: string;
    readonly size?: number;
    readonly begun?: true;
    /** No chunk goes back to a place that was left open. */
    readonly forward?: true;
  }): Promise<ByteSink>;
  /**
   * Takes a file of this computer, whole already, as the one of this name: it is moved, not copied, and belongs to the
   * delivery then. False where it can't be moved there; nothing has happened then. Absent where nothing can.
   */
  adopt?(file: { readonly name: string; readonly path: string }): Promise<boolean>;
  /** Of where the files grow; undefined where it can't be told. Absent where nothing tells. */
  space?(signal: AbortSignal): Promise<Space | undefined>;
  /** Resolves to where the machine is now: paths. */
  commit(): Promise<string[]>;
  /**
   * Instead of a rollback: closes what is open, and leaves what was written to a delivery of the same `runId` that
   * resumes. Absent where nothing can be gone on with. Never throws.
   */
  suspend?(): Promise<void>;
  /**
   * Takes back what was done, also what a commit that failed had done; after a commit that did not, it does nothing.
   * Resolves to what could not be taken back. Safe to be called at any time, also twice; never throws.
   */
  rollback(): Promise<readonly Leftover[]>;
  /**
   * After `commit`: puts `SHA256SUMS` beside the files, worked out where they lie. Resolves to its place. Absent where
   * there is no folder of files.
   */
  sums?(signal: AbortSignal): Promise<string>;
  /** After `commit`: what it replaced and could not remove. */
  remains?(): readonly Leftover[];
  /**
   * After `commit`: starts the machine and resolves to its state as the environment tells it. What was delivered
   * stays, also when this fails. Absent where there is nothing to start.
   */
  start?(signal: AbortSignal): Promise<PowerState>;
}

export interface DestinationRole {
  /**
   * What takes the delivery: the id of a product (`convert/products.ts`); its hardware is the machine's default and
   * only plain disks are delivered. Absent for a folder, which takes whatever any product wants.
   */
  readonly product?: string;
  /** Ids of the formats that a disk may have there, the default first. Absent: any. */
  readonly formats?: readonly string[];
  /** For a format, options that can be nothing else there; those left to the user are not among them. */
  readonly options?: Readonly<Record<string, Options>>;
  /**
   * The form for one delivery, with what this host offers at the moment as choices (pools, networks). Its values
   * come in `request.settings`, beside those of the connection.
   */
  fields?(signal: AbortSignal): Promise<readonly Field[]>;
  /** Names of the networks that a NIC can be joined to, the default first. Absent: any name will do. */
  networks?(signal: AbortSignal): Promise<readonly string[]>;
  /**
   * The hardware that the guest will find there, where it is not what is asked for: what its drivers are chosen by.
   */
  hardware?(request: DeliveryRequest): Promise<Pick<Machine, 'disks' | 'nics' | 'firmware'>>;
  /** What speaks against the delivery, before a byte moves. `bytes` is the largest it can become. */
  check(request: DeliveryRequest, files: readonly string[], bytes: number): Promise<Finding[]>;
  begin(request: DeliveryRequest): Promise<Delivery>;
}

export interface Session {
  readonly source?: SourceRole;
  readonly destination?: DestinationRole;
  /** A secret that an image asks for (`passphrase`), set by who opened the session. @throws AppError `auth`. */
  secret?(key: string): Promise<string>;
  close(): Promise<void>;
}

export interface EnvironmentPlugin {
  readonly id: string;
  readonly label: string;
  /** One line: what it can do, for the Environment screen. */
  readonly summary: string;
  readonly roles: readonly ('source' | 'destination')[];
  readonly fields: readonly Field[];
  /** @throws AppError `auth`, `unreachable`, `usage` (a setting is missing or impossible). */
  connect(settings: Settings, context: PluginContext): Promise<Session>;
}

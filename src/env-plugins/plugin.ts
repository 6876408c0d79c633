/** The contract of an environment. See ARCHITECTURE.md, "An environment plugin". */
import type { ByteSink, ByteSource } from '../io/byte-source.ts';
import type { Field } from '../model/field.ts';
import type { Finding } from '../model/finding.ts';
import type { Machine } from '../model/machine.ts';

export type { Field };

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
  /** A question with yes and no, such as an unknown host key. Headless runs answer no. */
  confirm(question: string): Promise<boolean>;
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

export interface SourceRole {
  list(options: ListOptions): Promise<void>;
  /** Everything known of one machine. @throws AppError `not-found`. */
  inspect(id: string, signal: AbortSignal): Promise<Machine>;
  /** @throws AppError `not-found`, `unsupported`. */
  open(machine: Machine, diskId: string, signal: AbortSignal): Promise<OpenDisk>;
  /**
   * Checks what the package itself promises (checksums); runs beside the conversion, which is committed only
   * when this has ended well. @throws AppError `corrupt`.
   */
  verify?(machine: Machine, signal: AbortSignal): Promise<void>;
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
  /** Files on this computer that the conversion reads: they are never replaced, not even by `force`. */
  readonly reading?: readonly string[];
  /** Names the temporary files, so that they are known for ours. */
  readonly runId: string;
  readonly signal: AbortSignal;
}

/** A whole machine or nothing: names are final only after `commit`. */
export interface Delivery {
  /** @throws AppError `conflict`, `auth`, `no-space`. */
  sink(file: { readonly name: string; readonly size?: number }): Promise<ByteSink>;
  /** Resolves to where the machine is now: paths. */
  commit(): Promise<string[]>;
  /** Leaves nothing behind. Safe to be called at any time, also twice; never throws. */
  rollback(): Promise<void>;
}

export interface DestinationRole {
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

/**
 * The ways to the bytes of a machine's disk. A way is made once for a session and keeps what its disks share (a lease,
 * a connection to a host). The fastest that is offered is taken, see `choose.ts`.
 *
 * To add one: a file here that makes it, its line in `all.ts`, its id below; what it asks the user for is a field in
 * `../settings.ts`, which it reads from `WayContext.settings`.
 */
import type { Machine } from '../../../model/machine.ts';
import type { OpenDisk, PluginContext, Settings } from '../../plugin.ts';
import type { DatastorePath } from '../datastore-path.ts';
import type { DiskDevice } from '../devices.ts';
import type { FilePlace } from '../disk-file.ts';
import type { VimSession } from '../session.ts';
import type { ServerSettings } from '../settings.ts';
import type { Ref } from '../soap.ts';

/** The fastest first. */
export const wayIds = ['vddk', 'ssh', 'host', 'files', 'lease'] as const;
export type WayId = (typeof wayIds)[number];

/** What all ways of a session have. */
export interface WayContext {
  readonly session: VimSession;
  readonly server: ServerSettings;
  /** As the form has them, for the fields of one way. */
  readonly settings: Settings;
  /** For secrets and questions; `signal` ends with the connecting: `open` has its own. */
  readonly plugin: PluginContext;
  /** The file with the fingerprints that the user has accepted. */
  readonly certificates: string;
}

/** A disk that stands still: of a machine at rest, or below the snapshot that holds it. */
export interface WaySubject {
  readonly machine: Machine;
  readonly vm: Ref;
  /** The snapshot that holds it; undefined for a machine at rest. */
  readonly snapshot: Ref | undefined;
  readonly disk: DiskDevice;
  /** In `machine.disks`. */
  readonly diskId: string;
  /** Of the image to be read, which may be another one than the disk's present one; undefined for one without. */
  readonly file: DatastorePath | undefined;
  /** Where its files are; `home` is `file`. Undefined without a file. */
  readonly place: FilePlace | undefined;
  /** `VMFS`, `NFS`, `vsan` … of the datastore. */
  readonly datastoreKind: string | undefined;
  /** The host where the machine is registered; its name is what the server calls it: mostly a DNS name or an address. */
  readonly host: { readonly ref: Ref; readonly name: string } | undefined;
}

export interface Way {
  readonly id: WayId;
  /** For people: `files of the datastore over HTTPS`. */
  readonly label: string;
  /**
   * Why this disk can't be read in this way, in words that the user is shown behind the label; undefined when it is
   * offered. Cheap, or remembered: it is asked for each disk. Throws only when it is cancelled.
   */
  whyNot(subject: WaySubject, signal: AbortSignal): Promise<string | undefined>;
  /** The choice falls to the next way when this fails, with its message as the reason. @throws AppError. */
  open(subject: WaySubject, signal: AbortSignal): Promise<OpenDisk>;
  /** With the session. Never throws. */
  close?(): Promise<void>;
}

export type MakeWay = (context: WayContext) => Way;

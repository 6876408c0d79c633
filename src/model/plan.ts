/** A conversion as data: built by a screen or a command line, printed, saved, checked, run, run again. */
import type { GuestPlan } from './guest-plan.ts';
import type { DiskBus, Firmware, Machine, MachineDisk, Nic } from './machine.ts';
import type { Options } from './options.ts';
import type { ByteWindow } from './window.ts';

/** How the machine's disks and description are put together at the destination. */
export type Container = 'disks' | 'ovf' | 'ova' | 'xva';

export interface PlanSource {
  /** Id of the environment plugin. */
  readonly environment: string;
  /** Id of the profile whose secrets are used. */
  readonly profile?: string;
  readonly settings: Readonly<Record<string, string>>;
  /** The machine's id there. */
  readonly machine: string;
  /** The image may name files outside its own folder. */
  readonly follow: boolean;
  /** The format of the disks where their marks don't say it, or say it wrong; probed otherwise. */
  readonly format?: string;
  /** The internal snapshot of the disks that is wanted instead of their current state: an id or a name. */
  readonly snapshot?: string;
  /** Of the one disk, these bytes are the disk that is wanted. */
  readonly window?: ByteWindow;
  /** Of the one disk, this partition is the disk that is wanted: its number in the table. */
  readonly partition?: number;
  /** A partition table of this kind is put around each disk that has none: a bare filesystem. */
  readonly table?: TableKind;
}

export type TableKind = 'mbr' | 'gpt';

/** How the disks are to be opened. */
export type Opening = Pick<PlanSource, 'follow' | 'format' | 'snapshot' | 'window' | 'partition' | 'table'>;

export interface PlanDestination {
  readonly environment: string;
  readonly profile?: string;
  readonly settings: Readonly<Record<string, string>>;
  /** Id of the product that is to open the result, see `convert/products.ts`. */
  readonly product: string;
  readonly container: Container;
  /** The codec's id. */
  readonly format: string;
  readonly options: Options;
  /** For whom an image is encrypted with age: public keys. */
  readonly recipients?: readonly string[];
  /** The path of an image on this computer that the new one names and holds only the differences to. */
  readonly backing?: string;
  /** Each file that is larger goes into parts of so many bytes, with a list of them beside. */
  readonly splitBytes?: number;
}

/** Copied while it runs: all of it, then what changed, pass by pass, and the last changes when it is off. */
export interface Warm {
  /** The user's word: the system inside is asked to shut down for the last pass. Else it is waited for. */
  readonly shutDown: boolean;
  /** The user's word: tracking of changes may be turned on at the source. */
  readonly turnOn: boolean;
  /** So many passes after the first one are enough. */
  readonly passes?: number;
  /** A pass that carried less is small enough. */
  readonly belowBytes?: number;
  /** Between two passes while the end is waited for. */
  readonly intervalSeconds?: number;
  /** Where the copies grow; else the destination's folder, or that for temporary files. */
  readonly folder?: string;
}

/**
 * What of the way is kept: `extracted`, as it was before anything was changed inside; `changed`, after that;
 * `converted`, the files that are delivered.
 */
export const keepStages = ['extracted', 'changed', 'converted'] as const;
export type KeepStage = (typeof keepStages)[number];

/** A folder here, or one behind SSH (`settings.folder`). */
export type KeepPlace =
  | {
      readonly folder: string;
      /** It is the store here: where nothing else was said. */
      readonly usual?: true;
    }
  | {
      readonly environment: 'ssh';
      readonly profile?: string;
      readonly settings: Readonly<Record<string, string>>;
    };

/** Copies that are kept beside the delivery, to be a source of their own later. */
export interface Keep {
  readonly stages: readonly KeepStage[];
  /** Of `extracted` and `changed`. Default qcow2. */
  readonly format?: 'qcow2' | 'raw';
  readonly place: KeepPlace;
  /** So much stays free there. Default: a twentieth of its filesystem, at most 1 GiB. */
  readonly reserveBytes?: number;
  /** As the source has it: that of the plan is as the destination is to have it. */
  readonly machine?: Machine;
}

/** Of a plan that delivers a kept copy: what it is a copy of. */
export interface CopyOf {
  /** The id of the run. */
  readonly run: string;
  readonly stage: KeepStage;
  /** Of the run, for people. */
  readonly title: string;
  readonly reserveBytes?: number;
}

/** Numbers of partitions, by the disk that they go to: `[[1, 2], [3]]`. */
export type PartitionGroups = readonly (readonly number[])[];

/** Disks combined into one, or one separated into several: the machine's own are the new ones. */
export type Arrange = {
  /** As the source has them: these are opened and read. */
  readonly disks: readonly MachineDisk[];
} & (
  | { readonly kind: 'combine' }
  /** Every partition of the one disk is named once; the first group keeps the boot code. */
  | { readonly kind: 'separate'; readonly groups: PartitionGroups }
);

/** As it is wished; without groups, what starts the machine stays together and each other partition goes by itself. */
export type ArrangeWish =
  | { readonly kind: 'combine' }
  | { readonly kind: 'separate'; readonly groups?: PartitionGroups };

export interface Plan {
  readonly version: 1;
  readonly source: PlanSource;
  /** As the destination is to have it: its name, hardware, and the disks that go along. */
  readonly machine: Machine;
  readonly destination: PlanDestination;
  /** Replace what has the same name. */
  readonly force: boolean;
  /** Flush to the medium before the names become final. */
  readonly sync: boolean;
  /** Start it when it is there. */
  readonly start?: boolean;
  /** What was delivered is read back there, and compared with what was read. */
  readonly verify?: boolean;
  /** `SHA256SUMS` is put beside the files. */
  readonly sums?: boolean;
  /** How the disks' blocks are hashed. Absent: XXH3 where the system has it, else SHA-256. */
  readonly digest?: 'xxh3-128' | 'sha256';
  /** Absent: read once, as it is or as it is held. */
  readonly warm?: Warm;
  /** Absent: nothing is changed inside the guest. */
  readonly guest?: GuestPlan;
  /** Absent: each disk stays one. */
  readonly arrange?: Arrange;
  readonly keep?: Keep;
  readonly copyOf?: CopyOf;
}

/** What shows that all of it has arrived. */
export type Proof = Pick<Plan, 'verify' | 'sums' | 'digest'>;

/** What the user has changed of one machine; absent means as it is. */
export interface MachineEdit {
  readonly name?: string;
  readonly processors?: number;
  readonly memoryBytes?: number;
  readonly firmware?: Firmware;
  readonly nics?: readonly Nic[];
  /** Of every disk, in the place of its own. */
  readonly diskBus?: DiskBus;
  /** Of every NIC, in the place of its own: `virtio`, `e1000` … */
  readonly nicModel?: string;
  /** What is changed inside; without `changes`: what the destination takes, where it is a hypervisor. */
  readonly guest?: Partial<GuestPlan>;
  /** Ids of the disks that stay behind. */
  readonly leaveOut?: readonly string[];
  readonly arrange?: ArrangeWish;
  /** See `PlanSource`. */
  readonly snapshot?: string;
  readonly window?: ByteWindow;
  readonly partition?: number;
  readonly table?: TableKind;
}

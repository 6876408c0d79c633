/** The neutral machine: what every environment's own words are turned into, and made from. */
import type { Finding } from './finding.ts';

export type PowerState = 'off' | 'running' | 'suspended' | 'unknown';

export interface GuestSystem {
  /** As a person would say it: `Debian GNU/Linux 12 (bookworm)`. */
  readonly name: string;
  readonly family: 'linux' | 'windows' | 'bsd' | 'other';
  readonly version?: string;
  /** `x86_64`, `aarch64`, `i686` … */
  readonly architecture?: string;
  readonly hostname?: string;
}

export interface Firmware {
  readonly kind: 'bios' | 'uefi';
  readonly secureBoot?: boolean;
  /** The environment keeps the firmware's variables (NVRAM) with the machine: `SourceRole.nvram` gives them. */
  readonly nvram?: boolean;
}

/** What a machine can have besides processors, memory, disks and NICs. Absent: not there, or not told. */
export interface Devices {
  readonly tpm?: { readonly version?: '1.2' | '2.0'; readonly model?: string };
  /** What the hardware clock shows. */
  readonly clock?: 'utc' | 'localtime';
  /** `vnc`, `spice` … */
  readonly graphics?: string;
  /** `virtio`, `qxl`, `vga`, `cirrus` … */
  readonly video?: string;
  /** Ways to talk to it as text. */
  readonly consoles?: readonly ('serial' | 'virtio')[];
  /** A channel to an agent inside: `qemu`, `spice`, `xen` … */
  readonly agents?: readonly string[];
  readonly cdroms?: readonly { readonly bus?: DiskBus; readonly media?: string }[];
  /** What is passed through or shared and can't be carried, a line each: `PCI 0000:03:00.0`. */
  readonly bound?: readonly string[];
}

export type DiskBus = 'ide' | 'sata' | 'scsi' | 'virtio' | 'nvme' | 'usb' | 'sd' | 'xen' | 'ubd' | 'fdc';

export interface MachineDisk {
  /** Unique in its machine, stable between two listings. What `Session.open` is given. */
  readonly id: string;
  /** A name to show: mostly the file's own. */
  readonly name: string;
  /** The codec's id, where it is known without opening the disk. */
  readonly format?: string;
  /** What is around the image as a whole, the outermost first: `gzip`, `age` … */
  readonly packed?: readonly string[];
  /** Opening it reads all of it (a folder that becomes a filesystem): it is looked into only when that is asked for. */
  readonly costly?: boolean;
  readonly virtualSizeBytes?: number;
  /** Bytes that hold data, or that the image's files take. */
  readonly allocatedSizeBytes?: number;
  readonly bus?: DiskBus;
  /** The controller's own model, such as `lsilogic`, `pvscsi`, `ahci`. */
  readonly controllerModel?: string;
  /** Number of the controller of this bus, and the place on it. */
  readonly controller?: number;
  readonly unit?: number;
  /** Every file that the image consists of (extents, parents), absolute where it is on this computer. */
  readonly files: readonly string[];
  readonly bootable?: boolean;
  /** Its place in the order of booting, from 1; among disks and NICs. */
  readonly bootOrder?: number;
  /** What the guest sees as the disk's serial number. */
  readonly serial?: string;
  readonly readOnly?: boolean;
  /** Several machines write to it. */
  readonly shared?: boolean;
}

export interface Nic {
  /** `00:16:3e:…` in lower case; absent lets the destination choose. */
  readonly mac?: string;
  /** The network it is joined to, in the environment's own words. */
  readonly network?: string;
  /** `e1000`, `vmxnet3`, `virtio`, `pcnet32` … */
  readonly model?: string;
  readonly connected?: boolean;
  readonly bootOrder?: number;
}

export interface Snapshot {
  readonly name: string;
  /** Seconds since 1970. */
  readonly createdAt?: number;
  readonly current?: boolean;
  readonly description?: string;
  /** The id by which the machine can be inspected and opened as it was then. Absent: it can't. */
  readonly machine?: string;
}

export interface Machine {
  /** Unique in its environment, stable between two listings; on this computer, the path. */
  readonly id: string;
  readonly name: string;
  readonly state: PowerState;
  readonly system?: GuestSystem;
  readonly processors?: {
    /** All of them: sockets × cores × threads. */
    readonly count: number;
    readonly coresPerSocket?: number;
    readonly threadsPerCore?: number;
    /** `host-passthrough`, `Nehalem` … in the environment's own words. */
    readonly model?: string;
  };
  readonly memoryBytes?: number;
  readonly firmware?: Firmware;
  readonly disks: readonly MachineDisk[];
  readonly nics: readonly Nic[];
  readonly devices?: Devices;
  /** `i440fx`, `q35` … */
  readonly chipset?: string;
  /** As the guest sees it (SMBIOS), where it should stay. */
  readonly uuid?: string;
  readonly snapshots?: readonly Snapshot[];
  /** What it comes in: `disk image`, `OVA`, `OVF`, `libvirt domain`. */
  readonly packaging?: string;
  /** Where the environment keeps it, in its own words: folder, host, cluster. */
  readonly place?: string;
  readonly description?: string;
  /** What the environment could not express or read. */
  readonly findings: readonly Finding[];
}

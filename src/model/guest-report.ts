/** What was found inside a disk. Plain data, fit for `--json`, state and eligibility rules. */
import type { Finding } from './finding.ts';
import type { GuestSystem } from './machine.ts';

/** Which firmware the disk can be started by, as far as its partitions and boot sector tell. */
export type FirmwareHint = 'bios' | 'uefi' | 'both' | 'unknown';

/** Whose code is in the first 440 bytes of the disk. */
export type BootCode = 'grub' | 'windows' | 'syslinux' | 'lilo' | 'other' | 'none';

export interface PartitionTable {
  /** `none`: no table; what there is lies on the whole disk. */
  readonly kind: 'mbr' | 'gpt' | 'none';
  /** Sector that the table counts in, bytes. */
  readonly sectorSize: number;
  /** The GPT's disk GUID, or the MBR's disk signature as `0x1234abcd`. */
  readonly id?: string;
  readonly bootCode: BootCode;
  /** GPT only: the MBR lists partitions beside the protective one. */
  readonly hybrid?: boolean;
  /** GPT only: the primary table is broken, what is said here comes from the backup. */
  readonly fromBackup?: boolean;
}

export type VolumeState = 'clean' | 'dirty' | 'hibernated' | 'unknown';

export interface GuestVolume {
  /** `ext4`, `xfs`, `ntfs`, `lvm2-pv`, `luks2`, `swap` … */
  readonly kind: string;
  readonly label?: string;
  readonly uuid?: string;
  /** Bytes that the filesystem spans, where its superblock says so. */
  readonly sizeBytes?: number;
  readonly usedBytes?: number;
  readonly state: VolumeState;
  readonly encrypted?: boolean;
  /** What more there is to say of it, such as `RAID1 of 2 devices, metadata 1.2`. */
  readonly detail?: string;
  /** Whether files can be read from it here. */
  readonly readable: boolean;
}

export interface GuestPartition {
  /** As the system numbers it: logical ones from 5 on; 0 is the whole disk. */
  readonly number: number;
  readonly startBytes: number;
  readonly lengthBytes: number;
  /** The MBR's id as `0x83`, the GPT's type GUID in lower case, empty for the whole disk. */
  readonly type: string;
  readonly typeName: string;
  /** GPT only. */
  readonly name?: string;
  /** PARTUUID, as the Linux kernel writes it. */
  readonly uuid?: string;
  /** MBR: active. GPT: the legacy BIOS bootable attribute. */
  readonly bootable: boolean;
  readonly volume?: GuestVolume;
}

/** A volume that is no partition itself: it lies in one, or across several. */
export interface VolumeInside {
  /** `vg0/root`, `partition 2 (decrypted)` */
  readonly name: string;
  /** `luks`, `md`, `bsd`, or LVM2's word for its kind: `linear`, `striped` … */
  readonly made: string;
  readonly sizeBytes: number;
  /** As the guest calls it. */
  readonly device?: string;
  readonly volume?: GuestVolume;
  /** Why it can't be read. */
  readonly why?: string;
}

export interface MountEntry {
  /** As fstab writes it: `UUID=…`, `/dev/sda1`. */
  readonly device: string;
  readonly mountPoint: string;
  readonly kind: string;
  readonly options: string;
}

/** Where a kernel has a driver, the earliest place at which it can be used. */
export type DriverPlace = 'builtin' | 'initramfs' | 'module' | 'missing';

export interface GuestKernel {
  /** `6.1.0-18-amd64` */
  readonly version: string;
  /** Paths as the running system sees them. */
  readonly image?: string;
  readonly initramfs?: string;
  /** Kernel, initramfs and command line in one file (UKI). */
  readonly unified?: boolean;
  /** `initramfs-tools`, `dracut`, `mkinitcpio`, `mkinitfs` … */
  readonly initramfsMaker?: string;
  /** The one that is started when nobody chooses. */
  readonly isDefault: boolean;
  /** Of the drivers that a destination may need (`guest/system/wanted-drivers.ts`). Absent: not known. */
  readonly drivers?: Readonly<Record<string, DriverPlace>>;
}

export interface GuestBootloader {
  readonly kind: 'grub2' | 'grub1' | 'systemd-boot' | 'extlinux' | 'lilo' | 'windows' | 'other';
  /** Its configuration, as the running system sees it. */
  readonly config?: string;
  /** Entries are files of the Boot Loader Specification. */
  readonly bls?: boolean;
  /** Arguments of the default entry's kernel. */
  readonly arguments?: string;
}

export interface GuestInterface {
  /** As the guest calls it: `ens192`. */
  readonly name: string;
  readonly mac?: string;
  /** `ethernet`, `bond`, `bridge`, `vlan` … where its configuration says so. */
  readonly kind?: string;
  readonly method: 'dhcp' | 'static' | 'manual' | 'unknown';
  /** With prefix: `192.0.2.7/24`. */
  readonly addresses: readonly string[];
  readonly gateway?: string;
  readonly dns?: readonly string[];
  /** `netplan`, `ifcfg`, `interfaces`, `networkmanager`, `networkd`, `windows` … */
  readonly system: string;
  readonly file?: string;
}

/** A hypervisor's guest tools, or an agent. */
export interface GuestTools {
  /** `open-vm-tools`, `vmware-tools`, `virtualbox-additions`, `qemu-guest-agent`, `xe-guest-utilities`, `hyperv-daemons` … */
  readonly id: string;
  readonly version?: string;
}

export interface GuestMountSpace {
  readonly mountPoint: string;
  readonly kind: string;
  readonly freeBytes?: number;
  readonly freeInodes?: number;
}

export interface WindowsFacts {
  readonly edition?: string;
  readonly build?: number;
  /** `10.0` */
  readonly version?: string;
  readonly fastStartup?: boolean;
  readonly hibernated?: boolean;
  readonly pendingUpdates?: boolean;
  readonly hyperVRole?: boolean;
  readonly autoLogon?: boolean;
  readonly remoteDesktop?: boolean;
  /** Names of the boot-start drivers that are installed, lower case: `viostor`, `pvscsi`, `storvsc`. */
  readonly drivers: readonly string[];
}

export interface InstalledSystem extends GuestSystem {
  /** os-release's ID: `debian`, `rhel`, `alpine`. */
  readonly distribution?: string;
  /** os-release's ID_LIKE. */
  readonly like?: readonly string[];
  readonly init?: 'systemd' | 'openrc' | 'sysvinit' | 'busybox' | 'runit' | 'other';
  /** Kernels with what is known of them; `kernels` holds their versions. */
  readonly bootKernels?: readonly GuestKernel[];
  readonly bootloader?: GuestBootloader;
  readonly interfaces?: readonly GuestInterface[];
  readonly tools?: readonly GuestTools[];
  readonly cloudInit?: { readonly enabled: boolean; readonly datasources?: readonly string[] };
  readonly selinux?: 'enforcing' | 'permissive' | 'disabled';
  readonly packages?: { readonly kind: 'dpkg' | 'rpm' | 'apk' | 'pacman'; readonly count: number };
  /** Some services that destinations ask for: `sshd`, `growpart`, `acpid`. */
  readonly services?: readonly string[];
  readonly space?: readonly GuestMountSpace[];
  readonly windows?: WindowsFacts;
  /** Number of the partition that the system was recognised on. */
  readonly rootPartition: number;
  /** `high`: its own files say so; `low`: concluded from kinds of partitions and volumes. */
  readonly confidence: 'high' | 'medium' | 'low';
  /** What was seen, for a person to judge. */
  readonly evidence: readonly string[];
  /** Versions of the kernels in /boot, such as `6.1.0-18-amd64`, newest name last. */
  readonly kernels: readonly string[];
  readonly mounts: readonly MountEntry[];
}

export interface GuestReport {
  readonly partitionTable: PartitionTable;
  readonly partitions: readonly GuestPartition[];
  /** What lies in its partitions, or begins there: LVM2, MD, opened LUKS. */
  readonly volumes?: readonly VolumeInside[];
  /** Best known first. */
  readonly systems: readonly InstalledSystem[];
  readonly firmware: FirmwareHint;
  /** Loaders on the EFI system partition, such as `EFI/BOOT/BOOTX64.EFI`. */
  readonly efiLoaders: readonly string[];
  readonly findings: readonly Finding[];
  /** Bytes read from the disk for this report. */
  readonly bytesRead: number;
}

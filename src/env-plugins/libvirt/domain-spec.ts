/** A machine in the words of a libvirt domain: every choice made, nothing left to be looked up. */
import type { NetworkTarget } from './networks.ts';

export interface DomainDisk {
  readonly path: string;
  /** What the path leads to. */
  readonly kind: 'file' | 'block';
  readonly format: 'qcow2' | 'raw';
  readonly bus: 'ide' | 'sata' | 'scsi' | 'virtio' | 'usb' | 'fdc';
  /** Of SCSI: the controller's model, in libvirt's words. */
  readonly controllerModel?: string | undefined;
  readonly bootOrder?: number | undefined;
  readonly serial?: string | undefined;
  readonly readOnly?: boolean | undefined;
  readonly shared?: boolean | undefined;
}

export interface DomainNic {
  readonly target: NetworkTarget;
  /** Absent: libvirt makes one. */
  readonly mac?: string | undefined;
  readonly model: string;
  readonly connected: boolean;
  readonly bootOrder?: number | undefined;
}

export type DomainFirmware =
  | { readonly kind: 'bios' }
  /**
   * libvirt looks for a build of the firmware with these features, and makes new variables. `plain`: one that can't
   * do Secure Boot at all.
   */
  | { readonly kind: 'uefi'; readonly secureBoot: boolean; readonly plain?: boolean | undefined }
  /** This build, with variables that are there already. */
  | {
      readonly kind: 'uefi';
      readonly secureBoot: boolean;
      readonly build: FirmwareBuild;
      readonly nvram: string;
    };

export interface FirmwareBuild {
  /** The file with the code. */
  readonly code: string;
  /** The file from which new variables are made. */
  readonly template: string;
  readonly smm: boolean;
}

export interface DomainSpec {
  readonly name: string;
  readonly uuid: string;
  readonly description?: string | undefined;
  /** `kvm`, or `qemu` (emulated). */
  readonly type: string;
  readonly architecture: string;
  /** `pc-q35-7.2` … */
  readonly machine: string;
  readonly emulator: string;
  readonly memoryBytes: number;
  readonly processors: { readonly sockets: number; readonly cores: number; readonly threads: number };
  readonly cpuMode?: string | undefined;
  readonly firmware: DomainFirmware;
  readonly clock: 'utc' | 'localtime';
  readonly windows: boolean;
  readonly disks: readonly DomainDisk[];
  readonly nics: readonly DomainNic[];
  readonly cdroms: readonly { readonly bus: 'ide' | 'sata' | 'scsi' | 'usb' }[];
  readonly tpm?: { readonly model: string; readonly version: string } | undefined;
  readonly video?: string | undefined;
  readonly vnc: boolean;
  readonly rng: boolean;
}

/** Whether a machine of this type is a PC of today, with PCI Express and without IDE. */
export const isQ35 = (machine: string): boolean => machine.includes('q35');
export const isPc = (machine: string): boolean => machine === 'pc' || machine.includes('i440fx');

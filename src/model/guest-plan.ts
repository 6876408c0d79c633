/** What is to be changed inside the guest of a conversion. Holds no secret: a password is asked for when it is set. */
export interface GuestPlan {
  /** `needed`: all that the guest takes to run at the destination. `none`: only what is in `add`. */
  readonly changes: 'needed' | 'none';
  /** Ids of changes that are left out. */
  readonly without?: readonly string[];
  /** Absent: the built-in one where it can, libguestfs else. */
  readonly engine?: 'builtin' | 'libguestfs';
  readonly add?: GuestAdditions;
  /** A folder or an ISO image here with the destination's drivers for Windows (virtio-win). */
  readonly windowsDrivers?: string;
  /** Blocks that a clean filesystem does not use are left out. */
  readonly shrink?: boolean;
  /** For a guest that has no kernel of its own: of User Mode Linux, of a container. */
  readonly kernel?: GivenKernel;
  /** Id of a run whose changes are taken back; then nothing else is changed. */
  readonly undo?: string;
}

/** Paths on this computer. */
export interface GivenKernel {
  /** `/boot/vmlinuz-VERSION`. */
  readonly image: string;
  /** Absent: the one beside the image, where there is one. */
  readonly initramfs?: string;
  /** The folder of its modules; absent: `../lib/modules/VERSION` beside the image's folder, where it is there. */
  readonly modules?: string;
}

export interface GuestAdditions {
  readonly hostname?: string;
  /** Lines of authorized_keys. */
  readonly sshKeys?: readonly { readonly user: string; readonly keys: readonly string[] }[];
  /** Users whose password is set; each is a secret of the run. */
  readonly passwordsOf?: readonly string[];
  /** Files and folders here, and where they go in the guest. */
  readonly copies?: readonly { readonly from: string; readonly to: string }[];
  /** Scripts here that run once, at the first start. */
  readonly firstBoot?: readonly string[];
  /** Packages' files here, installed at the first start. */
  readonly packages?: readonly string[];
  /** The system also talks on its first serial port, and takes a login there. */
  readonly serialConsole?: boolean;
  /** `false`: it is switched off. */
  readonly cloudInit?: boolean;
  /** The destination's agent is installed at the first start, from the guest's own repositories. */
  readonly agent?: boolean;
  /** Foreign guest tools are not only switched off but removed at the first start. */
  readonly removeTools?: boolean;
}

export interface PackageEntry {
  readonly name: string;
  /** As the packages' own tool writes it, with epoch and release. */
  readonly version: string;
  /** In the words of the distribution: `amd64`, `x86_64`, `noarch`. */
  readonly architecture?: string;
}

/** A large workstation has 5,000. */
export const maxPackages = 100_000;

/**
 * A delivery of disks turned into one of a package: what is poured into its sinks (streamOptimized VMDK files, one
 * after the other) is hashed on its way, and `commit` adds the descriptor and the manifest.
 */
export { packAsOva } from './ova-writer.ts';
export { packAsOvf } from './ovf-writer.ts';
export type { PackageDelivery, PackageRequest } from './package-request.ts';

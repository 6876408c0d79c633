/** What versions of the virtual hardware ESXi has, and what they take (VMware KB 2007240, "Configuration Maximums"). */
import { TiB } from '../../model/units.ts';
import { compareVersions } from './versions.ts';

/** The first version of the API that makes it; the newest first. */
export const hardwareVersions: readonly (readonly [hardware: number, api: string, product: string])[] = [
  [21, '8.0.2', 'ESXi 8.0 U2'],
  [20, '8.0', 'ESXi 8.0'],
  [19, '7.0.2', 'ESXi 7.0 U2'],
  [18, '7.0.1', 'ESXi 7.0 U1'],
  [17, '7.0', 'ESXi 7.0'],
  [15, '6.7.2', 'ESXi 6.7 U2'],
  [14, '6.7', 'ESXi 6.7'],
  [13, '6.5', 'ESXi 6.5'],
  [11, '6.0', 'ESXi 6.0'],
  [10, '5.5', 'ESXi 5.5'],
  [9, '5.1', 'ESXi 5.1'],
  [8, '5.0', 'ESXi 5.0'],
  [7, '4.0', 'ESXi 4'],
];

/** Those that a server of this version can make, the newest first. */
export const hardwareFor = (apiVersion: string): number[] =>
  hardwareVersions.filter(([, api]) => compareVersions(apiVersion, api) >= 0).map(([hardware]) => hardware);

export interface Limits {
  readonly processors: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
}

const GiB = 2 ** 30;

export function limitsOf(hardware: number): Limits {
  // VMFS 5 of ESXi 5.5 was the first with disks past 2 TiB less 512 bytes.
  const diskBytes = hardware >= 10 ? 62 * TiB : 2 * TiB - 512;
  if (hardware >= 18) return { processors: 768, memoryBytes: 24_560 * GiB, diskBytes };
  if (hardware >= 15) return { processors: 256, memoryBytes: 6128 * GiB, diskBytes };
  if (hardware >= 13) return { processors: 128, memoryBytes: 6128 * GiB, diskBytes };
  if (hardware >= 11) return { processors: 128, memoryBytes: 4080 * GiB, diskBytes };
  if (hardware >= 9) return { processors: 64, memoryBytes: 1011 * GiB, diskBytes };
  if (hardware >= 8) return { processors: 32, memoryBytes: 1011 * GiB, diskBytes };
  return { processors: 8, memoryBytes: 255 * GiB, diskBytes };
}

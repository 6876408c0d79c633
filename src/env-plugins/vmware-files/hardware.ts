/** What the versions of VMware's virtual hardware can do, as far as a written machine depends on it. */

/** Hardware versions and the first products that have them. */
export const hardwareVersions: ReadonlyMap<string, string> = new Map([
  ['16', 'Workstation 15, Fusion 11'],
  ['21', 'Workstation 17.5, Fusion 13.5'],
  ['20', 'Workstation 17, Fusion 13'],
  ['19', 'Workstation 16.2, Fusion 12.2'],
  ['18', 'Workstation 16, Fusion 12'],
  ['14', 'Workstation 14, Fusion 10'],
  ['12', 'Workstation 12, Fusion 8'],
  ['11', 'Workstation 11, Fusion 7'],
  ['10', 'Workstation 10, Player 6'],
  ['9', 'Workstation 9, Player 5'],
  ['8', 'Workstation 8, Player 4'],
  ['7', 'Workstation 7, Server 2'],
  ['4', 'Workstation 5, Server 1'],
]);

/** Old enough for most installations, new enough for all that a machine can have but a TPM. */
export const defaultHardware = '16';

export interface Limits {
  readonly processors: number;
  readonly memoryBytes: number;
}

const GiB = 2 ** 30;

export function limitsOf(hardware: number): Limits {
  if (hardware >= 18) return { processors: 32, memoryBytes: 128 * GiB };
  if (hardware >= 10) return { processors: 16, memoryBytes: 64 * GiB };
  if (hardware >= 8) return { processors: 8, memoryBytes: 64 * GiB };
  if (hardware >= 7) return { processors: 4, memoryBytes: 32 * GiB };
  return { processors: 2, memoryBytes: 3.6 * GiB };
}

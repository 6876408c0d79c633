/** What the machines of a package are called: by its path where it holds one, else by that and their own ids. */
import { AppError } from '../model/errors.ts';
import type { Machine } from '../model/machine.ts';

const idSeparator = '::';

export interface PackageOfMachines {
  readonly machines: readonly Machine[];
}

/** The path of the package, and the machine's own id where the id has one. */
export function splitPackageId(
  id: string,
  isPackage: (path: string) => boolean,
): { readonly path: string; readonly inner?: string } {
  const at = id.lastIndexOf(idSeparator);
  if (at < 0 || !isPackage(id.slice(0, at))) return { path: id };
  return { path: id.slice(0, at), inner: id.slice(at + idSeparator.length) };
}

export const packageMachines = (pack: PackageOfMachines, path: string): Machine[] =>
  pack.machines.map((machine) => named(machine, path, pack));

/** @throws AppError `usage` (there are several, and none is named), `not-found`. */
export function packageMachine(pack: PackageOfMachines, path: string, inner: string | undefined): Machine {
  if (inner === undefined && pack.machines.length > 1) {
    throw new AppError('usage', `it holds ${pack.machines.length} machines`, {
      where: path,
      hint: `name one: ${pack.machines.map((m) => `${path}${idSeparator}${m.id}`).join(', ')}`,
    });
  }
  const machine = inner === undefined ? pack.machines[0] : pack.machines.find((m) => m.id === inner);
  if (machine === undefined) {
    throw new AppError('not-found', `there is no machine "${inner ?? ''}" in it`, { where: path });
  }
  return named(machine, path, pack);
}

const named = (machine: Machine, path: string, pack: PackageOfMachines): Machine => ({
  ...machine,
  id: pack.machines.length === 1 ? path : `${path}${idSeparator}${machine.id}`,
});

/** A package that can't be understood is shown all the same, with the reason. */
export const unreadablePackage = (bare: Machine, kind: string, error: AppError): Machine => ({
  ...bare,
  packaging: kind,
  disks: [],
  findings: [
    {
      rule: 'package.unreadable',
      severity: 'blocker',
      message: error.message,
      ...(error.where === undefined ? {} : { evidence: error.where }),
      ...(error.hint === undefined ? {} : { remedy: error.hint }),
    },
  ],
});

/** A machine by what people call it. */
import type { SourceRole } from '../env-plugins/plugin.ts';
import { AppError, toAppError } from '../model/errors.ts';
import type { Machine } from '../model/machine.ts';
import type { Opening } from '../model/plan.ts';

/** Candidates that are named in an error; more are counted. */
const mostNamed = 10;

/**
 * The machine of this id, as it was at the snapshot that the opening names, where its environment has snapshots of
 * whole machines; what is left to say of its disks. @throws AppError `not-found`, `usage` …
 */
export async function machineWanted(
  source: SourceRole,
  id: string,
  opening: Opening,
  signal: AbortSignal,
): Promise<{ machine: Machine; opening: Opening }> {
  const machine = await source.inspect(id, signal);
  const then = snapshotOf(machine, opening.snapshot);
  if (then === undefined) return { machine, opening };
  return {
    machine: then === machine.id ? machine : await source.inspect(then, signal),
    opening: withoutSnapshot(opening),
  };
}

/**
 * The id of the machine as it was then; undefined where its environment has no snapshots of whole machines: then one
 * of its disks is meant. @throws AppError `not-found`, `usage` (several have this name).
 */
export function snapshotOf(
  { snapshots = [], name }: Machine,
  wanted: string | undefined,
): string | undefined {
  const all = snapshots.filter((s) => s.machine !== undefined);
  if (wanted === undefined || all.length === 0) return undefined;
  const named = all.filter((s) => s.name === wanted);
  const found = named.length > 0 ? named : all.filter((s) => s.machine === wanted);
  if (found.length === 1) return found[0]!.machine;
  if (found.length === 0) {
    const names = all.slice(0, mostNamed).map((s) => s.name);
    throw new AppError('not-found', `${name} has no snapshot "${wanted}"`, {
      hint: `there are: ${names.join(', ')}`,
    });
  }
  throw new AppError('usage', `${name} has ${found.length} snapshots "${wanted}"`, {
    hint: `name the machine itself as one of ${found.map((s) => s.machine).join(', ')}`,
  });
}

/** A machine that is as of a snapshot has no other one to choose. */
export const openingOf = (machine: Machine, opening: Opening): Opening =>
  snapshotOf(machine, opening.snapshot) === undefined ? opening : withoutSnapshot(opening);

function withoutSnapshot(opening: Opening): Opening {
  const { snapshot: _, ...rest } = opening;
  return rest;
}

/**
 * The id of the one machine that has this id or this name.
 * @throws AppError `not-found`, `usage` naming the candidates when there are several.
 */
export async function idOfMachine(source: SourceRole, name: string, signal: AbortSignal): Promise<string> {
  let failure: AppError;
  try {
    return (await source.inspect(name, signal)).id;
  } catch (error) {
    failure = toAppError(error);
    // A path is no name.
    if (failure.kind !== 'not-found' || name.includes('/')) throw failure;
  }
  const all: Machine[] = [];
  await source.list({ signal, found: (machine) => void all.push(machine) });
  const wanted = all.filter((machine) => machine.name === name);
  const [only, ...others] = wanted;
  if (only === undefined) {
    throw new AppError('not-found', `there is no machine "${name}"`, {
      hint: all.length === 0 ? 'there is none at all' : `there are: ${named(all, (m) => m.name)}`,
      cause: failure,
    });
  }
  if (others.length === 0) return only.id;
  throw new AppError('usage', `"${name}" is the name of ${wanted.length} machines`, {
    hint: `say which by its id: ${named(wanted, (m) => m.id)}`,
  });
}

function named(machines: readonly Machine[], by: (machine: Machine) => string): string {
  const more = machines.length - mostNamed;
  return machines.slice(0, mostNamed).map(by).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

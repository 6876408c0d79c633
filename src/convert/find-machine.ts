/** A machine by what people call it. */
import type { SourceRole } from '../env-plugins/plugin.ts';
import { AppError, toAppError } from '../model/errors.ts';
import type { Machine } from '../model/machine.ts';

/** Candidates that are named in an error; more are counted. */
const mostNamed = 10;

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

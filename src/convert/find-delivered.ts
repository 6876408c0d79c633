/** What a delivery has made, as the destination's own source role knows it. */
import { posix } from 'node:path';
import type { SourceRole } from '../env-plugins/plugin.ts';
import { partName } from '../io/part-names.ts';
import { AppError, toAppError } from '../model/errors.ts';
import type { Machine } from '../model/machine.ts';
import type { Plan } from '../model/plan.ts';
import type { DeliveredDisk } from './disk-digests.ts';

export interface Found {
  readonly machine: Machine;
  readonly disk: string;
  /** For messages. */
  readonly where: string;
}

/**
 * For each disk where it is now. `places`: what the commit has told.
 * @throws AppError `not-found`, `unsupported`, and what looking meets.
 */
export async function findDelivered(
  source: SourceRole,
  plan: Plan,
  disks: readonly DeliveredDisk[],
  places: readonly string[],
  signal: AbortSignal,
): Promise<Found[]> {
  const paths = places.flatMap((place) => pathIn(place) ?? []);
  const files = disks.map(({ file }) =>
    paths.find((path) => [file, partName(file, 1)].includes(posix.basename(path))),
  );
  const machine = await wholeMachine(source, plan, disks.length, paths, places, signal);
  if (machine !== undefined) {
    return disks.map((_, i) => ({
      machine,
      disk: machine.disks[i]!.id,
      where: files[i] ?? `${machine.name}, ${machine.disks[i]!.name}`,
    }));
  }
  return Promise.all(
    disks.map(async ({ disk, file }, i) => {
      const path = files[i];
      if (path === undefined) throw lost(plan, `${file}, its disk ${disk.name}, is not among them`);
      const one = await source.inspect(path, signal);
      const found = one.disks[0];
      if (found === undefined) throw lost(plan, `${path} has no disk`);
      return { machine: one, disk: found.id, where: path };
    }),
  );
}

const lost = (plan: Plan, why: string): AppError =>
  new AppError(
    'unsupported',
    `what was delivered of ${plan.machine.name} can't be found to be read back: ${why}`,
  );

/** A path on this computer or `host:/path`; undefined for other words. */
function pathIn(place: string): string | undefined {
  if (place.startsWith('/')) return place;
  return /^[^/\s]+:(\/.*)$/s.exec(place)?.[1];
}

/** The one whose description was delivered, or that has the name; undefined in a folder of plain disks. */
async function wholeMachine(
  source: SourceRole,
  plan: Plan,
  count: number,
  paths: readonly string[],
  places: readonly string[],
  signal: AbortSignal,
): Promise<Machine | undefined> {
  const fits = (machine: Machine) => machine.disks.length === count;
  for (const path of paths) {
    if (!/\.(ova|ovf|xva(\.\w+)?|vmx|vbox|sh)$/i.test(path)) continue;
    const machine = await source.inspect(path, signal).catch(notThere);
    if (machine !== undefined && fits(machine)) return machine;
  }
  if (isPlainFolder(plan)) return undefined;
  const named = await machinesNamed(source, plan.machine.name, places, signal);
  if (named.length === 0) throw lost(plan, 'no machine has its name');
  if (named.length > 1) throw lost(plan, `${named.length} machines have its name`);
  const machine = await source.inspect(named[0]!.id, signal);
  if (fits(machine)) return machine;
  throw lost(plan, `the machine of its name has ${machine.disks.length} disks, expected ${count}`);
}

const isPlainFolder = ({ destination }: Plan): boolean =>
  destination.environment === 'local' || destination.environment === 'ssh';

/** Of several of one name that whose id the commit has told. */
async function machinesNamed(
  source: SourceRole,
  name: string,
  places: readonly string[],
  signal: AbortSignal,
): Promise<Machine[]> {
  const named: Machine[] = [];
  await source.list({
    signal,
    found(machine) {
      const at = named.findIndex(({ id }) => id === machine.id);
      if (machine.name === name) named.splice(at < 0 ? named.length : at, at < 0 ? 0 : 1, machine);
    },
  });
  const told = named.filter(({ id }) => places.some((place) => place.includes(id)));
  return told.length > 0 ? told : named;
}

function notThere(error: unknown): undefined {
  const { kind } = toAppError(error);
  if (kind !== 'not-found' && kind !== 'unsupported') throw error;
}

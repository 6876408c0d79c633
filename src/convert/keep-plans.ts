/** The copies that a plan keeps, as further plans of the same source. Pure. */
import { join, posix } from 'node:path';
import { codecById } from '../codecs/registry.ts';
import { copyId } from '../env-plugins/kept-copy.ts';
import type { Machine } from '../model/machine.ts';
import { resolveOptions } from '../model/options.ts';
import type { Keep, KeepPlace, KeepStage, Plan, PlanDestination } from '../model/plan.ts';
import { atSource } from './arrange/arranged.ts';
import { isFolder } from './make-plan.ts';

/** `run`, `title`: of the run they are copies of. None where nothing is kept. */
export function keepPlans(plan: Plan, run: string, title: string): Plan[] {
  const { keep } = plan;
  if (keep === undefined) return [];
  const stages = [...new Set(keep.stages)];
  return stages.map((stage) => ({
    ...copyPlan(plan, keep, stage, placeOf(keep.place, copyId({ run, stage }))),
    copyOf: {
      ...{ run, stage, title },
      ...(keep.reserveBytes === undefined ? {} : { reserveBytes: keep.reserveBytes }),
    },
  }));
}

type Place = Pick<PlanDestination, 'environment' | 'profile' | 'settings'>;

function copyPlan(plan: Plan, keep: Keep, stage: KeepStage, place: Place): Plan {
  const { source, machine, sync } = plan;
  const rest = { version: 1, source, machine, force: false, sync } as const;
  // Changes inside, and other disks, are those of the delivery itself.
  if (stage === 'converted') return { ...rest, destination: likeIt(plan, place) };
  const format = keep.format ?? 'qcow2';
  const options = resolveOptions(codecById(format).encoder!.options, {});
  const { product } = plan.destination;
  return {
    ...rest,
    destination: { ...place, product, container: 'disks', format, options },
    ...(stage === 'changed' ? {} : { machine: asAtSource(plan, keep.machine) }),
  };
}

/** With the disks that go along. */
function asAtSource(plan: Plan, own: Machine | undefined): Machine {
  const { machine } = atSource(plan);
  if (own === undefined) return machine;
  const wanted = new Set(machine.disks.map((disk) => disk.id));
  return { ...own, disks: own.disks.filter((disk) => wanted.has(disk.id)) };
}

/** The same files in another folder. */
function likeIt(plan: Plan, place: Place): PlanDestination {
  const { profile: _profile, splitBytes: _split, ...rest } = plan.destination;
  const { file } = plan.destination.settings;
  const named = isFolder(plan) && file !== undefined ? { file } : {};
  return { ...rest, ...place, settings: { ...place.settings, ...named } };
}

function placeOf(place: KeepPlace, id: string): Place {
  if (!('environment' in place))
    return { environment: 'local', settings: { folder: join(place.folder, id) } };
  const { environment, profile, settings } = place;
  return {
    environment,
    ...(profile === undefined ? {} : { profile }),
    settings: { ...settings, folder: posix.join(settings.folder ?? '~', id) },
  };
}

/** The plan with a copy that was kept of what it reads in place of its source. */
export function fromCopy(plan: Plan, id: string, folder: string): Plan {
  const { warm: _warm, keep: _keep, source: _source, ...rest } = plan;
  return { ...rest, source: { environment: 'kept', settings: { folder }, machine: id, follow: false } };
}

/** One conversion as the program makes it: planned, reviewed, run, verified by it, and read back at its destination. */
import { createHash } from 'node:crypto';
import { makePlan } from '../../src/convert/make-plan.ts';
import { openMachineDisk } from '../../src/convert/open-machine.ts';
import { reviewPlan } from '../../src/convert/review-plan.ts';
import { runPlan } from '../../src/convert/run-plan.ts';
import type { Session } from '../../src/env-plugins/plugin.ts';
import type { Finding } from '../../src/model/finding.ts';
import type { Machine } from '../../src/model/machine.ts';
import type { Plan } from '../../src/model/plan.ts';
import { MiB } from '../../src/model/units.ts';
import { type Comparable, comparable, type ReadDisk } from './fields.ts';

export const signal = new AbortController().signal;

/** One of the environments, with a server of the test's own behind it. */
export interface Place {
  /** Of its plugin. */
  readonly id: string;
  readonly label: string;
  readonly session: Session;
  /** Of a connection and of a delivery. */
  readonly settings: Readonly<Record<string, string>>;
  /** It has no product of its own: a folder, to which machines go as OVF packages. */
  readonly folder?: string;
}

export interface At {
  readonly place: Place;
  readonly machine: Machine;
  readonly told: Comparable;
  /** Of the disks, in an order that is the same everywhere. */
  readonly digests: readonly string[];
}

export interface Carried {
  /** What a user is shown before anything happens. */
  readonly findings: readonly Finding[];
  readonly there: At;
}

/** By its name: an environment chooses the id. */
export async function readAt(place: Place, name: string): Promise<At> {
  const found: Machine[] = [];
  await place.session.source!.list({ signal, found: (machine) => void found.push(machine) });
  const listed = found.find((machine) => machine.name === name);
  if (listed === undefined)
    throw new Error(`${place.label} has no "${name}": ${found.map((one) => one.name).join(', ')}`);
  const machine = await place.session.source!.inspect(listed.id, signal);
  const disks: ReadDisk[] = [];
  for (const disk of machine.disks) disks.push({ disk, ...(await digestOf(place, machine, disk.id)) });
  const digests = disks.map(({ digest }) => digest).sort();
  return { place, machine, told: comparable(machine, disks), digests };
}

async function digestOf({ session }: Place, machine: Machine, disk: string) {
  const source = { machine: machine.id, follow: false };
  const image = await openMachineDisk(session, source, machine, disk, { signal, runId: 'pairs', once: true });
  try {
    const hash = createHash('sha256');
    const buffer = Buffer.alloc(4 * MiB);
    for (let at = 0; at < image.size; at += buffer.length) {
      const piece = buffer.subarray(0, image.size - at);
      await image.read(piece, at);
      hash.update(piece);
    }
    return { digest: hash.digest('hex'), sizeBytes: image.size };
  } finally {
    await image.close();
  }
}

let runs = 0;

/** @throws AppError `blocked` with what forbids it. */
export async function carry(from: At, to: Place, name: string): Promise<Carried> {
  const plan = planFor(from, to, name);
  const places = [from.place, to];
  const connect = async ({ environment }: { readonly environment: string }) => {
    const { session } = places.find(({ id }) => id === environment)!;
    return { ...session, close: async () => undefined };
  };
  const { findings } = await reviewPlan(plan, connect, signal);
  await runPlan(plan, {
    connect,
    runId: `20260101-000000-${(0x1000 + runs++).toString(16)}`,
    signal,
    gate: async () => undefined,
    emit: () => undefined,
  });
  return { findings, there: await readAt(to, name) };
}

function planFor({ place, machine }: At, to: Place, name: string): Plan {
  const { product, formats, options } = to.session.destination!;
  const target = {
    ...{ environment: to.id, settings: to.settings },
    ...(product === undefined ? {} : { product }),
    ...(formats === undefined ? {} : { formats }),
    ...(options === undefined ? {} : { options }),
  };
  return makePlan({
    source: { environment: place.id, settings: place.settings, machine: machine.id, follow: false },
    machine,
    edit: { name, guest: { changes: 'none' } },
    ...(to.folder === undefined ? { target } : { container: 'ovf' }),
    ...{ product: product ?? 'files', folder: to.folder ?? '' },
    ...{ options: {}, force: false, sync: false, proof: { verify: true } },
  });
}

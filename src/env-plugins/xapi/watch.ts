/**
 * What changes in a pool: event.from (XenServer from 6.1 on), which waits at the server until something does. Records of
 * machines change all the time; those are told whose change a list would show.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { AppError, toAppError } from '../../model/errors.ts';
import { isRecord, textIn, type XenRecord } from '../../packages/xva/records.ts';
import { isOrdinary, readXenMachine } from '../../packages/xva/xen-machine.ts';
import type { WatchOptions } from '../plugin.ts';
import { XapiFailure } from './failures.ts';
import { readInventory } from './inventory.ts';
import type { XapiSession } from './session.ts';

/** What was told of a machine: its id, and the parts of its record that a list shows. */
export interface Told {
  readonly id: string;
  readonly shown: string;
}

/** By the machine's reference. */
export type KnownMachines = Map<string, Told>;

/** Seconds that the server waits; a whole number would not be taken for a float by some. */
const waitSeconds = 30.1;
/** Between two questions, milliseconds: a busy pool is asked for several changes at once. */
const pauseMs = 500;
/** A pool of thousands is looked at for a small part of the time. */
const restPerWork = 9;
/** After a link that broke. */
const patienceMs = 10_000;

const shownFields = [
  ...['name_label', 'name_description', 'power_state', 'resident_on', 'is_a_template', 'is_a_snapshot'],
  ...['VBDs', 'VIFs', 'VTPMs', 'snapshots', 'parent', 'memory_static_max', 'memory_dynamic_max'],
  ...['VCPUs_max', 'VCPUs_at_startup', 'HVM_boot_params', 'platform', 'domain_type', 'guest_metrics'],
];

export const told = (record: XenRecord): Told => ({
  id: textIn(record, 'uuid') ?? '',
  shown: JSON.stringify(shownFields.map((field) => (Object.hasOwn(record, field) ? record[field] : null))),
});

/** Until the signal is aborted. @throws AppError `unsupported`, `auth`, `corrupt` …; a link that broke is waited for. */
export async function watchMachines(
  session: XapiSession,
  known: KnownMachines,
  options: WatchOptions,
): Promise<void> {
  const { signal } = options;
  let token = '';
  while (!signal.aborted) {
    let pause = pauseMs;
    try {
      const answer = await once(session, known, token, options);
      token = answer.token;
      pause = Math.max(pauseMs, answer.lookedMs * restPerWork);
    } catch (error) {
      if (signal.aborted) return;
      // What was lost in between is found by looking at all again.
      const isLost = error instanceof XapiFailure && error.code === 'EVENTS_LOST';
      if (!isLost && toAppError(error).kind !== 'unreachable') throw error;
      token = '';
      if (!isLost) pause = patienceMs;
    }
    await wait(pause, undefined, { signal }).catch(() => undefined);
  }
}

/** One question. Resolves to the token for the next, and how long it took to look at what has changed. */
async function once(
  session: XapiSession,
  known: KnownMachines,
  token: string,
  options: WatchOptions,
): Promise<{ readonly token: string; readonly lookedMs: number }> {
  const { signal } = options;
  const step = 'waiting for what changes';
  const answer = await session.record('event.from', [['VM'], token, waitSeconds], { step, signal });
  const next = textIn(answer, 'token');
  const { events } = answer;
  if (next === undefined || next.length > 10_000 || !Array.isArray(events))
    throw new AppError('corrupt', `${step}: an answer without events or token`, { where: session.name });
  const there = new Map<string, XenRecord | undefined>();
  for (const event of events) {
    const ref = textIn(isRecord(event) ? event : undefined, 'ref');
    if (ref === undefined) continue;
    const { operation, snapshot } = event as XenRecord;
    there.set(ref, operation === 'del' || !isRecord(snapshot) ? undefined : snapshot);
  }
  // The first answer has all that there is.
  if (token === '') for (const ref of known.keys()) if (!there.has(ref)) there.set(ref, undefined);
  const begun = performance.now();
  await tell(session, known, there, options);
  return { token: next, lookedMs: performance.now() - begun };
}

async function tell(
  session: XapiSession,
  known: KnownMachines,
  there: ReadonlyMap<string, XenRecord | undefined>,
  { signal, found, gone }: WatchOptions,
): Promise<void> {
  const others = new Set<string>();
  for (const [ref, record] of there) {
    const before = known.get(ref);
    if (record !== undefined && isOrdinary(record)) {
      if (before?.shown !== told(record).shown) others.add(ref);
    } else if (before !== undefined) {
      known.delete(ref);
      gone(before.id);
    }
  }
  if (others.size === 0) return;
  const inventory = await readInventory(session, signal);
  for (const ref of others) {
    const record = inventory.record('VM', ref);
    // Gone again already: the next answer tells.
    if (record === undefined || !isOrdinary(record)) continue;
    const now = told(record);
    known.set(ref, now);
    found(readXenMachine(record, inventory, now.id).machine);
  }
}

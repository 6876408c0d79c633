/**
 * A conversion: extract, manipulate, provide. Plans that share a source are run together: the source is read once, and
 * each destination is one of its own, which fails alone.
 */
import type { Session } from '../env-plugins/plugin.ts';
import { SharedDisk } from '../io/shared-disk.ts';
import type { AppError } from '../model/errors.ts';
import type { MachineDisk } from '../model/machine.ts';
import type { Plan } from '../model/plan.ts';
import { atSource } from './arrange/arranged.ts';
import { Delivering, type Outcome } from './delivering.ts';
import { type Extraction, extraction } from './extraction.ts';
import { withCopies, withoutCopies } from './keeping.ts';
import { wantsChanges } from './make-plan.ts';
import { type ConversionEvent, Opened, type RunContext } from './run-context.ts';

export type { Outcome } from './delivering.ts';

export interface RunMember {
  readonly plan: Plan;
  readonly context: RunContext;
  /** It is a copy that is kept of what this one reads, by its place: of no use where that one can't even begin. */
  readonly of?: number;
}

export type RunEnd = { readonly outcome: Outcome } | { readonly error: AppError };

/**
 * Runs one plan. On any error, also a cancel, nothing is left at the destination.
 * @throws AppError `blocked` when a finding forbids it, `cancelled`, and whatever a step meets.
 */
export async function runPlan(plan: Plan, context: RunContext): Promise<Outcome> {
  const [end] = await runPlans([{ plan, context }]);
  if ('error' in end!) throw end.error;
  return end!.outcome;
}

/** Whether two plans can be run together. A machine that is copied while it runs goes to one destination. */
export const sharesSource = (a: Plan, b: Plan): boolean =>
  a.warm === undefined && b.warm === undefined && JSON.stringify(a.source) === JSON.stringify(b.source);

/** Runs plans of one source. One that fails does not stop the others. @returns how each ended, in their order. */
export async function runPlans(members: readonly RunMember[]): Promise<RunEnd[]> {
  const all = withCopies(members);
  const run = new SharedRun(all);
  try {
    await run.all();
  } finally {
    await run.close();
  }
  return withoutCopies(all, run.ends as RunEnd[]);
}

class SharedRun {
  readonly ends: (RunEnd | undefined)[];
  readonly #members: readonly (Delivering | undefined)[];
  readonly #given: readonly RunMember[];
  readonly #reading = new Opened();
  readonly #sessions = new Opened();

  constructor(members: readonly RunMember[]) {
    this.#given = members;
    this.ends = members.map(() => undefined);
    this.#members = members.map(({ plan, context }, i) => {
      try {
        return new Delivering(plan, context);
      } catch (error) {
        this.ends[i] = { error: error as AppError };
        return undefined;
      }
    });
  }

  async all(): Promise<void> {
    await this.#each((member) => member.ask());
    const [first] = this.#alive();
    if (first === undefined) return;
    const context = this.#common(first.context);
    try {
      context.emit({ type: 'step', text: 'opening the source' });
      const source = this.#sessions.keep(await context.connect(first.plan.source, context.signal));
      await this.#each((member) => member.connect());
      if (this.#alive().length > 0) await this.#through(source, context);
    } catch (error) {
      for (const [i, member] of this.#members.entries()) {
        if (member !== undefined) this.ends[i] ??= { error: member.errorOf(error) };
      }
    }
  }

  async #through(source: Session, context: RunContext): Promise<void> {
    const members = this.#alive();
    const [first] = members;
    const plan = withAllDisks(members.map((member) => atSource(member.plan)));
    const extracted = await extraction(plan, source, context, {
      reading: this.#reading,
      twice: members.some(({ plan: own }) => wantsChanges(own) || own.arrange !== undefined),
      check: (held, disks) => first!.prepare(source, held, disks),
    });
    const verified = source.source?.verify?.({ ...plan.machine, id: plan.source.machine }, context.signal);
    const verifying = Promise.resolve(verified).catch((error) => {
      for (const member of members) member.end(error);
      throw error;
    });
    verifying.catch(() => undefined); // awaited by each; the abort is what ends the rest
    const outcomes = new Map<Delivering, Outcome>();
    const views = viewsOf(members, extracted);
    await this.#each(async (member) => {
      outcomes.set(member, await member.deliver(source, views.get(member)!, verifying));
    });
    // All is read: the source's machine is let go before anything else is waited for.
    await this.#reading.close();
    await this.#each(async (member, i) => {
      const told = { ...(await member.verify()), ...(await member.start()) };
      this.ends[i] = { outcome: { ...outcomes.get(member)!, ...told } };
    });
  }

  #alive(): Delivering[] {
    return this.#members.filter((_, i) => this.ends[i] === undefined) as Delivering[];
  }

  /** At once, for those that have not ended; whoever fails has. */
  async #each(work: (member: Delivering, index: number) => Promise<void>): Promise<void> {
    await Promise.all(
      this.#members.map(async (member, i) => {
        if (member === undefined || this.ends[i] !== undefined) return;
        try {
          await work(member, i);
        } catch (error) {
          const ended = { error: member.errorOf(error) };
          this.ends[i] = ended;
          member.end(error);
          for (const [j, { of }] of this.#given.entries()) if (of === i) this.#endCopy(j, member, ended);
        }
      }),
    );
  }

  /** Once it has begun, what is read is worth the more that the delivery has failed. */
  #endCopy(index: number, of: Delivering, end: { readonly error: AppError }): void {
    if (of.hasBegun) {
      const text = `finishing the kept copy, although: ${end.error.message}`;
      if (this.ends[index] === undefined) of.context.emit({ type: 'step', text });
      return;
    }
    this.ends[index] ??= end;
    this.#members[index]?.end(end.error);
  }

  /** What is done at the source is done for all of them, told to all, and ends when all have ended. */
  #common(context: RunContext): RunContext {
    const nobody = new AbortController();
    const alive = this.#alive();
    const look = () => {
      if (alive.every((member) => member.context.signal.aborted))
        nobody.abort(alive[0]!.context.signal.reason);
    };
    for (const { context: own } of alive) own.signal.addEventListener('abort', look, { once: true });
    look();
    const emit = (event: ConversionEvent) => {
      for (const member of this.#alive()) member.context.emit(event);
    };
    return { ...context, signal: nobody.signal, emit };
  }

  async close(): Promise<void> {
    await this.#reading.close();
    for (const member of this.#members) await member?.close();
    await this.#sessions.close();
  }
}

/** The first plan with the disks of all. */
function withAllDisks(plans: readonly Plan[]): Plan {
  const disks = new Map<string, MachineDisk>();
  for (const { machine } of plans)
    for (const disk of machine.disks) disks.set(disk.id, disks.get(disk.id) ?? disk);
  const [first] = plans;
  return { ...first!, machine: { ...first!.machine, disks: [...disks.values()] } };
}

/** Who is alone reads the disks themselves. */
function viewsOf(members: readonly Delivering[], extracted: Extraction): ReadonlyMap<Delivering, Extraction> {
  if (members.length === 1) return new Map([[members[0]!, extracted]]);
  const shared = new Map(extracted.disks.map(({ disk, image }) => [disk.id, new SharedDisk(image)]));
  return new Map(
    members.map((member) => {
      const disks = member.view(extracted.disks, (id) => shared.get(id)!.reader());
      return [member, { ...extracted, disks }];
    }),
  );
}

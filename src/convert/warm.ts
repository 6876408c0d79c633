/**
 * A machine that is copied while it runs: all of it into copies, then what changed, pass by pass, and the last changes
 * when it is off. From there on it is a conversion like any other, which reads the copies.
 */
import type { Session, TrackedPass, Tracking } from '../env-plugins/plugin.ts';
import { allocatedBytes, sourceDisk } from '../io/disk.ts';
import { fileSource } from '../io/file-source.ts';
import { throwIfAborted } from '../io/in-order.ts';
import { AppError, describeFailure, toFailure } from '../model/errors.ts';
import { findingText } from '../model/finding.ts';
import type { Machine } from '../model/machine.ts';
import type { PassReport } from '../model/pass-report.ts';
import type { Plan, Warm } from '../model/plan.ts';
import { sourceOf } from './open-machine.ts';
import type { ExtractedDisk, HeldSource, RunContext } from './run-context.ts';
import { openedAs } from './source-now.ts';
import { WarmCopies } from './warm-copies.ts';
import { type PassDisk, runPass } from './warm-pass.ts';
import { patiently, untilNextPass } from './warm-wait.ts';
import { passInWords } from './warm-when.ts';

export interface WarmSource {
  readonly held: HeldSource;
  /** Of the copies. */
  readonly disks: readonly ExtractedDisk[];
  /** Read at the source, in all passes. */
  readonly bytes: number;
}

export interface WarmPlan extends Plan {
  readonly warm: Warm;
}

/** Keeps what is to be closed after all. */
export interface Keeper {
  keep<T extends { close(): Promise<void> }>(thing: T): T;
}

/**
 * `check` is asked in the first pass, with the source's disks open, before anything is copied.
 * @throws AppError `unsupported` where nothing tells what changed, `conflict` when the machine's disks are others now.
 */
export async function carryWarm(
  plan: WarmPlan,
  source: Session,
  context: RunContext,
  reading: Keeper,
  check: (held: HeldSource, disks: readonly ExtractedDisk[]) => Promise<unknown>,
): Promise<WarmSource> {
  const role = sourceOf(source);
  if (role.track === undefined) throw untrackable(plan);
  const { runId, signal } = context;
  const report = (text: string) => context.emit({ type: 'step', text });
  // Whatever comes: a snapshot is removed and tracking turned off before the program ends.
  context.holding?.(true);
  let tracking: Tracking | undefined;
  try {
    tracking = await role.track(plan.machine, { runId, signal, report, turnOn: plan.warm.turnOn });
    for (const found of tracking.findings) {
      const level = found.severity === 'note' ? 'info' : 'warning';
      context.emit({ type: 'log', level, text: findingText(found) });
    }
    const copies = reading.keep(new WarmCopies(plan, runId));
    const run = new Passes(plan, source, context, tracking, copies);
    const last = await run.all(check);
    const disks = await run.opened(reading);
    const verify = (ending: AbortSignal) => stillOff(plan, source, ending);
    const held = {
      machine: last,
      condition: { state: last.state, hold: 'held' },
      findings: [],
      verify,
    } as const;
    return { held, disks, bytes: run.bytes };
  } finally {
    const left = (await tracking?.close()) ?? [];
    for (const text of left) context.emit({ type: 'log', level: 'warning', text });
    context.holding?.(false);
  }
}

class Passes {
  readonly #plan: WarmPlan;
  readonly #source: Session;
  readonly #context: RunContext;
  readonly #tracking: Tracking;
  readonly #copies: WarmCopies;
  readonly #done: PassReport[] = [];
  /** Of all disks that the machine had in the first pass. */
  #ids: readonly string[] | undefined;
  /** Of the last pass: what its images are, for the plan's check. */
  #disks: readonly PassDisk[] = [];

  constructor(plan: WarmPlan, source: Session, context: RunContext, tracking: Tracking, copies: WarmCopies) {
    this.#plan = plan;
    this.#source = source;
    this.#context = context;
    this.#tracking = tracking;
    this.#copies = copies;
  }

  get bytes(): number {
    return this.#done.reduce((sum, { bytesRead }) => sum + bytesRead, 0);
  }

  /** Resolves to the machine as it is at the end, off. */
  async all(check: Parameters<typeof carryWarm>[4]): Promise<Machine> {
    let since: TrackedPass['marks'] | undefined;
    for (let number = 1; ; number++) {
      const pass = () => this.#one(number, since, number === 1 ? check : undefined);
      // What an unfinished one has put into the copies is among what is different since the marks.
      const { marks, final, machine } = await (number === 1
        ? pass()
        : patiently(`pass ${number}`, this.#context, pass));
      if (final) return machine;
      since = marks;
      const { warm } = this.#plan;
      await untilNextPass({ warm, passes: this.#done, tracking: this.#tracking }, this.#context);
    }
  }

  async #one(
    number: number,
    since: TrackedPass['marks'] | undefined,
    check: Parameters<typeof carryWarm>[4] | undefined,
  ) {
    const { runId, signal, emit } = this.#context;
    const report = (text: string) => emit({ type: 'step', text });
    report(number === 1 ? 'pass 1: all of it' : `pass ${number}: what changed`);
    const pass = await this.#tracking.pass({ runId, signal, report });
    try {
      throwIfAborted(signal);
      const machine = openedAs(this.#plan, pass.machine);
      this.#ids ??= pass.machine.disks.map(({ id }) => id);
      refuseOtherDisks(this.#ids, pass.machine);
      const { report: done, disks } = await runPass(
        { plan: this.#plan, source: this.#source, machine, pass, number, since, copies: this.#copies },
        this.#context,
        (opened) => check?.(heldBy(pass, machine), opened),
      );
      this.#disks = disks;
      await pass.verify?.(signal);
      this.#done.push(done);
      emit({ type: 'log', level: 'info', text: passInWords(done) });
      emit({ type: 'pass', pass: done });
      return { marks: pass.marks, final: pass.final, machine };
    } finally {
      for (const text of await pass.release()) emit({ type: 'log', level: 'warning', text });
    }
  }

  /** The copies, as the disks to be converted. */
  async opened(reading: Keeper): Promise<ExtractedDisk[]> {
    const out: ExtractedDisk[] = [];
    for (const { disk, info, sectorSize } of this.#disks) {
      const path = await this.#copies.finished(disk.id);
      const bytes = reading.keep(sourceDisk(await fileSource(path)));
      const image = { ...bytes, sectorSize, info };
      out.push({
        disk,
        image,
        bytesTotal: await allocatedBytes(image, this.#context.signal),
        copy: { path, of: image },
      });
    }
    const disks = out.map(({ disk, bytesTotal }) => ({ id: disk.id, name: disk.name, bytesTotal }));
    this.#context.emit({ type: 'disks', disks });
    return out;
  }
}

const heldBy = (pass: TrackedPass, machine: Machine): HeldSource => ({
  machine,
  condition: { state: machine.state, hold: 'held' },
  findings: pass.findings,
});

const untrackable = ({ source }: Plan): AppError =>
  new AppError('unsupported', 'this environment does not tell what changed on a disk', {
    where: source.environment,
    hint: 'leave the warm copy out: the machine is read as it is held, or shut it down first',
  });

/** A disk that was added is not in the copies, and one that was removed is there for nothing. @throws AppError. */
function refuseOtherDisks(ids: readonly string[], { disks, name }: Machine): void {
  const gone = ids.find((id) => !disks.some((disk) => disk.id === id));
  const added = disks.find(({ id }) => !ids.includes(id));
  if (gone === undefined && added === undefined) return;
  const what =
    added === undefined ? `the disk ${gone} was removed from` : `the disk ${added.name} was added to`;
  throw new AppError('conflict', `${what} the machine while it was copied`, {
    where: name,
    hint: 'make the plan anew, and run it',
  });
}

/** @throws AppError `conflict`. */
async function stillOff(plan: Plan, source: Session, signal: AbortSignal): Promise<void> {
  const { state, name } = await sourceOf(source)
    .inspect(plan.source.machine, signal)
    .catch((error) => {
      throw new AppError(
        'conflict',
        `whether it is still off is not known: ${describeFailure(toFailure(error))}`,
        {
          cause: error,
        },
      );
    });
  if (state === 'off') return;
  throw new AppError('conflict', `the machine is ${state} again: what it writes now would be lost`, {
    where: name,
    hint: 'shut it down and keep it off until it is carried over, then run it again',
  });
}

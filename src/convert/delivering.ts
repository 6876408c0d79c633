/** One destination of a run: from its session to the outcome there. All or nothing. */
import type { Delivery, Session } from '../env-plugins/plugin.ts';
import { throwIfAborted } from '../io/in-order.ts';
import type { SharedReader } from '../io/shared-disk.ts';
import { AppError, describeFailure, toAppError, toFailure } from '../model/errors.ts';
import type { Finding } from '../model/finding.ts';
import { type Leftover, withLeftovers } from '../model/leftover.ts';
import type { PowerState } from '../model/machine.ts';
import type { Plan } from '../model/plan.ts';
import { arrangedFor, atSource } from './arrange/arranged.ts';
import { type OpenBacking, openBacking, withBacking } from './backing.ts';
import { Beside } from './beside.ts';
import { type CheckedRequest, checkPlan } from './check-plan.ts';
import { withCheckedOptions } from './checked-plan.ts';
import { destinationOf, requestOf } from './delivery-request.ts';
import { DiskDigests } from './disk-digests.ts';
import type { Extraction } from './extraction.ts';
import { withWarning } from './keeping.ts';
import { wantsChanges } from './make-plan.ts';
import { changed, passwordsOf } from './manipulated.ts';
import { sourceOf } from './open-machine.ts';
import { packaged } from './package-delivery.ts';
import { damagedPart } from './pieces/damaged-part.ts';
import { splitFor } from './pieces/split-delivery.ts';
import { canGoOn, provide } from './provide.ts';
import { identityOf, type RunRecord, refuseChanged } from './resumption.ts';
import {
  type ExtractedDisk,
  type HeldSource,
  Opened,
  type RunContext,
  refuse,
  suspension,
  tell,
  tellDisks,
} from './run-context.ts';
import { readNvram } from './source-now.ts';
import { sealFor } from './wrapped-output.ts';

export interface Outcome {
  /** Where the machine is now. */
  readonly places: readonly string[];
  /** Allocated bytes that were read. */
  readonly bytes: number;
  readonly bytesWritten: number;
  /** Its state after it was started. */
  readonly started?: PowerState;
  /** What was wanted besides and did not come about; the machine is there all the same. */
  readonly warning?: string;
}

export class Delivering {
  readonly plan: Plan;
  readonly #context: RunContext;
  readonly #ended = new AbortController();
  /** Of this destination alone: what the others do does not end it. */
  readonly #inner: RunContext;
  readonly #sessions = new Opened();
  readonly #reading = new Opened();
  #passwords: ReadonlyMap<string, string> = new Map();
  #destination: Session | undefined;
  #backing: OpenBacking | undefined;
  #begun: Delivery | undefined;
  /** It can be gone on with. */
  #lasting: RunRecord | undefined;
  /** How it ended, in words that say what to do. */
  #told: AppError | undefined;
  #digests: DiskDigests | undefined;
  #places: readonly string[] = [];

  /** @throws AppError `usage` for a plan that can't be. */
  constructor(plan: Plan, context: RunContext) {
    this.plan = withCheckedOptions(plan);
    this.#context = context;
    const signal = AbortSignal.any([context.signal, this.#ended.signal]);
    // A plan may be checked twice: what was found is told once.
    this.#inner = { ...context, signal };
  }

  get context(): RunContext {
    return this.#inner;
  }

  /** Something of it is at the destination. */
  get hasBegun(): boolean {
    return this.#begun !== undefined;
  }

  /** What runs for it ends with this error. */
  end(error: unknown): void {
    this.#ended.abort(error);
  }

  /** In the words of whoever ended it. */
  errorOf(error: unknown): AppError {
    if (this.#told !== undefined && error === this.#told) return this.#told;
    if (!this.#context.signal.aborted) return toAppError(error);
    const stays = this.#places.length === 0 ? '' : `; what was delivered stays: ${this.#places.join(', ')}`;
    return new AppError('cancelled', `cancelled${stays}`, { cause: error });
  }

  /** What somebody has to be asked for, before anything else: nobody may be there later. */
  async ask(): Promise<void> {
    this.#passwords = await passwordsOf(this.plan, this.#inner);
  }

  async connect(): Promise<void> {
    const { connect, signal } = this.#inner;
    this.#destination = this.#sessions.keep(
      await connect({ ...this.plan.destination, role: 'destination' }, signal),
    );
    this.#backing = await openBacking(this.plan, connect, signal);
    if (this.#backing !== undefined) this.#reading.keep(this.#backing);
  }

  /** What the destination is asked for, when nothing speaks against it. @throws AppError `blocked`. */
  async prepare(source: Session, held: HeldSource, disks: readonly ExtractedDisk[]): Promise<CheckedRequest> {
    const { plan } = this;
    const { runId, signal, partsOf = runId } = this.#inner;
    const role = destinationOf(this.#destination!);
    const { nvram, findings } = await readNvram(sourceOf(source), plan, signal);
    const arranged = await arrangedFor(plan, disks, signal);
    this.#tellOnce(arranged.findings);
    refuse(arranged.findings, this.#inner);
    const images = arranged.disks.map(({ disk, image }) => ({ id: disk.id, image }));
    const asked = await requestOf(plan, images, role, partsOf, signal);
    const request = {
      ...withBacking(asked, this.#backing),
      ...(nvram === undefined ? {} : { nvram }),
      ...(this.#inner.resumption === undefined ? {} : { resume: true as const }),
    };
    this.#inner.emit({ type: 'step', text: 'checking the plan' });
    const checked = await checkPlan(plan, images, role, request, held.condition);
    const all: Finding[] = [...held.findings, ...findings, ...checked];
    this.#tellOnce(all);
    refuse(all, this.#inner);
    return request;
  }

  readonly #said = new Set<string>();

  #tellOnce(findings: readonly Finding[]): void {
    const { emit } = this.#inner;
    tell(findings, {
      ...this.#inner,
      emit: (event) => {
        if (event.type === 'log' && this.#said.has(event.text)) return;
        if (event.type === 'log') this.#said.add(event.text);
        emit(event);
      },
    });
  }

  /** `verifying`: the source's own checksums, which are looked at meanwhile. */
  async deliver(
    source: Session,
    { held, disks, bytes }: Extraction,
    verifying: Promise<void>,
  ): Promise<Outcome> {
    const { plan } = this;
    const context = this.#inner;
    const { signal } = context;
    let delivery: Delivery | undefined;
    const beside = this.#reading.keep(new Beside(plan, this.#context));
    try {
      const request = await this.prepare(source, held, disks);
      const { disks: own, moves } = await arrangedFor(plan, disks, signal);
      // In another order than others read them.
      if (plan.arrange !== undefined) {
        for (const { reader } of disks) reader?.end();
        tellDisks(own, context);
      }
      const password = async (user: string) => this.#passwords.get(user)!;
      const changing = { ...context, password, moves };
      const role = destinationOf(this.#destination!);
      const made = await changed(plan, own, role, request, source, changing, this.#reading);
      const seal = await sealFor(plan, this.#destination!);
      const extraction = { held, disks, ...(bytes === undefined ? {} : { bytes }) };
      const member = (copy: Plan, of: RunContext) => new Delivering(copy, of);
      const ready = await beside.changed(source, extraction, made, member);
      this.#begun = await role.begin(request);
      const doubled = await beside.converted(splitFor(plan, this.#begun), request, ready);
      delivery = packaged(plan, doubled, ready, request.nvram, () => this.#digests?.disks ?? []);
      const recorded = await this.#recorded(held, disks, delivery);
      this.#digests = new DiskDigests(plan, recorded);
      const written = await provide(plan, ready, delivery, recorded, seal, this.#backing, this.#digests);
      context.emit({ type: 'step', text: 'finishing' });
      await verifying;
      // What was read on the way need not be read again.
      for (const { image } of disks) await image.verify?.(signal);
      await held.verify?.(signal);
      throwIfAborted(signal);
      const places = await delivery.commit();
      delivery = undefined; // it is there, and stays
      await context.keptChanges?.remove();
      this.#places = places;
      const replaced = this.#begun.remains?.() ?? [];
      if (replaced.length > 0) context.emit({ type: 'leftovers', leftovers: replaced });
      await beside.done();
      const outcome = { places, ...written, ...(bytes === undefined ? {} : { bytes }) };
      return withWarning(outcome, beside.warning);
    } catch (error) {
      if (this.#lasting === undefined && context.resumption === undefined)
        await context.keptChanges?.remove();
      const verifies = disks.map(({ image }) => image.verify);
      const ended = this.#ended.signal.aborted
        ? this.#ended.signal.reason
        : await damagedPart(error, verifies, this.#context.signal);
      this.#ended.abort(error);
      const left = delivery === undefined ? [] : await this.#undo(delivery, ended);
      this.#told = left === undefined ? this.#stopped(ended) : withLeftovers(this.errorOf(ended), left);
      throw this.#told;
    } finally {
      await beside.end();
      for (const { reader } of disks) reader?.end();
      await this.#reading.close();
    }
  }

  /** With a record of how far it comes, where it can be gone on with. @throws AppError `conflict` for another source. */
  async #recorded(
    held: HeldSource,
    disks: readonly ExtractedDisk[],
    delivery: Delivery,
  ): Promise<RunContext> {
    const { record, resumption, ...plain } = this.#inner;
    if (record === undefined) return plain;
    // What a machine that runs had on its disks at that moment is gone.
    const { arrange } = this.plan;
    const keeps = !wantsChanges(this.plan) || this.#inner.keptChanges !== undefined;
    const lasts = held.condition.hold !== 'held' && keeps && arrange === undefined;
    const goesOn = lasts && canGoOn(this.plan, delivery);
    const identity = goesOn ? await identityOf(disks, plain.signal) : undefined;
    if (resumption !== undefined) refuseChanged(resumption.source, identity);
    if (identity === undefined) return plain;
    await record.source(identity);
    this.#lasting = record;
    return this.#inner;
  }

  /**
   * What was acknowledged is worth more than a clean place where somebody can mend what went wrong: undefined then, else
   * what could not be removed.
   */
  async #undo(delivery: Delivery, error: unknown): Promise<readonly Leftover[] | undefined> {
    const { emit } = this.#inner;
    if (delivery.suspend !== undefined && this.#keeps(toAppError(error))) {
      emit({ type: 'step', text: 'keeping what was written' });
      await delivery.suspend();
      this.#lasting?.suspended();
      return undefined;
    }
    emit({ type: 'step', text: 'removing what was written' });
    await this.#lasting?.takenBack();
    await this.#inner.keptChanges?.remove();
    const leftovers = await delivery.rollback();
    if (leftovers.length > 0) emit({ type: 'leftovers', leftovers });
    return leftovers;
  }

  /** What was written is kept. */
  #stopped(error: unknown): AppError {
    const { signal, runId, resumption } = this.#context;
    const { kind, message, where, hint } = toAppError(signal.aborted ? signal.reason : error);
    const goOn =
      this.#lasting === undefined && resumption !== undefined
        ? 'what was written stays'
        : `"vmferry resume ${runId}" goes on, and moves nothing again; with --discard it removes what was written`;
    return new AppError(kind, message, {
      ...(where === undefined ? {} : { where }),
      hint: hint === undefined ? goOn : `${hint}; then ${goOn}`,
      cause: error,
    });
  }

  #keeps({ kind }: AppError): boolean {
    const { signal, resumption } = this.#context;
    // What another run has left is not ours before it was taken over.
    if (this.#lasting === undefined) return resumption !== undefined;
    if (!this.#lasting.isWorthwhile()) return false;
    if (signal.aborted) return signal.reason === suspension;
    return kind === 'unreachable' || kind === 'io' || kind === 'no-space' || kind === 'auth';
  }

  /** Where that is wanted. What was delivered stays, whatever comes of this. @throws AppError `corrupt` … */
  async verify(): Promise<Pick<Outcome, 'warning'>> {
    const takesFiles = destinationOf(this.#destination!).product === undefined;
    const { verify = false, sums = verify && takesFiles } = this.plan;
    if (!verify && !sums) return {};
    const { sumsOf, verifyDelivery } = await import('./verify-delivery.ts');
    const disks = this.#digests?.disks ?? [];
    if (verify) await verifyDelivery(this.plan, this.#destination!, disks, this.#places, this.#inner);
    return sums ? sumsOf(this.#begun!, this.#inner) : {};
  }

  /** What was delivered stays, whatever comes of this. */
  async start(): Promise<Pick<Outcome, 'started' | 'warning'>> {
    if (!this.plan.start) return {};
    const { emit, signal } = this.#inner;
    emit({ type: 'step', text: 'starting the machine' });
    try {
      if (this.#begun?.start === undefined) {
        throw new AppError('unsupported', 'nothing can be started at this destination');
      }
      const started = await this.#begun.start(signal);
      emit({ type: 'log', level: 'info', text: `started: ${started}` });
      return { started };
    } catch (error) {
      const warning = `it is there, but it could not be started: ${describeFailure(toFailure(error))}`;
      emit({ type: 'log', level: 'warning', text: warning });
      return { warning };
    }
  }

  /** Its part of disks that are shared with others. */
  view(disks: readonly ExtractedDisk[], readerOf: (id: string) => SharedReader): ExtractedDisk[] {
    const own = atSource(this.plan).machine.disks.map((disk) => {
      const { image, bytesTotal } = disks.find((one) => one.disk.id === disk.id)!;
      const reader = readerOf(disk.id);
      return { disk, image: { ...image, ...reader }, bytesTotal, reader };
    });
    tellDisks(own, this.#inner);
    return own;
  }

  async close(): Promise<void> {
    await this.#reading.close();
    await this.#sessions.close();
  }
}

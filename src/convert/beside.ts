/**
 * Kept copies that are made of what is delivered, while it is: the disks after their changes, read once for both, and
 * the very files. What fails here is a warning, and the delivery goes on.
 */
import type { Delivery, Session } from '../env-plugins/plugin.ts';
import type { ByteSink } from '../io/byte-source.ts';
import { SharedDisk, type SharedReader } from '../io/shared-disk.ts';
import type { Leftover } from '../model/leftover.ts';
import type { Plan } from '../model/plan.ts';
import type { CheckedRequest } from './check-plan.ts';
import type { Outcome } from './delivering.ts';
import { destinationOf } from './delivery-request.ts';
import type { Extraction } from './extraction.ts';
import { copyContext, copyPlanOf, tellKept, tellLost } from './keeping.ts';
import { keptDelivery } from './kept-delivery.ts';
import { type ExtractedDisk, Opened, type RunContext } from './run-context.ts';

/** A destination of its own for the disks after their changes. */
export interface CopyMember {
  connect(): Promise<void>;
  deliver(source: Session, extraction: Extraction, verifying: Promise<void>): Promise<Outcome>;
  end(error: unknown): void;
  close(): Promise<void>;
}

export class Beside {
  readonly #plan: Plan;
  readonly #context: RunContext;
  readonly #sessions = new Opened();
  readonly #lost: string[] = [];
  #member: CopyMember | undefined;
  /** Never rejects. */
  #changed: Promise<void> | undefined;
  #readers: readonly SharedReader[] = [];
  #tee: Tee | undefined;

  constructor(plan: Plan, context: RunContext) {
    this.#plan = plan;
    this.#context = context;
  }

  /** Why copies were lost, in words. */
  get warning(): string | undefined {
    return this.#lost.length === 0 ? undefined : this.#lost.join('; ');
  }

  /** @returns the disks as the delivery is to read them: in step with the copy. */
  async changed(
    source: Session,
    extraction: Extraction,
    ready: readonly ExtractedDisk[],
    memberOf: (plan: Plan, context: RunContext) => CopyMember,
  ): Promise<readonly ExtractedDisk[]> {
    const copy = copyPlanOf(this.#plan, 'changed', this.#context);
    if (copy === undefined) return ready;
    try {
      this.#member = memberOf(copy, copyContext(this.#plan, this.#context));
      await this.#member.connect();
    } catch (error) {
      this.#lose(error);
      return ready;
    }
    const [own, others] = views(ready);
    this.#readers = own.map(({ reader }) => reader);
    const { bytes: _, ...held } = extraction;
    this.#changed = this.#member
      .deliver(source, { ...held, disks: others }, Promise.resolve())
      .then((outcome) => tellKept(copy, outcome, this.#plan.keep!.place, this.#context))
      .catch((error) => {
        for (const { reader } of others) reader.end();
        this.#lose(error);
      });
    return own;
  }

  /** @returns the delivery, whose files are written to the copy as well. */
  async converted(
    delivery: Delivery,
    request: CheckedRequest,
    disks: readonly ExtractedDisk[],
  ): Promise<Delivery> {
    const copy = copyPlanOf(this.#plan, 'converted', this.#context);
    if (copy?.copyOf === undefined) return delivery;
    const { copyOf, destination, machine } = copy;
    try {
      const { connect, signal } = copyContext(this.#plan, this.#context);
      const session = this.#sessions.keep(await connect({ ...destination, role: 'destination' }, signal));
      const { resume: _, ...asked } = request;
      const { settings } = destination;
      const begun = await destinationOf(session).begin({ ...asked, machine, settings, force: false });
      const kept = keptDelivery(begun, { plan: { ...copy, copyOf }, disks, nvram: request.nvram });
      this.#tee = new Tee(copy, kept, (error) => this.#lose(error));
    } catch (error) {
      this.#lose(error);
    }
    return this.#tee?.over(delivery) ?? delivery;
  }

  /** The delivery is there: the copies are finished. */
  async done(): Promise<void> {
    const bytesWritten = await this.#tee?.commit();
    if (bytesWritten !== undefined)
      tellKept(this.#tee!.copy, { bytesWritten }, this.#plan.keep!.place, this.#context);
    if (this.#changed !== undefined) {
      this.#context.emit({ type: 'step', text: 'finishing the kept copy' });
      await this.#changed;
    }
  }

  /**
   * The delivery has ended. Where it failed, what is made of the disks is worth the more: it goes on, unless all is
   * cancelled.
   */
  async end(): Promise<void> {
    for (const reader of this.#readers) reader.end();
    const leftovers = (await this.#tee?.drop()) ?? [];
    if (leftovers.length > 0) this.#context.emit({ type: 'leftovers', leftovers });
    await this.#changed;
  }

  async close(): Promise<void> {
    await this.#member?.close();
    await this.#sessions.close();
  }

  #lose(error: unknown): void {
    // A run that is cancelled keeps nothing.
    if (!this.#context.signal.aborted) this.#lost.push(tellLost(error, this.#context));
  }
}

/** Every disk for two readers: what they read is read once. */
function views(disks: readonly ExtractedDisk[]) {
  const pairs = disks.map((extracted) => {
    const shared = new SharedDisk(extracted.image);
    let open = 2;
    return [0, 1].map(() => viewOf(extracted, shared.reader(), () => --open === 0));
  });
  return [0, 1].map((i) => pairs.map((pair) => pair[i]!)) as [SharedView[], SharedView[]];
}

type SharedView = ExtractedDisk & { readonly reader: SharedReader };

/** `isLast`: the other one has ended before. */
function viewOf(
  { disk, image, bytesTotal, reader: outer }: ExtractedDisk,
  inner: SharedReader,
  isLast: () => boolean,
): SharedView {
  let ended = false;
  const reader: SharedReader = {
    ...inner,
    start() {
      outer?.start();
      inner.start();
    },
    end() {
      inner.end();
      if (!ended && isLast()) outer?.end();
      ended = true;
    },
  };
  return { disk, image: { ...image, ...reader }, bytesTotal, reader };
}

/** Files that are written to two deliveries; the second one may fail at any time. */
class Tee {
  readonly copy: Plan;
  readonly #kept: Delivery;
  readonly #failed: (error: unknown) => void;
  #dropped: Promise<readonly Leftover[]> | undefined;
  #bytes = 0;

  constructor(copy: Plan, kept: Delivery, failed: (error: unknown) => void) {
    this.copy = copy;
    this.#kept = kept;
    this.#failed = failed;
  }

  /** A file that is here already is copied: it is wanted twice. */
  over({ adopt: _, ...main }: Delivery): Delivery {
    return {
      ...main,
      sink: async (file) => {
        const own = await main.sink(file);
        const other = await this.#tried(() => this.#kept.sink(file));
        return other === undefined ? own : this.#both(own, other);
      },
    };
  }

  /** @returns the bytes written, where the copy is there. */
  async commit(): Promise<number | undefined> {
    const places = await this.#tried(() => this.#kept.commit());
    return places === undefined ? undefined : this.#bytes;
  }

  /** @returns what stays of it. */
  drop(): Promise<readonly Leftover[]> {
    this.#dropped ??= this.#kept.rollback();
    return this.#dropped;
  }

  #both(own: ByteSink, other: ByteSink): ByteSink {
    return {
      ...own,
      write: async (bytes, offset, signal) => {
        // The buffer is free again when both have it.
        const beside = this.#tried(() => other.write(bytes, offset, signal));
        try {
          await own.write(bytes, offset, signal);
        } finally {
          await beside;
        }
      },
      finish: async (size, modifiedAt) => {
        await own.finish(size, modifiedAt);
        await this.#tried(() => other.finish(size, modifiedAt));
        this.#bytes += size;
      },
      abort: async () => {
        await own.abort();
        await other.abort();
      },
    };
  }

  /** Undefined where it fails, or has failed before; what it has taken is given back at once. */
  async #tried<T>(work: () => Promise<T>): Promise<T | undefined> {
    if (this.#dropped !== undefined) return undefined;
    try {
      return await work();
    } catch (error) {
      if (this.#dropped === undefined) {
        this.#failed(error);
        await this.drop();
      }
      return undefined;
    }
  }
}

/**
 * What a journal holds so that its run can be gone on with, one JSON line each, beside those of `journal-lines.ts`:
 *
 *   {"type":"source","boot","disks":[{disk, name, size, format, modifiedAt, samples}]}   before the first byte is delivered
 *   {"type":"file","name"}                  a file of the delivery has been begun
 *   {"type":"acked","disk","from","to","runs":[…],"durable"}    all below `to` is at the destination, and in [from, to) the
 *        runs held data: distance and length by turns, in sectors of 512 bytes. `more`: the rest of it is in the next line
 *   {"type":"suspended"}                    the run ends, and what was written stays
 *   {"type":"taken-back"}                   what was written is being removed
 */
import { readFile } from 'node:fs/promises';
import * as z from 'zod';
import type { DiskIdentity, Resumption, RunRecord } from '../../convert/resumption.ts';
import type { Advance } from '../../io/acknowledged.ts';
import { runsOfNumbers, runsToNumbers, type StoredRun, StoredRuns } from '../../io/stored-runs.ts';
import { MiB } from '../../model/units.ts';
import type { Journal } from './journal.ts';
import type { JournalLine } from './journal-lines.ts';

/** Of one line, so that none grows too long. */
const mostRuns = 20_000;
/** What is less is moved again sooner than explained. */
const worthwhileBytes = 32 * MiB;

/** Changes at each start of the computer; absent where that is not told (Linux only). */
export async function bootId(): Promise<string | undefined> {
  return readFile('/proc/sys/kernel/random/boot_id', 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  );
}

/** Writes what makes a run one that can be gone on with. */
export class ResumeWriter implements RunRecord {
  readonly #journal: Pick<Journal, 'line' | 'written'>;
  readonly #boot: string | undefined;
  readonly #before: Resumption | undefined;
  readonly #claim: () => Promise<void>;
  #bytes = 0;

  /** `before`: what it goes on with, and `claim` takes that over. */
  constructor(
    journal: Pick<Journal, 'line' | 'written'>,
    boot: string | undefined,
    before?: { readonly resumption: Resumption; readonly claim: () => Promise<void> },
  ) {
    this.#journal = journal;
    this.#boot = boot;
    this.#before = before?.resumption;
    this.#claim = before?.claim ?? (async () => undefined);
  }

  async source(disks: readonly DiskIdentity[]): Promise<void> {
    this.#journal.line('source', { ...(this.#boot === undefined ? {} : { boot: this.#boot }), disks });
    if (this.#before === undefined) return;
    // This journal alone tells all there is.
    for (const name of this.#before.files) this.#journal.line('file', { name });
    for (const [disk, { to, durableTo, runs }] of this.#before.disks) {
      if (durableTo > 0)
        this.#advance(disk, { from: 0, to: durableTo, runs: runs.within(0, durableTo) }, true);
      if (to > durableTo)
        this.#advance(disk, { from: durableTo, to, runs: runs.within(durableTo, to) }, false);
    }
    await this.#journal.written(false);
    await this.#claim();
  }

  async file(name: string): Promise<void> {
    if (this.#before?.files.has(name)) return;
    this.#journal.line('file', { name });
    await this.#journal.written(false).catch(() => undefined); // then nothing of it is acknowledged either
  }

  async advanced(disk: string, advance: Advance, durable: boolean): Promise<void> {
    this.#advance(disk, advance, durable);
    await this.#journal.written(durable);
  }

  #advance(disk: string, { from, to, runs }: Advance, durable: boolean): void {
    let at = from;
    for (let first = 0; ; first += mostRuns) {
      const some = runs.slice(first, first + mostRuns);
      const more = first + mostRuns < runs.length;
      const last = some.at(-1);
      const until = more ? last!.offset + last!.length : to;
      for (const { length } of some) this.#bytes += length;
      const line = { disk, from: at, to: until, runs: runsToNumbers(some, at) };
      this.#journal.line('acked', { ...line, ...(durable ? { durable } : {}), ...(more ? { more } : {}) });
      if (!more) return;
      at = until;
    }
  }

  isWorthwhile(): boolean {
    return this.#bytes >= worthwhileBytes;
  }

  suspended(): void {
    this.#journal.line('suspended', {});
  }

  async takenBack(): Promise<void> {
    this.#journal.line('taken-back', {});
    await this.#journal.written(false).catch(() => undefined); // nobody resumes what can't be read
  }
}

const safe = z.number().int().nonnegative();
const sourceSchema = z.object({
  boot: z.string().optional(),
  disks: z.array(
    z.object({
      disk: z.string(),
      name: z.string(),
      size: safe,
      format: z.string(),
      modifiedAt: z.number().optional(),
      samples: z.array(z.tuple([safe, z.string()])),
    }),
  ),
});
const ackedSchema = z.object({
  disk: z.string(),
  from: safe,
  to: safe,
  runs: z.array(z.number()),
  durable: z.boolean().optional(),
  more: z.boolean().optional(),
});
const fileSchema = z.object({ name: z.string() });

export type Resumable =
  | { readonly resumption: Resumption; readonly bytes: number }
  /** Why it can't be gone on with. */
  | { readonly reason: string };

/** Of the lines that `resumableOf` looks at. */
export const resumeTypes: ReadonlySet<string> = new Set([
  'plan',
  'source',
  'file',
  'acked',
  'taken-back',
  'end',
]);

/** `boot`: of this computer now. */
export function resumableOf(lines: readonly JournalLine[], boot: string | undefined): Resumable {
  let source: z.infer<typeof sourceSchema> | undefined;
  const files = new Set<string>();
  const disks = new Map<string, Progress>();
  for (const { type, data } of lines) {
    if (type === 'end' && data.outcome === 'done') return { reason: 'it has ended well' };
    if (type === 'taken-back') return { reason: 'what it had written was removed' };
    if (type === 'source') source = sourceSchema.safeParse(data).data;
    if (type === 'file') {
      const file = fileSchema.safeParse(data).data;
      if (file !== undefined) files.add(file.name);
    }
    if (type === 'acked') {
      const line = ackedSchema.safeParse(data).data;
      if (line === undefined) continue;
      const progress = disks.get(line.disk) ?? new Progress();
      disks.set(line.disk, progress);
      progress.add(line);
    }
  }
  if (source === undefined) return { reason: 'it had delivered nothing that another run could go on with' };
  const { boot: then, disks: identities } = source;
  // After a power cut only that counts which was flushed.
  const durableOnly = then === undefined || then !== boot;
  const known = new Map(
    identities.map(({ disk, size }) => [disk, (disks.get(disk) ?? new Progress()).until(durableOnly, size)]),
  );
  let bytes = 0;
  for (const { to, runs } of known.values()) bytes += runs.bytesBelow(to);
  const plain = identities.map(({ modifiedAt, ...rest }) => ({
    ...rest,
    ...(modifiedAt === undefined ? {} : { modifiedAt }),
  }));
  return { resumption: { source: plain, files, disks: known }, bytes };
}

/** What the lines of one disk add up to. A line that does not follow the one before is not believed, nor what comes after. */
class Progress {
  readonly #runs: StoredRun[] = [];
  #pending: StoredRun[] = [];
  #at = 0;
  #to = 0;
  #durableTo = 0;
  #broken = false;

  add({ from, to, runs, durable, more }: z.infer<typeof ackedSchema>): void {
    const stored = runsOfNumbers(runs, from, to);
    if (this.#broken || from !== this.#at || to < from || stored === undefined) {
      this.#broken = true;
      return;
    }
    this.#pending.push(...stored);
    this.#at = to;
    if (more === true) return;
    this.#runs.push(...this.#pending);
    this.#pending = [];
    this.#to = to;
    if (durable === true) this.#durableTo = to;
  }

  until(durableOnly: boolean, size: number) {
    const durableTo = Math.min(size, this.#durableTo);
    const to = durableOnly ? durableTo : Math.min(size, this.#to);
    const runs = new StoredRuns();
    for (const { offset, length } of this.#runs) {
      if (offset >= to) break;
      runs.add(offset, Math.min(length, to - offset));
    }
    return { to, durableTo, runs };
  }
}

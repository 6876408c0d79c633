/**
 * The lines of a run's journal, JSON each:
 *
 *   {"type":"start","version":1,"id","at","title","pid","host","born","user","program","about"}
 *                                  short: a list of runs reads only this and the end
 *   {"type":"plan","at","plan"}
 *   {"type":"event","at","event"}…                                what they hold: `history/record.ts`
 *   {"type":"end","at","outcome","bytes","bytesWritten","seconds","places",…}   missing when the program was killed
 *
 * A line that is no JSON is skipped: the last one is torn by a kill or a full disk. So are lines of other types, and
 * fields that are not known here: a later version may have written them.
 */
import * as z from 'zod';
import type { Failure } from '../../model/errors.ts';
import type { RunAbout } from '../history/about.ts';

/** The newest that this program writes and knows whole. */
export const JOURNAL_VERSION = 1;

export type Outcome = 'done' | 'failed' | 'cancelled';

export interface RunEnd {
  readonly outcome: Outcome;
  readonly bytes?: number;
  /** Measured by the run itself; absent: by the times of the lines. */
  readonly seconds?: number;
  readonly bytesWritten?: number;
  /** Where the machines are now. */
  readonly places?: readonly string[];
  /** The machine's state after it was started at the destination. */
  readonly started?: string;
  /** What was wanted besides and did not come about. */
  readonly warning?: string;
  readonly failure?: Failure;
}

export interface RunSummary extends Omit<RunEnd, 'outcome'> {
  readonly id: string;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly endedAt?: string;
  /** `interrupted`: there is no end. `running`: none either, but its process is alive. `unknown`: in a newer version's word. */
  readonly outcome: Outcome | 'interrupted' | 'running' | 'unknown';
  readonly title: string;
  readonly bytes: number;
  /** To the end, or to the last sign of life. */
  readonly seconds: number;
  readonly places: readonly string[];
  /** Absent in journals of earlier versions. */
  readonly about?: RunAbout;
  /** The version of vmferry that ran it. */
  readonly program?: string;
  readonly host?: string;
  readonly user?: string;
  /** Of the journal, where it is newer than what is known here. */
  readonly newer?: number;
}

const at = z.iso.datetime();
const text = z.string();
const place = { environment: text, name: text };
const aboutSchema = z.object({
  machine: text,
  source: z.object({ ...place, machine: text }),
  destination: z.object({ ...place, product: text, container: text, format: text }),
});
const startSchema = z.object({
  type: z.literal('start'),
  version: z.number().int().min(1),
  at,
  title: text.catch(''),
  pid: z.number().catch(0),
  host: text.catch(''),
  born: text.optional().catch(undefined),
  user: text.optional().catch(undefined),
  program: text.optional().catch(undefined),
  about: aboutSchema.optional().catch(undefined),
});
const outcomes = z.enum(['done', 'failed', 'cancelled', 'unknown']);
const amount = z.number().nonnegative();
const failureSchema = z.custom<Failure>((value) => typeof (value as Failure | null)?.message === 'string');
const endSchema = z.object({
  type: z.literal('end'),
  at,
  outcome: outcomes.catch('unknown'),
  bytes: amount.catch(0),
  bytesWritten: amount.optional().catch(undefined),
  seconds: amount.optional().catch(undefined),
  places: z.array(text).catch([]),
  started: text.optional().catch(undefined),
  warning: text.optional().catch(undefined),
  failure: failureSchema.optional().catch(undefined),
});
const progressSchema = z.object({ event: z.object({ type: z.literal('progress'), bytes: amount }) });
const anySchema = z.object({ type: text, at });

export type StartLine = z.infer<typeof startSchema> & { readonly id: string };
type EndLine = z.infer<typeof endSchema>;
/** One parsed line; `data` is checked only as far as `type` and `at`. */
export interface JournalLine {
  readonly type: string;
  readonly at: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export function parseLine(text: string): JournalLine | undefined {
  try {
    const data: unknown = JSON.parse(text);
    const line = anySchema.safeParse(data);
    return line.success ? { ...line.data, data: data as Record<string, unknown> } : undefined;
  } catch {
    return undefined;
  }
}

/** A journal whose beginning is damaged has its name still, which says when it began. */
export function startOf(id: string, line: JournalLine | undefined): StartLine {
  const start = startSchema.safeParse(line?.data).data;
  if (start !== undefined) return { ...start, id };
  const iso = id.replace(/^(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)-.*/, '$1-$2-$3T$4:$5:$6.000Z');
  const title = 'the beginning of its journal can not be read';
  const lost = { type: 'start', version: JOURNAL_VERSION, pid: 0, host: '' } as const;
  return { ...lost, id, title, at: Number.isNaN(Date.parse(iso)) ? new Date(0).toISOString() : iso };
}

export function endOf(line: JournalLine | undefined): EndLine | undefined {
  return endSchema.safeParse(line?.data).data;
}

/** What was read so far, where the line tells. */
export const progressOf = (line: JournalLine): number | undefined =>
  progressSchema.safeParse(line.data).data?.event.bytes;

/** `last` is the last line that could be read, `bytes` what had been read then; `alive` whether the run's process is. */
export function summarize(
  start: StartLine,
  last: JournalLine | undefined,
  alive: boolean,
  bytes = 0,
): RunSummary {
  const { id, title, about, program, host, user, version } = start;
  const seconds = Math.max(0, (Date.parse(last?.at ?? start.at) - Date.parse(start.at)) / 1000);
  const common = {
    ...{ id, startedAt: start.at, title, seconds, bytes },
    ...without({ about, program, user, host: host === '' ? undefined : host }),
    ...(version > JOURNAL_VERSION ? { newer: version } : {}),
  };
  const end = endOf(last);
  if (end === undefined) return { ...common, outcome: alive ? 'running' : 'interrupted', places: [] };
  const { at: endedAt, type: _, seconds: measured = seconds, ...rest } = end;
  return { ...common, ...(without(rest) as typeof rest), endedAt, seconds: measured } as RunSummary;
}

const without = (fields: object): object =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

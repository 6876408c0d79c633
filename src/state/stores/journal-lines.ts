/**
 * The lines of a run's journal, JSON each:
 *
 *   {"type":"start","version":1,"id","at","title","pid","host","born"}   short: a list of runs reads only this and the end
 *   {"type":"plan","at","plan"}
 *   {"type":"event","at","event"}…
 *   {"type":"end","at","outcome","bytes","seconds","places"}      missing when the program was killed
 *
 * A line that is no JSON is skipped: the last one is torn by a kill or a full disk.
 */
import * as z from 'zod';
import type { Failure } from '../../model/errors.ts';

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

export interface RunSummary {
  readonly id: string;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly endedAt?: string;
  /** `interrupted`: there is no end. `running`: no end either, but its process is alive. */
  readonly outcome: Outcome | 'interrupted' | 'running';
  readonly title: string;
  readonly bytes: number;
  /** To the end, or to the last sign of life. */
  readonly seconds: number;
  readonly places: readonly string[];
  readonly failure?: Failure;
}

const at = z.iso.datetime();
const startSchema = z.object({
  type: z.literal('start'),
  version: z.literal(1),
  id: z.string(),
  at,
  title: z.string(),
  pid: z.number(),
  host: z.string(),
  born: z.string().optional(),
});
const endSchema = z.object({
  type: z.literal('end'),
  at,
  outcome: z.enum(['done', 'failed', 'cancelled']),
  bytes: z.number().default(0),
  seconds: z.number().nonnegative().optional(),
  places: z.array(z.string()).default([]),
  failure: z.custom<Failure>((value) => typeof value === 'object' && value !== null).optional(),
});
const anySchema = z.object({ type: z.string(), at });

type StartLine = z.infer<typeof startSchema>;
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

export function startOf(line: JournalLine | undefined): StartLine | undefined {
  return startSchema.safeParse(line?.data).data;
}

export function endOf(line: JournalLine | undefined): EndLine | undefined {
  return endSchema.safeParse(line?.data).data;
}

/** `last` is the last line that could be read; `alive` whether the run's process is. */
export function summarize(start: StartLine, last: JournalLine | undefined, alive: boolean): RunSummary {
  const end = endOf(last);
  const seconds = Math.max(0, (Date.parse(last?.at ?? start.at) - Date.parse(start.at)) / 1000);
  const common = { id: start.id, startedAt: start.at, title: start.title, seconds };
  if (!end) return { ...common, outcome: alive ? 'running' : 'interrupted', bytes: 0, places: [] };
  const { outcome, bytes, places, failure } = end;
  return {
    ...common,
    seconds: end.seconds ?? seconds,
    endedAt: end.at,
    outcome,
    bytes,
    places,
    ...(failure === undefined ? {} : { failure }),
  };
}

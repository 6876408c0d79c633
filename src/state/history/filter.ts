/** Which of the earlier conversions are wanted. */
import type { HistorySummary } from '../state.ts';
import type { Run } from '../stores/history.ts';
import type { RunAbout } from './about.ts';

export interface HistoryFilter {
  readonly outcomes?: readonly HistorySummary['outcome'][];
  /** Started then or later, milliseconds since 1970. */
  readonly since?: number;
  /** Started before then. */
  readonly before?: number;
  /** Its name there, its id or its file's name at the source; `*` stands for anything. */
  readonly machine?: string;
  /** Where it came from, where it went to: an environment's id, or its name, such as a profile's; `*` as above. */
  readonly source?: string;
  readonly destination?: string;
  /** Words that all are somewhere in its journal. */
  readonly text?: string;
  /** So many of the newest. */
  readonly limit?: number;
}

/** A journal is searched so far, bytes. */
export const SEARCHED = 8 * 1024 * 1024;

/** `read` gives a run whole; it is asked for only where the summary does not tell. Order is kept. */
export async function filtered(
  runs: readonly HistorySummary[],
  filter: HistoryFilter,
  read: (id: string) => Promise<Run>,
): Promise<HistorySummary[]> {
  const out: HistorySummary[] = [];
  for (const run of runs) {
    if (out.length >= (filter.limit ?? Number.POSITIVE_INFINITY)) break;
    if (passesSummary(run, filter) && (await passesJournal(run, filter, read))) out.push(run);
  }
  return out;
}

function passesSummary({ outcome, startedAt }: HistorySummary, filter: HistoryFilter): boolean {
  const { outcomes, since, before } = filter;
  return (
    (outcomes === undefined || outcomes.includes(outcome)) &&
    (since === undefined || startedAt >= since) &&
    (before === undefined || startedAt < before)
  );
}

async function passesJournal(
  run: HistorySummary,
  filter: HistoryFilter,
  read: (id: string) => Promise<Run>,
): Promise<boolean> {
  const { machine, source, destination, text } = filter;
  const byName = machine !== undefined || source !== undefined || destination !== undefined;
  const whole = text !== undefined || (byName && run.about === undefined) ? await read(run.id) : undefined;
  if (byName && !passesNames(run.about ?? aboutPlan(whole?.plan), filter)) return false;
  return text === undefined || holdsWords(JSON.stringify([run, whole?.plan, whole?.events]), text);
}

function passesNames(about: RunAbout, { machine, source, destination }: HistoryFilter): boolean {
  const id = about.source.machine;
  return (
    isOneOf(machine, [about.machine, id, id.replace(/^.*[/\\]/, '')]) &&
    isOneOf(source, [about.source.environment, about.source.name]) &&
    isOneOf(destination, [about.destination.environment, about.destination.name])
  );
}

/** Of a journal from before it said so itself; what is not there matches nothing. */
function aboutPlan(plan: unknown): RunAbout {
  type Loose = Record<string, Record<string, unknown> | undefined>;
  const { machine, source, destination } = (plan ?? {}) as Loose;
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  const place = (of: Record<string, unknown> | undefined) => ({
    environment: text(of?.environment),
    name: '',
  });
  return {
    machine: text(machine?.name),
    source: { ...place(source), machine: text(source?.machine) },
    destination: { ...place(destination), product: '', container: '', format: '' },
  };
}

/** Case does not count. */
function isOneOf(pattern: string | undefined, names: readonly string[]): boolean {
  if (pattern === undefined) return true;
  const parts = pattern.split('*').map((part) => part.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'));
  const regular = new RegExp(`^${parts.join('.*')}$`, 'is');
  return names.some((name) => name !== '' && regular.test(name));
}

/** `json`: a text of JSON, in which a word may be written with escapes. */
function holdsWords(json: string, words: string): boolean {
  const within = json.toLowerCase();
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => within.includes(JSON.stringify(word).slice(1, -1)));
}

/** Which of the earlier conversions are wanted. */
import { MiB } from '../../model/units.ts';
import type { HistorySummary } from '../state.ts';
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

/** What is asked of a journal where its summary does not tell. */
export interface Journals {
  planOf(id: string): Promise<unknown>;
  /** Its lines as they are, so many bytes of them. */
  textOf(id: string, most: number): Promise<string>;
}

/** A journal is searched so far, bytes. */
const SEARCHED = 8 * MiB;

/** Order is kept. */
export async function filtered(
  runs: readonly HistorySummary[],
  filter: HistoryFilter,
  journals: Journals,
): Promise<HistorySummary[]> {
  const out: HistorySummary[] = [];
  for (const run of runs) {
    if (out.length >= (filter.limit ?? Number.POSITIVE_INFINITY)) break;
    if (passesSummary(run, filter) && (await passesJournal(run, filter, journals))) out.push(run);
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
  journals: Journals,
): Promise<boolean> {
  const { machine, source, destination, text } = filter;
  const byName = machine !== undefined || source !== undefined || destination !== undefined;
  if (byName && !passesNames(run.about ?? aboutPlan(await journals.planOf(run.id)), filter)) return false;
  return text === undefined || holdsWords(await journals.textOf(run.id, SEARCHED), text);
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

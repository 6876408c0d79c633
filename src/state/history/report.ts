/**
 * A run as a report for machines: `docs/history.md` says what each field is. Fields are added, never changed or taken
 * away, within one version.
 */
import type { Failure } from '../../model/errors.ts';
import type { HistoryEntry } from '../state.ts';
import type { RecordedDigest, RecordedPoint } from './record.ts';

export const REPORT_FORMAT = 'vmferry.run-report';
export const REPORT_VERSION = 1;

export function reportOf(entry: HistoryEntry): object {
  const { about, plan, failure, journal, newer } = entry;
  return {
    format: REPORT_FORMAT,
    version: REPORT_VERSION,
    id: entry.id,
    title: entry.title,
    outcome: entry.outcome,
    startedAt: iso(entry.startedAt),
    endedAt: entry.endedAt === undefined ? null : iso(entry.endedAt),
    seconds: entry.seconds,
    by: { program: entry.program ?? null, user: entry.user ?? null, host: entry.host ?? null },
    goesOnWith: entry.partsOf ?? null,
    machine: about?.machine ?? plan?.machine.name ?? null,
    source: about?.source ?? null,
    destination: about?.destination ?? null,
    bytesRead: entry.bytes,
    bytesWritten: entry.bytesWritten ?? null,
    bytesPerSecond: rateOf(entry.bytes, entry.seconds) ?? null,
    rates: ratesOf(entry.points),
    places: entry.places,
    started: entry.started ?? null,
    failure: failure === undefined ? null : failureOf(failure),
    disks: entry.disks.map((disk) => ({
      id: disk.id,
      name: disk.name,
      sizeBytes: disk.sizeBytes ?? null,
      allocatedBytes: disk.allocatedBytes ?? null,
      bytesRead: disk.bytesRead ?? null,
      seconds: disk.seconds ?? null,
      whole: disk.whole ?? false,
      verifiedSeconds: disk.verifiedSeconds ?? null,
      digests: digestsOf(entry.digests, disk.id),
    })),
    digests: entry.digests,
    passes: entry.passes,
    findings: entry.findings,
    changes: entry.changes,
    warnings: warningsOf(entry),
    leftovers: entry.leftovers,
    plan: plan ?? null,
    planText: entry.planText,
    planProblem: entry.planProblem ?? null,
    log: entry.log.map(({ at, level, text }) => ({ at: iso(at), level, text })),
    logLinesLeftOut: entry.logLeftOut,
    journal: { ...journal, newer: newer ?? null, otherEvents: entry.other },
  };
}

/** Absent where nothing was read, or in no time. */
export const rateOf = (bytes: number, seconds: number): number | undefined =>
  bytes > 0 && seconds > 0 ? Math.round(bytes / seconds) : undefined;

export interface Rate {
  /** Since 1970, milliseconds, the end of the stretch. */
  readonly at: number;
  readonly seconds: number;
  /** Read until then, of all disks. */
  readonly bytes: number;
  readonly bytesPerSecond: number;
}

/** How fast it went between each two points. */
export function stretches(points: readonly RecordedPoint[]): Rate[] {
  return points.slice(1).flatMap(({ at, bytes }, i) => {
    const before = points[i]!;
    const seconds = (at - before.at) / 1000;
    // The clock was set back meanwhile: nothing can be said.
    if (seconds <= 0) return [];
    return [
      { at, seconds, bytes, bytesPerSecond: Math.max(0, Math.round((bytes - before.bytes) / seconds)) },
    ];
  });
}

const ratesOf = (points: readonly RecordedPoint[]) =>
  stretches(points).map(({ at, ...rest }) => ({ at: iso(at), ...rest }));

/** Of the log; what the check found is told apart. */
export function warningsOf({ log, findings, warning }: HistoryEntry): string[] {
  const found = findings.map(({ message }) => message);
  const texts = log.filter(({ level }) => level === 'warning').map(({ text }) => text);
  const others = texts.filter((text) => !found.some((message) => text.startsWith(message)));
  return [...new Set(warning === undefined ? others : [...others, warning])];
}

const digestsOf = (digests: readonly RecordedDigest[], disk: string) =>
  digests.filter((of) => of.disk === disk).map(({ algorithm, value }) => ({ algorithm, value }));

const failureOf = ({ kind, message, where, hint }: Failure) => ({
  kind,
  message,
  where: where ?? null,
  hint: hint ?? null,
});

export const iso = (at: number): string => new Date(at).toISOString();

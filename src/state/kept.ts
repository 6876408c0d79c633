/** The store of kept copies as plain data, for the screens and the command line. */
import type { KeepStage } from '../model/plan.ts';
import type { KeptEntry, KeptList } from './stores/kept-store.ts';

export interface KeptSummary {
  readonly id: string;
  /** Of the run that kept it, as in the history. */
  readonly run: string;
  readonly stage: KeepStage;
  readonly status: KeptEntry['status'];
  /** What it takes on the disk. */
  readonly bytes: number;
  /** The machine's, as its source has it. */
  readonly name?: string;
  /** Of the run, for people. */
  readonly title?: string;
  /** Milliseconds since 1970. */
  readonly keptAt: number;
  readonly problem?: string;
}

export interface KeptState {
  readonly folder: string;
  /** The latest first. */
  readonly copies: readonly KeptSummary[];
  /** What all of them take. */
  readonly bytes: number;
  /** Of the filesystem. */
  readonly freeBytes?: number;
  readonly totalBytes?: number;
}

export const keptState = ({ entries, ...rest }: KeptList): KeptState => ({
  ...rest,
  copies: entries.map(summaryOf),
});

function summaryOf({ copy, ...entry }: KeptEntry): KeptSummary {
  if (copy === undefined) return { ...entry, keptAt: startOf(entry.run) };
  const { machine, title, keptAt } = copy;
  return { ...entry, name: machine.name, title, keptAt: Date.parse(keptAt) };
}

/** Its id begins with the time: `20261123-014233-…`, UTC. */
function startOf(run: string): number {
  const [, y, m, d, h, min, s] = /^(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)-/.exec(run) ?? [];
  return Date.UTC(Number(y), Number(m) - 1, Number(d), Number(h), Number(min), Number(s));
}

export const stageWords: Readonly<Record<KeepStage, string>> = {
  extracted: 'as it was read',
  changed: 'after the changes inside',
  converted: 'as it was delivered',
};

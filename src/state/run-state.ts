import type { Failure } from '../model/errors.ts';
import type { GuestChange } from '../model/guest-change.ts';
import type { Machine, PowerState } from '../model/machine.ts';
import type { PassReport } from '../model/pass-report.ts';
import type { Plan } from '../model/plan.ts';
import type { RunAbout } from './history/about.ts';
import type { RunRecord } from './history/record.ts';

export interface DiskProgress {
  readonly id: string;
  readonly name: string;
  readonly bytesDone: number;
  /** Allocated bytes, not the virtual size. */
  readonly bytesTotal: number;
  readonly status: 'waiting' | 'running' | 'done';
}

export interface RunItem {
  readonly title: string;
  /** Where it goes, in words. */
  readonly destination: string;
  readonly plan: Plan;
  readonly status: 'waiting' | 'running' | 'done' | 'failed' | 'cancelled';
  /** The step that is under way, in words. */
  readonly step: string;
  readonly disks: readonly DiskProgress[];
  /** Bytes a second, as it told them last. */
  readonly rate?: number;
  /** Of a machine that is copied while it runs: those that have ended. */
  readonly passes?: readonly PassReport[];
  /** What is changed inside the guest. */
  readonly changes?: readonly GuestChange[];
  /** The word was given that it is to be shut down for the last pass. */
  readonly goesDown?: true;
  /** Where the result is. */
  readonly places: readonly string[];
  /** Its state after it was started at the destination. */
  readonly started?: PowerState;
  /** What was wanted besides and did not come about. */
  readonly warning?: string;
  readonly failure?: Failure;
  readonly historyId?: string;
  /** Rules of the findings that forbade it. */
  readonly blockedBy?: readonly string[];
  /** Set at the end, as the journal has them: the history tells the same. */
  readonly seconds?: number;
  readonly bytes?: number;
}

export interface LogLine {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly level: 'info' | 'warning' | 'error';
  readonly text: string;
}

export type RunStatus = 'waiting' | 'running' | 'paused' | 'cancelling' | 'done' | 'failed' | 'cancelled';

/** Why a run has not begun. */
export interface Waiting {
  /** Its start time, milliseconds since 1970. */
  readonly until?: number;
  /** So many runs come before it. */
  readonly before?: number;
}

export interface Run {
  readonly id: string;
  readonly status: RunStatus;
  readonly items: readonly RunItem[];
  readonly startedAt: number;
  readonly endedAt?: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
  /** Bytes a second, over the last seconds. */
  readonly rate: number;
  readonly secondsLeft?: number;
  readonly log: readonly LogLine[];
  /** Set while it has not begun. */
  readonly waiting?: Waiting;
  /** Bytes a second that it may read at most. */
  readonly limit?: number;
  /** It lives in a process of its own, and is found again by this id. */
  readonly away?: string;
}

/** A run that lives in a process of its own, as it was when it was asked. */
export interface LiveRun {
  readonly id: string;
  /** Its machines, in words. */
  readonly title: string;
  /** `silent`: its process is there and does not answer. */
  readonly status: RunStatus | 'silent';
  /** When it was begun, milliseconds since 1970. */
  readonly startedAt: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
  readonly rate: number;
  readonly secondsLeft?: number;
  readonly waiting?: Waiting;
  readonly limit?: number;
  /** It asks something and waits for an answer. */
  readonly asks: boolean;
  /** Ids of its machines in the history. */
  readonly history: readonly string[];
}

/** As a list tells of them. */
export const hasSameDisks = (a: Machine, b: Machine): boolean =>
  a.disks.length === b.disks.length && a.disks.every(({ id }, i) => id === b.disks[i]!.id);

const activeStatuses: readonly RunStatus[] = ['waiting', 'running', 'paused', 'cancelling'];

export const isActive = (run: Run | undefined): boolean =>
  run !== undefined && activeStatuses.includes(run.status);

export interface HistorySummary {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly endedAt?: number;
  /** `unknown`: in the word of a newer version. */
  readonly outcome: 'done' | 'failed' | 'cancelled' | 'interrupted' | 'running' | 'unknown';
  readonly title: string;
  readonly bytes: number;
  readonly seconds: number;
  readonly places: readonly string[];
  readonly bytesWritten?: number;
  /** The machine's state after it was started at the destination. */
  readonly started?: string;
  /** What was wanted besides and did not come about. */
  readonly warning?: string;
  readonly failure?: Failure;
  /** What and where; journals of the first versions have it in their plan only. */
  readonly about?: RunAbout;
  /** The version of vmferry that ran it; who, and on which computer. */
  readonly program?: string;
  readonly user?: string;
  readonly host?: string;
  /** The version of the journal, where it is newer than what is understood here. */
  readonly newer?: number;
}
export interface HistoryEntry extends HistorySummary, RunRecord {
  readonly plan?: Plan;
  /** The run that was cut and that this one has gone on with. */
  readonly partsOf?: string;
  /** Why there is none that can be run again. */
  readonly planProblem?: string;
  /** The plan in words, a line each. */
  readonly planText: readonly string[];
  readonly journal: JournalCondition;
}

/** Plans that are set aside, and where they go, in words. */
export interface AlsoPlanned {
  readonly plans: readonly Plan[];
  readonly text: string;
}

/** A run that was cut and can be gone on with. */
export interface ResumableRun {
  readonly id: string;
  readonly title: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** At the destination already. */
  readonly bytes: number;
  readonly disks: readonly {
    readonly name: string;
    readonly sizeBytes: number;
    /** Below this it is done. */
    readonly doneBelow: number;
  }[];
}

/** How much of a journal could be read. */
export interface JournalCondition {
  readonly truncated: boolean;
  readonly damagedLines: number;
  /** Lines of types that are not read, how many of each. */
  readonly passedOver: Readonly<Record<string, number>>;
}

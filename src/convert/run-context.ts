/** What a run is handed, what it says, and what its steps hand on. */
import type { OpenImage } from '../codecs/codec.ts';
import type { Hold } from '../env-plugins/plugin.ts';
import type { Undo } from '../guest/change/undo.ts';
import type { SharedReader } from '../io/shared-disk.ts';
import { AppError } from '../model/errors.ts';
import { type Finding, logText, worst } from '../model/finding.ts';
import type { GuestChange } from '../model/guest-change.ts';
import type { Leftover } from '../model/leftover.ts';
import type { Machine, MachineDisk } from '../model/machine.ts';
import type { PassReport } from '../model/pass-report.ts';
import type { SourceCondition } from './check-plan.ts';
import type { DigestKeeping, KeptDigest } from './disk-digests.ts';
import type { KeptChanges } from './kept-changes.ts';
import type { ProgressReport } from './progress.ts';
import type { Resumption, RunRecord } from './resumption.ts';
import type { Connector } from './sessions.ts';

export interface ConversionDisk {
  readonly id: string;
  readonly name: string;
  /** Allocated. */
  readonly bytesTotal: number;
  /** Virtual. */
  readonly sizeBytes?: number;
}

export type ConversionEvent =
  | { readonly type: 'step'; readonly text: string }
  | { readonly type: 'disks'; readonly disks: readonly ConversionDisk[] }
  | { readonly type: 'disk'; readonly id: string; readonly status: 'running' | 'done' }
  | ({ readonly type: 'progress' } & ProgressReport)
  /** What was delivered is read back from here on: progress is that of the reading back. */
  | { readonly type: 'verifying'; readonly disks: readonly ConversionDisk[] }
  /** Of a disk that was read whole. */
  | { readonly type: 'digest'; readonly disk: string; readonly algorithm: string; readonly value: string }
  /** Of a machine that is copied while it runs: one pass has ended. */
  | { readonly type: 'pass'; readonly pass: PassReport }
  /** All that the check of the plan has found; it may be checked twice. */
  | { readonly type: 'findings'; readonly findings: readonly Finding[] }
  /** What forbids it, before the error that says so. */
  | { readonly type: 'blocked'; readonly rules: readonly string[] }
  /** What is changed inside the guest, before it is. */
  | { readonly type: 'changes'; readonly changes: readonly GuestChange[] }
  /** What was made at the destination and could not be taken back. */
  | { readonly type: 'leftovers'; readonly leftovers: readonly Leftover[] }
  | { readonly type: 'log'; readonly level: 'info' | 'warning'; readonly text: string };

/** As the reason of an abort: the run is to end, and what can be gone on with stays. */
export const suspension = new AppError('cancelled', 'stopped; what was written is kept');

export interface RunContext {
  readonly connect: Connector;
  readonly runId: string;
  /** The run whose temporary files these are, where it goes on with what another one began. Default: its own. */
  readonly partsOf?: string;
  /** Told how far it has come; absent: it can't be gone on with. */
  readonly record?: RunRecord;
  /** It goes on where an earlier run was cut. */
  readonly resumption?: Resumption;
  /** Keeps what is changed inside the guest as long as the run can be gone on with. */
  readonly keptChanges?: KeptChanges;
  /** Keeps the digests of the disks' blocks. */
  readonly digests?: DigestKeeping;
  /** What the part of the conversion that was cut has kept of them. @throws AppError. */
  earlierDigests?(): Promise<readonly KeptDigest[] | undefined>;
  readonly signal: AbortSignal;
  /** Resolves at once unless the run is paused. */
  gate(): Promise<void>;
  /** Resolves when so many bytes may be read of the source; absent: without a limit. */
  take?(bytes: number): Promise<void>;
  /** `progress` comes at most 10 times a second. */
  emit(event: ConversionEvent): void;
  /** Something was done to the source's machine that must be undone: the program does not end before. */
  holding?(held: boolean): void;
  /** Aborted when the user gives the word that a machine copied while it runs is to be shut down. */
  readonly word?: AbortSignal;
  /** A new password for a user of the guest, where the plan names some. @throws AppError `auth`. */
  password?(user: string): Promise<string>;
  /** Keeps what takes the guest's changes back. Never throws. */
  keepUndo?(undo: readonly Undo[]): Promise<void>;
  /** What an earlier run has kept. @throws AppError `not-found`. */
  undoOf?(run: string): Promise<readonly Undo[]>;
  /** How often the state of such a machine is asked for. */
  readonly lookMilliseconds?: number;
}

export interface HeldSource {
  /** As its disks are to be opened. */
  readonly machine: Machine;
  readonly condition: SourceCondition;
  readonly findings: readonly Finding[];
  /** See `Hold`. */
  readonly verify?: Hold['verify'];
}

export interface ExtractedDisk {
  readonly disk: MachineDisk;
  readonly image: OpenImage;
  readonly bytesTotal: number;
  /** The image is read by others as well: where this one's place in it is told. */
  readonly reader?: SharedReader;
  /** A file of this computer with the bytes of that image, which nobody else needs. */
  readonly copy?: { readonly path: string; readonly of: OpenImage };
}

/** What is to be closed again, the latest first; closing twice does nothing. */
export class Opened {
  readonly #things: { close(): Promise<void> }[] = [];

  keep<T extends { close(): Promise<void> }>(thing: T): T {
    this.#things.push(thing);
    return thing;
  }

  async close(): Promise<void> {
    for (let thing = this.#things.pop(); thing !== undefined; thing = this.#things.pop()) await thing.close();
  }
}

export const tellDisks = (disks: readonly ExtractedDisk[], { emit }: RunContext) =>
  emit({
    type: 'disks',
    disks: disks.map(({ disk, image, bytesTotal }) => ({
      ...{ id: disk.id, name: disk.name, bytesTotal },
      sizeBytes: image.size,
    })),
  });

export function tell(findings: readonly Finding[], { emit }: RunContext): void {
  emit({ type: 'findings', findings });
  for (const f of findings) {
    const level = f.severity === 'warning' ? 'warning' : 'info';
    if (f.severity !== 'blocker') emit({ type: 'log', level, text: logText(f) });
  }
}

/** @throws AppError `blocked`. */
export function refuse(findings: readonly Finding[], context: RunContext): void {
  if (worst(findings) !== 'blocker') return;
  const blockers = findings.filter((f) => f.severity === 'blocker');
  context.emit({ type: 'blocked', rules: blockers.map((f) => f.rule) });
  const remedies = [...new Set(blockers.flatMap((f) => f.remedy ?? []))];
  throw new AppError('blocked', blockers.map((f) => f.message).join('; '), {
    ...(remedies.length === 0 ? {} : { hint: remedies.join('; ') }),
  });
}

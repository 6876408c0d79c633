/**
 * The events of a journal as what they tell of the run. Each is checked on its own: one that is not understood is kept
 * as it is, for a later version may have written it.
 */
import * as z from 'zod';
import type { Finding } from '../../model/finding.ts';
import type { GuestChange } from '../../model/guest-change.ts';
import type { Leftover } from '../../model/leftover.ts';
import type { PassReport } from '../../model/pass-report.ts';
import type { LogLine } from '../state.ts';

export interface RecordedDisk {
  readonly id: string;
  readonly name: string;
  /** Virtual. */
  readonly sizeBytes?: number;
  readonly allocatedBytes?: number;
  readonly bytesRead?: number;
  readonly seconds?: number;
  /** False: it was not read to its end. */
  readonly whole?: boolean;
  /** It was read back at the destination and is the same: how long that took. */
  readonly verifiedSeconds?: number;
}

export interface RecordedDigest {
  readonly disk: string;
  readonly algorithm: string;
  readonly value: string;
}

/** Bytes read of all disks so far, milliseconds since 1970. */
export interface RecordedPoint {
  readonly at: number;
  readonly bytes: number;
}

export interface RunRecord {
  readonly log: readonly LogLine[];
  readonly findings: readonly Finding[];
  readonly changes: readonly GuestChange[];
  readonly disks: readonly RecordedDisk[];
  readonly passes: readonly PassReport[];
  readonly points: readonly RecordedPoint[];
  readonly digests: readonly RecordedDigest[];
  readonly leftovers: readonly Leftover[];
  /** Lines of the log that were not written, as there were too many. */
  readonly logLeftOut: number;
  /** Events that are not known here. */
  readonly other: readonly unknown[];
}

/** More of what is not known is not held. */
const MOST_OTHER = 1000;

/** The last moment that a Date can hold. */
const LAST_TIME = 8.64e15;

const text = z.string();
const amount = z.number().nonnegative();
const finding = z.object({
  rule: text,
  severity: z.enum(['blocker', 'warning', 'note']),
  message: text,
  evidence: text.optional(),
  remedy: text.optional(),
});
const file = z.looseObject({ path: text, kind: text });
const change = z.looseObject({ id: text, title: text, reason: text, need: text, files: z.array(file) });
const pass = z.object({
  number: amount,
  last: z.boolean(),
  bytesRead: amount,
  bytesChanged: amount,
  seconds: amount,
});
const disk = z.object({ id: text, name: text, bytesTotal: amount, sizeBytes: amount.optional() });
const leftover = z.object({ what: text, command: text.optional() });

const known = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('log'),
    at: z.number().min(0).max(LAST_TIME),
    level: z.enum(['info', 'warning', 'error']).catch('info'),
    text,
  }),
  z.object({ type: z.literal('finding'), finding }),
  z.object({ type: z.literal('change'), change }),
  z.object({ type: z.literal('disks'), disks: z.array(disk) }),
  z.object({
    type: z.literal('disk'),
    id: text,
    bytes: amount,
    seconds: amount,
    whole: z.boolean().catch(true),
  }),
  z.object({ type: z.literal('verified'), id: text, seconds: amount }),
  z.object({ type: z.literal('progress'), bytes: amount }),
  z.object({ type: z.literal('pass'), pass }),
  z.object({ type: z.literal('digest'), disk: text, algorithm: text, value: text }),
  z.object({ type: z.literal('leftover'), leftover }),
  z.object({ type: z.literal('left-out'), lines: amount }),
]);

export function recordOf(events: readonly { readonly at: string; readonly event: unknown }[]): RunRecord {
  const log: LogLine[] = [];
  const findings: Finding[] = [];
  const changes: GuestChange[] = [];
  const passes: PassReport[] = [];
  const points: RecordedPoint[] = [];
  const leftovers: Leftover[] = [];
  const other: unknown[] = [];
  const digests = new Map<string, RecordedDigest>();
  let disks = new Map<string, RecordedDisk>();
  let logLeftOut = 0;
  for (const { at, event } of events) {
    const read = known.safeParse(event);
    if (!read.success) {
      if (other.length < MOST_OTHER) other.push(event);
      continue;
    }
    const { data } = read;
    switch (data.type) {
      case 'log':
        log.push({ at: data.at, level: data.level, text: data.text });
        break;
      case 'finding':
        findings.push(data.finding as Finding);
        break;
      case 'change':
        changes.push(data.change as unknown as GuestChange);
        break;
      case 'disks':
        disks = new Map(data.disks.map(({ bytesTotal, ...of }) => [of.id, diskOf(of, bytesTotal)]));
        break;
      case 'disk': {
        const { id, bytes: bytesRead, seconds, whole } = data;
        disks.set(id, { ...(disks.get(id) ?? { id, name: id }), bytesRead, seconds, whole });
        break;
      }
      case 'verified': {
        const { id, seconds: verifiedSeconds } = data;
        disks.set(id, { ...(disks.get(id) ?? { id, name: id }), verifiedSeconds });
        break;
      }
      case 'progress':
        points.push({ at: Date.parse(at), bytes: data.bytes });
        break;
      case 'pass':
        passes.push(data.pass);
        break;
      case 'digest': {
        const { type: _, ...digest } = data;
        digests.set(`${digest.disk} ${digest.algorithm}`, digest);
        break;
      }
      case 'leftover':
        leftovers.push(data.leftover as Leftover);
        break;
      case 'left-out':
        logLeftOut += data.lines;
        break;
    }
  }
  return {
    ...{ log, findings, changes, passes, points, leftovers, logLeftOut, other },
    disks: [...disks.values()],
    digests: [...digests.values()],
  };
}

const diskOf = (
  { id, name, sizeBytes }: { id: string; name: string; sizeBytes?: number | undefined },
  allocatedBytes: number,
): RecordedDisk => ({ id, name, allocatedBytes, ...(sizeBytes === undefined ? {} : { sizeBytes }) });

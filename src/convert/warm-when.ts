/** When a machine that is copied while it runs has been followed closely enough. Pure. */
import type { SourceRole } from '../env-plugins/plugin.ts';
import { AppError } from '../model/errors.ts';
import type { Finding } from '../model/finding.ts';
import type { PassReport } from '../model/pass-report.ts';
import type { Plan, Warm } from '../model/plan.ts';
import { formatBytes, formatDuration, MiB } from '../model/units.ts';
import type { SourceCondition } from './check-plan.ts';

/** A pass of less takes about as long as taking a snapshot does. */
const smallBytes = 64 * MiB;
/** So many passes in a row that carried no less than the one before will not be followed by one that does. */
const patience = 3;

export const defaultIntervalSeconds = 300;

/** Whether another pass at once would make the last one no shorter. */
export function isSettled(passes: readonly PassReport[], warm: Warm): boolean {
  const deltas = passes.slice(1).map(({ bytesChanged }) => bytesChanged);
  const last = deltas.at(-1);
  if (warm.passes !== undefined && deltas.length >= warm.passes) return true;
  if (last === undefined) return false;
  if (last < (warm.belowBytes ?? smallBytes)) return true;
  const recent = deltas.slice(-patience - 1);
  return recent.length > patience && recent.every((bytes, i) => i === 0 || bytes >= recent[i - 1]!);
}

/** `pass 2: 12 MiB changed, 12 MiB read in 0:03` */
export function passInWords({ number, last, bytesRead, bytesChanged, seconds }: PassReport): string {
  const what = number === 1 ? 'copied' : 'changed';
  const which = last ? `pass ${number}, the last one` : `pass ${number}`;
  return `${which}: ${formatBytes(bytesChanged)} ${what}, ${formatBytes(bytesRead)} read in ${formatDuration(seconds)}`;
}

export function warmInWords({ shutDown, turnOn, passes, belowBytes }: Warm): string {
  const enough = [
    passes === undefined ? undefined : `after ${passes} ${passes === 1 ? 'pass' : 'passes'} of changes`,
    belowBytes === undefined ? undefined : `when less than ${formatBytes(belowBytes)} changed`,
  ].filter((part) => part !== undefined);
  return [
    'copied while it runs, then what changed, the last of it when it is off',
    ...(enough.length === 0 ? [] : [`its end is near ${enough.join(' or ')}`]),
    shutDown ? 'its system is asked to SHUT DOWN for that' : 'its shutdown is waited for',
    ...(turnOn ? ['tracking of changes is turned on there meanwhile, where it is off'] : []),
  ].join('; ');
}

/** Whether the source can do what is planned, and needs to. */
export function warmFindings(
  { warm, source }: Plan,
  { state }: Pick<SourceCondition, 'state'>,
  { track }: Pick<SourceRole, 'track'>,
): Finding[] {
  if (warm === undefined) return [];
  if (track === undefined) {
    const remedy = 'leave the warm copy out: it is read as it is held, or shut it down first';
    const message =
      'this environment does not tell what changed on a disk, so it can not be copied while it runs';
    return [{ rule: 'warm.untold', severity: 'blocker', message, evidence: source.environment, remedy }];
  }
  if (state === 'running') return [];
  return [{ rule: 'warm.not-running', severity: 'note', message: `it is ${state}, and read once` }];
}

/** Ranges of changes are told of whole disks. @throws AppError `usage`. */
export function refuseWarm({ warm, source }: Plan): void {
  const { window, partition, table, snapshot } = source;
  if (warm === undefined) return;
  if ([window, partition, table, snapshot].every((part) => part === undefined)) return;
  throw new AppError('usage', 'only whole disks in their current state are copied while the machine runs', {
    hint: 'leave out the window, the partition, the partition table and the snapshot, or the warm copy',
  });
}

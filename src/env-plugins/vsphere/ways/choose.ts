/** Which way a disk is read: the one that the user names, else the fastest that is offered and does open. */
import { AppError, toAppError } from '../../../model/errors.ts';
import type { Finding } from '../../../model/finding.ts';
import type { OpenDisk } from '../../plugin.ts';
import type { Way, WayId, WaySubject } from './way.ts';

export interface Chosen {
  readonly disk: OpenDisk;
  readonly way: Way;
  /** Told to the user: the way, and why it is none of the faster ones. */
  readonly finding: Finding;
}

interface PassedOver {
  readonly label: string;
  readonly why: string;
}

/** `ways` the fastest first. @throws AppError of the first way that was tried, `unsupported` where there is none. */
export async function openByWay(
  ways: readonly Way[],
  wanted: WayId | 'auto',
  subject: WaySubject,
  signal: AbortSignal,
): Promise<Chosen> {
  const passed: PassedOver[] = [];
  let failure: AppError | undefined;
  for (const way of ways.filter(({ id }) => wanted === 'auto' || id === wanted)) {
    const why = await way.whyNot(subject, signal);
    if (why !== undefined) {
      passed.push({ label: way.label, why });
      continue;
    }
    try {
      const disk = await way.open(subject, signal);
      return { disk, way, finding: findingOf(way, subject, passed) };
    } catch (error) {
      const failed = toAppError(error);
      if (failed.kind === 'cancelled' || signal.aborted || wanted !== 'auto') throw error;
      failure ??= failed;
      passed.push({ label: way.label, why: failed.message });
    }
  }
  if (failure !== undefined) throw failure;
  throw new AppError('unsupported', `${subject.disk.label} can't be read: ${inWords(passed)}`, {
    where: subject.machine.name,
    hint:
      wanted === 'auto'
        ? 'leave the disk out, or move it to another datastore there first'
        : 'say "auto" to "Way", which takes the fastest that there is',
  });
}

const inWords = (passed: readonly PassedOver[]): string =>
  passed.map(({ label, why }) => `${label}: ${why}`).join('; ');

function findingOf({ label }: Way, { disk }: WaySubject, passed: readonly PassedOver[]): Finding {
  return {
    rule: 'vsphere.way',
    severity: 'note',
    message: `read by way of: ${label}${passed.length === 0 ? '' : `. Not by the faster ones: ${inWords(passed)}`}`,
    evidence: disk.label,
    remedy: 'another way can be said with the setting "way"',
  };
}

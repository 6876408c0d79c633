/** The guest's changes as a preview: worked out on the disks that are open, nothing is written. */
import type { OpenImage } from '../codecs/codec.ts';
import type { DestinationRole } from '../env-plugins/plugin.ts';
import { toAppError } from '../model/errors.ts';
import type { Finding } from '../model/finding.ts';
import type { GuestChange } from '../model/guest-change.ts';
import type { Plan } from '../model/plan.ts';
import type { CheckedRequest } from './check-plan.ts';
import { wantsChanges } from './make-plan.ts';
import type { ManipulateContext } from './manipulate.ts';

export interface GuestReview {
  readonly changes: readonly GuestChange[];
  /** What would be changed, and is left as it is because that was asked for. */
  readonly leftOut: readonly GuestChange[];
  readonly findings: readonly Finding[];
}

const nothing: GuestReview = { changes: [], leftOut: [], findings: [] };

/** `images`: of the plan's disks, those that could be opened. */
export async function reviewGuest(
  plan: Plan,
  images: readonly OpenImage[],
  destination: DestinationRole,
  request: CheckedRequest,
  context: Pick<ManipulateContext, 'signal' | 'undoOf' | 'passphrase' | 'moves'>,
): Promise<GuestReview> {
  if (!wantsChanges(plan)) return nothing;
  if (images.length < plan.machine.disks.length || images.length === 0)
    return { ...nothing, findings: [later] };
  const { manipulate } = await import('./manipulate.ts');
  try {
    const hardware = (await destination.hardware?.(request)) ?? request.machine;
    const made = await manipulate(plan, images, hardware, {
      ...context,
      runId: 'review',
      report: () => undefined,
      password: async () => 'preview',
    });
    const { changes, leftOut, findings } = made;
    await made.close();
    return { changes, leftOut, findings };
  } catch (error) {
    const { kind, message, where, hint } = toAppError(error);
    if (kind === 'cancelled') throw error;
    return {
      ...nothing,
      findings: [
        {
          rule: 'guest.unreadable',
          severity: 'blocker',
          message: `what to change in the guest can't be worked out: ${message}`,
          ...(where === undefined ? {} : { evidence: where }),
          remedy: hint ?? 'leave the changes out (--changes none); the guest may not start then',
        },
      ],
    };
  }
}

const later: Finding = {
  rule: 'guest.looked-at-later',
  severity: 'note',
  message: 'the guest can only be looked into by the run: its changes are not known before',
  remedy: 'see the history of the run for what was changed',
};
